import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { day } from '../../src/core/time.ts'
import { createIssuer, createServerCertificate } from '../../src/pki/ca.ts'
import { generateKeyPair, privateKeyPem } from '../../src/pki/keys.ts'
import { refusedNode } from '../../src/server/node-version.ts'
import { makeAuthority } from '../support/authority.ts'
import { runProgram } from '../support/program.ts'

const tables = {
  AIRUNNER_PRINCIPAL_TABLE: 'principals',
  AIRUNNER_CERT_TABLE: 'certificates',
  AIRUNNER_CONTROL_TABLE: 'control',
}
const authority = await makeAuthority()
const other = await makeAuthority()
const expired = await makeAuthority(Date.now() - 400 * day)
const good: Record<string, string> = { ...tables, ...authority.env }
const directory = mkdtempSync(join(tmpdir(), 'start-up-'))
t.teardown(() => rmSync(directory, { recursive: true, force: true }))

const makeServer = async (change: Partial<Parameters<typeof createServerCertificate>[0]>) => {
  const { publicKey, privateKey } = generateKeyPair()
  const issuer = authority.serverIssuer
  const { pem } = await createServerCertificate({
    issuer,
    publicKey,
    hostname: 'localhost',
    now: Date.now(),
    ...change,
  })
  return { AIRUNNER_SERVER_CERT: pem + issuer.pem, AIRUNNER_SERVER_KEY: privateKeyPem(privateKey) }
}

const makeIssuerOf = async (usage: 'client' | 'server') => {
  const { publicKey, privateKey } = generateKeyPair()
  const { root } = authority
  const { pem } = await createIssuer({ root, publicKey, common_name: `another ${usage}`, usage, now: Date.now() })
  return { pem, key: privateKeyPem(privateKey) }
}

const file = (name: string, text: string): string => {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

const [clientIssuer, serverIssuer] = [await makeIssuerOf('client'), await makeIssuerOf('server')]
const none = { AIRUNNER_SERVER_CERT: '', AIRUNNER_SERVER_KEY: '' }

interface Refusal {
  /** Why it is refused. */
  name: string
  env?: Record<string, string>
  args?: string[]
  /** All lines that are printed, in this order. */
  lines: RegExp[]
}

const refusals: Refusal[] = [
  {
    name: 'nothing is given',
    env: Object.fromEntries(Object.keys(good).map((key) => [key, ''])),
    args: [],
    lines: [
      /--hostname \(AIRUNNER_HOSTNAME\): found nothing, expected a lower-case DNS name/,
      /AIRUNNER_PRINCIPAL_TABLE: found nothing/,
      /AIRUNNER_CERT_TABLE: found nothing/,
      /AIRUNNER_CONTROL_TABLE: found nothing/,
      /AIRUNNER_CA_CERT: found nothing/,
      /AIRUNNER_SERVER_CERT: found nothing/,
    ],
  },
  {
    name: 'much is wrong at once, and a flag swallows nothing',
    env: { AIRUNNER_WORKERS: 'many', AIRUNNER_CERT_TABLE: 'a/b' },
    args: ['--hostname', 'Foo', '--bogus', '--mtls-listen', '--drain-delay=3x', 'extra', '--max-connections', '0'],
    lines: [
      /"--bogus": found an unknown flag/,
      /--mtls-listen: found no value/,
      /"extra": found an unknown argument/,
      /--hostname: found "Foo"/,
      /AIRUNNER_WORKERS: found "many"/,
      /--max-connections: found "0"/,
      /--drain-delay: found "3x"/,
      /AIRUNNER_CERT_TABLE: found "a\/b"/,
    ],
  },
  {
    name: 'the trust bundle is white space',
    env: { AIRUNNER_CA_CERT: ' \n ' },
    lines: [/AIRUNNER_CA_CERT: found nothing/],
  },
  {
    name: 'the trust bundle is a placeholder',
    env: { AIRUNNER_CA_CERT: 'placeholder' },
    lines: [/AIRUNNER_CA_CERT: found the word placeholder/],
  },
  {
    name: 'the trust bundle is cut short',
    env: { AIRUNNER_CA_CERT: authority.root_pem.slice(0, 300) },
    lines: [/AIRUNNER_CA_CERT: /],
  },
  {
    name: 'the trust bundle holds a leaf',
    env: { AIRUNNER_CA_CERT: authority.env.AIRUNNER_SERVER_CERT },
    lines: [/AIRUNNER_CA_CERT: .*not a CA/],
  },
  {
    name: 'the trust bundle holds a key',
    env: { AIRUNNER_CA_CERT: clientIssuer.key },
    lines: [/AIRUNNER_CA_CERT: .*PRIVATE KEY/],
  },
  {
    name: 'the trust bundle holds text between',
    env: { AIRUNNER_CA_CERT: `${authority.root_pem}hello\n${other.root_pem}` },
    lines: [/AIRUNNER_CA_CERT: /],
  },
  {
    name: 'the file of the trust bundle is not there',
    env: { AIRUNNER_CA_CERT: '', AIRUNNER_CA_CERT_FILE: '/nowhere' },
    lines: [/AIRUNNER_CA_CERT_FILE \(\/nowhere\): .*ENOENT/],
  },
  {
    name: 'a variable and its twin are given',
    env: { AIRUNNER_CA_CERT_FILE: file('ca.pem', authority.root_pem) },
    lines: [/AIRUNNER_CA_CERT, AIRUNNER_CA_CERT_FILE: found both/],
  },
  {
    name: 'the server certificate has another name',
    env: await makeServer({ hostname: 'other.example.com' }),
    lines: [/AIRUNNER_SERVER_CERT: .*names other\.example\.com, expected localhost/],
  },
  {
    name: 'the server certificate does not match its key',
    env: { AIRUNNER_SERVER_KEY: clientIssuer.key },
    lines: [/AIRUNNER_SERVER_CERT: .*does not match its key/],
  },
  {
    name: 'the server certificate is expired',
    env: await makeServer({ now: Date.now() - 8 * day }),
    lines: [/AIRUNNER_SERVER_CERT: .*expired/],
  },
  {
    name: 'the server certificate has no serverAuth, and is a CA',
    env: { AIRUNNER_SERVER_CERT: clientIssuer.pem, AIRUNNER_SERVER_KEY: clientIssuer.key },
    lines: [/expected localhost/, /no extendedKeyUsage serverAuth/, /is a CA/],
  },
  {
    name: 'the server certificate is of another root',
    env: { AIRUNNER_SERVER_CERT: other.env.AIRUNNER_SERVER_CERT, AIRUNNER_SERVER_KEY: other.env.AIRUNNER_SERVER_KEY },
    lines: [/AIRUNNER_SERVER_CERT: .*trust bundle/],
  },
  {
    name: 'the server key is missing',
    env: { AIRUNNER_SERVER_KEY: '' },
    lines: [/AIRUNNER_SERVER_KEY: found nothing/],
  },
  {
    name: 'neither a server certificate nor an issuer of one',
    env: none,
    lines: [/AIRUNNER_SERVER_CERT: found nothing/],
  },
  {
    name: 'an issuer of servers without its key',
    env: { ...none, AIRUNNER_SERVER_ISSUER_CERT: serverIssuer.pem },
    lines: [/AIRUNNER_SERVER_ISSUER_KEY: found nothing/],
  },
  {
    name: 'an issuer of clients for servers',
    env: { ...none, AIRUNNER_SERVER_ISSUER_CERT: clientIssuer.pem, AIRUNNER_SERVER_ISSUER_KEY: clientIssuer.key },
    lines: [/AIRUNNER_SERVER_ISSUER_CERT: .*serverAuth/],
  },
  {
    name: 'the issuer does not chain to the bundle',
    env: { AIRUNNER_ISSUER_CERT: other.env.AIRUNNER_ISSUER_CERT, AIRUNNER_ISSUER_KEY: other.env.AIRUNNER_ISSUER_KEY },
    lines: [/AIRUNNER_ISSUER_CERT: .*chain to the trust bundle/],
  },
  {
    name: 'the issuer is not a CA',
    env: {
      AIRUNNER_ISSUER_CERT: authority.env.AIRUNNER_SERVER_CERT.split(/(?<=END CERTIFICATE-----\n)/)[0] as string,
      AIRUNNER_ISSUER_KEY: authority.env.AIRUNNER_SERVER_KEY,
    },
    lines: [/AIRUNNER_ISSUER_CERT: .*not a CA/],
  },
  {
    name: 'the issuer is expired',
    env: { ...expired.env },
    lines: [/AIRUNNER_ISSUER_CERT: .*expired/, /AIRUNNER_SERVER_CERT: .*expired/, /AIRUNNER_SERVER_CERT: .*expired/],
  },
  {
    name: 'the issuer does not match its key',
    env: { AIRUNNER_ISSUER_KEY: clientIssuer.key },
    lines: [/AIRUNNER_ISSUER_CERT: .*does not match its key/],
  },
  {
    name: 'the issuer key has no certificate',
    env: { AIRUNNER_ISSUER_CERT: '' },
    lines: [/AIRUNNER_ISSUER_CERT: found nothing/],
  },
  {
    name: 'both issuer keys are given',
    env: { AIRUNNER_ISSUER_KMS_KEY_ID: 'alias/x' },
    lines: [/AIRUNNER_ISSUER_KEY, AIRUNNER_ISSUER_KMS_KEY_ID: found both/],
  },
  {
    name: 'two memories of the tables',
    env: { AIRUNNER_STORE_EPOCH_FILE: 'x', AIRUNNER_STORE_EPOCH_PARAMETER: '/a/b' },
    lines: [/--store-epoch-file, --store-epoch-parameter: found both/],
  },
  {
    name: 'a memory of the tables that is none',
    env: { AIRUNNER_STORE_EPOCH_FILE: 'auto', AIRUNNER_STORE_EPOCH_PARAMETER: 'b' },
    lines: [/AIRUNNER_STORE_EPOCH_PARAMETER: found "b"/, /--store-epoch-file: found "auto"/],
  },
  {
    name: 'a key in KMS has no certificate, and its name is none',
    env: {
      AIRUNNER_ISSUER_CERT: '',
      AIRUNNER_ISSUER_KEY: '',
      AIRUNNER_ISSUER_KMS_KEY_ID: 'alias/x, alias/y',
      AIRUNNER_SERVER_ISSUER_KMS_KEY_ID: 'my key',
    },
    lines: [
      /AIRUNNER_SERVER_ISSUER_KMS_KEY_ID: found "my", expected the id, ARN or alias\/NAME/,
      /AIRUNNER_ISSUER_CERT: found nothing, expected the certificate of AIRUNNER_ISSUER_KMS_KEY_ID/,
    ],
  },
  {
    name: 'too many keys in KMS',
    env: { AIRUNNER_ISSUER_KEY: '', AIRUNNER_ISSUER_KMS_KEY_ID: 'alias/a alias/b alias/c alias/d alias/e' },
    lines: [/AIRUNNER_ISSUER_KMS_KEY_ID: found 5 keys, expected/],
  },
  ...['airunner/prod', '/airunner/prod/', '/', '/air runner', '/a-b'.repeat(15)].map((prefix) => ({
    name: `the path of the parameters is ${prefix.slice(0, 20)}`,
    env: { AIRUNNER_SSM_PREFIX: prefix },
    lines: [/AIRUNNER_SSM_PREFIX: found "[^"]*", expected the path above the parameters, such as \/airunner\/prod/],
  })),
  {
    name: 'two listeners share an address',
    args: ['--hostname', 'localhost', '--health-listen', '0.0.0.0:443'],
    lines: [/--health-listen: found 0\.0\.0\.0:443, as for --mtls-listen/],
  },
  {
    name: 'a directory for development is named',
    args: ['--hostname', 'localhost', '--data-dir', 'x'],
    lines: [/--data-dir: found it given/],
  },
  { name: 'two tables are one', env: { AIRUNNER_CERT_TABLE: 'control' }, lines: [/found the same table twice/] },
  {
    name: 'a key stands where a name belongs',
    env: { AIRUNNER_CERT_TABLE: clientIssuer.key },
    lines: [/AIRUNNER_CERT_TABLE: found PEM text/],
  },
]

// The ports of a program that starts after all are taken: were one opened, the line would be another.
const taken = createServer().listen(0, '127.0.0.1')
await once(taken, 'listening')
t.teardown(() => taken.close())
const { port } = taken.address() as { port: number }
const listeners = ['mtls', 'enroll', 'health', 'pki', 'metrics'].map((name) => `AIRUNNER_${name.toUpperCase()}_LISTEN`)
const ports = Object.fromEntries(
  listeners.map((name, index) => [name, index === 0 ? `127.0.0.1:${port}` : '127.0.0.1:0']),
)

t.test('each refusal is said in full, with exit 2 and no port', { jobs: 2, buffered: true }, async (t) => {
  for (const { name, env, args = ['--hostname', 'localhost'], lines } of refusals) {
    t.test(name, async (t) => {
      const shared = args.includes('--health-listen') || args.includes('--mtls-listen')
      const { code, stdout, stderr } = await runProgram(args, { ...good, ...(shared ? {} : ports), ...env })
      const said = stderr.split('\n').slice(0, -1)
      t.equal(code, 2)
      t.equal(stdout, '', 'no log line: nothing was started')
      t.equal(said.length, lines.length, stderr)
      for (const [index, line] of lines.entries()) t.match(said[index], line)
      t.notMatch(stderr, /PRIVATE KEY-----|[A-Za-z0-9+/]{40}/, 'no key material')
    })
  }
})

t.test('what is good is shown without secrets', async (t) => {
  const args = ['--hostname', 'localhost', '--check-config', '--workers', '3']
  const { code, stdout, stderr } = await runProgram(args, { ...good, AIRUNNER_FEED_INTERVAL: '2s', ...ports })
  t.equal(code, 0, stderr)
  const shown = JSON.parse(stdout)
  t.same(shown.options.workers, { value: '3', source: 'flag' })
  t.same(shown.options.feed_interval, { value: '2s', source: 'environment' })
  t.same(shown.options.max_validity, { value: '90d', source: 'default' })
  t.same(shown.options.store_epoch_parameter, { value: 'none', source: 'default' })
  t.match(shown.issuers, [{ signs: true }])
  t.notMatch(stdout, /BEGIN/)
})

t.test('AWS is not asked by --check-config, which says so', async (t) => {
  const nowhere = { AWS_ENDPOINT_URL: 'http://127.0.0.1:1', AWS_REGION: 'us-east-1' }
  const env = {
    ...good,
    ...nowhere,
    AIRUNNER_ISSUER_KEY: '',
    AIRUNNER_ISSUER_KMS_KEY_ID: 'alias/x alias/y',
    AIRUNNER_SSM_PREFIX: '/airunner/prod',
  }
  const { code, stdout, stderr } = await runProgram(['--hostname', 'localhost', '--check-config'], env)
  t.equal(code, 0, stderr)
  t.match(JSON.parse(stdout), {
    issuers: [{ signs: false }],
    issuer_kms_keys: ['alias/x', 'alias/y'],
    ssm_prefix: '/airunner/prod',
    options: { store_epoch_parameter: { value: '/airunner/prod/store-epoch', source: 'default' } },
    not_checked: ['AIRUNNER_ISSUER_KMS_KEY_ID', 'AIRUNNER_SSM_PREFIX'],
  })
  const tableNames = { ...tables, ...nowhere, AIRUNNER_SSM_PREFIX: '/airunner/prod' }
  const bare = await runProgram(['--hostname', 'localhost', '--check-config'], tableNames)
  t.equal(bare.code, 0, bare.stderr)
  t.notOk('trust_bundle' in JSON.parse(bare.stdout), 'what only the Parameter Store holds is not shown')
})

t.test('a port that is taken ends the program with 1, and says which', async (t) => {
  const { code, stdout } = await runProgram(['--hostname', 'localhost'], { ...good, ...ports, AWS_REGION: 'us-east-1' })
  t.equal(code, 1)
  t.match(JSON.parse(stdout.split('\n')[0] as string), { event: 'listen_failed', listener: 'mtls', code: 'EADDRINUSE' })
})

t.test('help and version need nothing', async (t) => {
  const [help, version] = await Promise.all([runProgram(['--help']), runProgram(['--version'])])
  t.equal(help.code, 0)
  t.match(help.stdout, /--mtls-listen HOST:PORT .*0\.0\.0\.0:443/)
  t.match(help.stdout, /AIRUNNER_CA_CERT/)
  t.equal(version.code, 0)
  t.match(version.stdout, /^rpc-server \d/)
})

t.test('Node is compared by number', async (t) => {
  for (const version of ['24.21.0', '24.21.1', '24.100.0', '25.0.0', '100.0.0', 'v24.21.0'])
    t.equal(refusedNode(version), undefined)
  for (const version of ['24.20.9', '24.3.0', '20.20.2', '9.99.99', '24.21.0-rc.1', 'nonsense', ''])
    t.match(refusedNode(version), /expected 24\.21\.0 or newer/, version)
})

import { type ExecFileException, execFile } from 'node:child_process'
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { revocationReasons } from '../../src/core/certificate.ts'
import { day } from '../../src/core/time.ts'
import { makeIssueClientCertificate } from '../../src/pki/certificate.ts'
import { encodeCrlTbs, joinCrl, makeEntryList, type RevokedEntry } from '../../src/pki/crl.ts'
import { issuerOf } from '../../src/pki/issuer.ts'
import { spkiOf } from '../../src/pki/keys.ts'
import { certificatePem } from '../../src/pki/pem.ts'
import { chooseValidity } from '../../src/pki/profile.ts'
import { newSerialNumber } from '../../src/pki/serial.ts'
import { makeAuthority } from '../support/authority.ts'
import { missingTools, runTool } from '../support/tools.ts'

const now = Date.now()
const { issuer, serverIssuer, root, root_pem, env } = await makeAuthority(now)
const key = generateKeyPairSync('ec', { namedCurve: 'P-256' })

/** What a tool of this machine says, and its exit code; code -1 when it is not here. */
const ask = (command: string, ...args: string[]): Promise<{ code: number; said: string }> =>
  new Promise((done) =>
    execFile(command, args, { timeout: 20_000 }, (error: ExecFileException | null, stdout, stderr) =>
      done({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, said: stdout + stderr }),
    ),
  )
const missing = async (command: string, ...args: string[]): Promise<string | false> => {
  const { code } = await ask(command, ...args)
  if (code === 0) return false
  const reason = `${command} ${args.join(' ')} is not here`
  console.error(`SKIPPED: ${reason}`)
  return reason
}

const crlOf = async (
  entries: RevokedEntry[],
  thisUpdate = now,
  nextUpdate = thisUpdate + day,
  by = issuer,
): Promise<Buffer> => {
  const list = makeEntryList()
  for (const entry of entries) list.add(entry)
  const tbs = encodeCrlTbs(
    {
      issuer: by.subject,
      key_id: by.key_id,
      number: Math.floor(thisUpdate / 1000),
      this_update: thisUpdate,
      next_update: nextUpdate,
    },
    list.encode(),
  )
  return joinCrl(tbs, (await by.signer?.sign(tbs)) ?? Buffer.alloc(0))
}
const pemOf = (der: Buffer): string =>
  `-----BEGIN X509 CRL-----\n${der.toString('base64').replace(/.{64}/g, '$&\n').trimEnd()}\n-----END X509 CRL-----\n`

/** A client certificate, and its serial number. */
const issue = async (public_url?: string) => {
  const profile = { hostname: 'example.com', oid_arc: '1.3.6.1.4.1.99999.1', ...(public_url && { public_url }) }
  const serial_number = newSerialNumber(now)
  const der = await makeIssueClientCertificate({ issuer, profile })({
    serial_number,
    principal_id: 'worker-1',
    principal_type: 'worker',
    spki: spkiOf(key.publicKey),
    ...chooseValidity({ now, max_validity: 90 * day, issuer_not_after: issuer.not_after }),
  })
  return { serial_number, pem: certificatePem(der) }
}

const everyReason = revocationReasons.map((reason, i) => ({
  serial_number: newSerialNumber(now - i * day),
  revoked_at: now - i * 1000,
  reason,
}))
const late = Date.parse('2049-12-31T12:00:00Z')
const lists: Record<string, Buffer> = {
  empty: await crlOf([]),
  'every reason': await crlOf(everyReason),
  'both forms of time': await crlOf(
    everyReason.map((entry, i) => ({ ...entry, revoked_at: late - i * 365 * day })),
    late,
    late + day,
  ),
  'after 2050': await crlOf(
    everyReason.map((entry) => ({ ...entry, revoked_at: late + day })),
    late + 2 * day,
  ),
}

t.test('outside linters find no fault with any list', { skip: missingTools('zlint', 'lint_crl') }, async (t) => {
  const folder = t.testdir({})
  for (const [name, der] of Object.entries(lists)) {
    const file = join(folder, `${name.replaceAll(' ', '-')}.pem`)
    writeFileSync(file, pemOf(der))
    const [zlint, pkilint] = await Promise.all([
      runTool('zlint', ['-includeSources', 'RFC5280,Community', file], 20_000),
      runTool('lint_crl', ['lint', '-t', 'CRL', '-p', 'PKIX', '-s', 'NOTICE', file], 20_000),
    ])
    const verdicts = Object.entries(JSON.parse(zlint.stdout) as Record<string, { result: string }>)
    t.ok(verdicts.length > 0, `${name}: zlint has looked`)
    t.same(
      verdicts.filter(([, { result }]) => !['pass', 'NA', 'NE'].includes(result)),
      [],
      `${name}: zlint`,
    )
    t.same([pkilint.code, pkilint.stdout.trim()], [0, ''], `${name}: pkilint`)
  }
})

t.test('a fault is found', { skip: missingTools('lint_crl') }, async (t) => {
  const broken = Buffer.from(lists['every reason'] as Buffer)
  // The CRL number becomes an extension that nobody knows, and a list of version 2 must have one.
  const number = Buffer.from([0x06, 0x03, 0x55, 0x1d, 0x14])
  broken.writeUInt8(0x7f, broken.indexOf(number) + number.length - 1)
  const file = join(t.testdir({}), 'broken.pem')
  writeFileSync(file, pemOf(broken))
  t.not((await runTool('lint_crl', ['lint', '-t', 'CRL', '-p', 'PKIX', file], 20_000)).code, 0)
})

t.test(
  'openssl refuses what is on the list, and accepts what is not',
  { skip: await missing('openssl', 'version') },
  async (t) => {
    const [good, revoked] = [await issue(), await issue('http://pki.example.com')]
    const crl = await crlOf([
      ...everyReason,
      { serial_number: revoked.serial_number, revoked_at: now, reason: 'key_compromise' },
    ])
    const path = t.testdir({
      'root.pem': root_pem,
      'issuer.pem': issuer.pem,
      'good.pem': good.pem,
      'revoked.pem': revoked.pem,
      'crl.pem': pemOf(crl),
      'old.pem': pemOf(await crlOf([], now - 2 * day)),
    })
    const verify = (certificate: string, list = 'crl.pem') =>
      ask(
        'openssl',
        'verify',
        '-crl_check',
        ...['-CAfile', join(path, 'root.pem'), '-untrusted', join(path, 'issuer.pem'), '-CRLfile', join(path, list)],
        join(path, certificate),
      )
    t.match(await verify('good.pem'), { code: 0, said: /OK/ })
    t.match(await verify('revoked.pem'), { code: 2, said: /certificate revoked/ })
    t.match(await verify('good.pem', 'old.pem'), { code: 2, said: /CRL has expired/ })
    const { said } = await ask(
      'openssl',
      'crl',
      '-in',
      join(path, 'crl.pem'),
      '-noout',
      '-text',
      '-CAfile',
      join(path, 'issuer.pem'),
    )
    for (const word of [
      'Key Compromise',
      'Affiliation Changed',
      'Superseded',
      'Cessation Of Operation',
      'Privilege Withdrawn',
    ])
      t.match(said, word)
    t.match(said, 'verify OK')
    t.match(said, revoked.serial_number.toUpperCase())
  },
)

t.test(
  'gnutls verifies the list and finds what is on it',
  { skip: await missing('certtool', '--version') },
  async (t) => {
    const [good, revoked] = [await issue(), await issue()]
    const path = t.testdir({
      'issuer.pem': issuer.pem,
      'chain.pem': issuer.pem + root_pem,
      'root.pem': root_pem,
      'good.pem': good.pem + issuer.pem,
      'revoked.pem': revoked.pem + issuer.pem,
      'crl.pem': pemOf(await crlOf([{ serial_number: revoked.serial_number, revoked_at: now, reason: 'superseded' }])),
    })
    const file = (name: string) => join(path, name)
    t.match(
      await ask('certtool', '--verify-crl', '--load-ca-certificate', file('issuer.pem'), '--infile', file('crl.pem')),
      { code: 0, said: /Verified/ },
    )
    const verify = (name: string) =>
      ask(
        'certtool',
        '--verify',
        ...['--load-ca-certificate', file('root.pem'), '--load-crl', file('crl.pem'), '--infile', file(name)],
      )
    t.match(await verify('good.pem'), { code: 0 })
    const refused = await verify('revoked.pem')
    t.not(refused.code, 0)
    t.match(refused.said, /revoked/i)
  },
)

t.test(
  'curl takes lists by --crlfile for the chain of a server, and refuses a server that is on one',
  { skip: await missing('curl', '--version') },
  async (t) => {
    const server = createServer(
      { cert: env.AIRUNNER_SERVER_CERT, key: env.AIRUNNER_SERVER_KEY },
      (_request, response) => response.end('here'),
    ).listen(0, '127.0.0.1')
    t.teardown(() => server.close())
    await once(server, 'listening')
    const serial_number = new X509Certificate(env.AIRUNNER_SERVER_CERT).serialNumber.toLowerCase()
    const rootCrl = pemOf(await crlOf([], now, now + day, issuerOf(root.certificate.raw, root.signer)))
    const ours = pemOf(lists['every reason'] as Buffer)
    const listOf = async (entries: RevokedEntry[]) =>
      rootCrl + ours + pemOf(await crlOf(entries, now, now + day, serverIssuer))
    const path = t.testdir({
      'root.pem': root_pem,
      'good.pem': await listOf([]),
      'revoked.pem': await listOf([{ serial_number, revoked_at: now, reason: 'key_compromise' }]),
      'clients.pem': rootCrl + ours,
    })
    const url = `https://localhost:${(server.address() as AddressInfo).port}/`
    const curl = (crls: string) =>
      ask('curl', '-sS', '--cacert', join(path, 'root.pem'), '--crlfile', join(path, crls), url)
    t.same(await curl('good.pem'), { code: 0, said: 'here' })
    t.match(await curl('revoked.pem'), { code: 60, said: /certificate revoked/ })
    t.match(
      await curl('clients.pem'),
      { code: 60, said: /unable to get certificate CRL/ },
      'it wants one for each link',
    )
  },
)

t.test('python reads the same', { skip: await missing('python3', '-c', 'import cryptography') }, async (t) => {
  const file = join(t.testdir({}), 'crl.der')
  writeFileSync(file, lists['every reason'] as Buffer)
  const program = [
    'import sys',
    'from cryptography import x509',
    'from cryptography.hazmat.primitives.serialization import load_pem_public_key',
    'crl = x509.load_der_x509_crl(open(sys.argv[1], "rb").read())',
    'assert crl.is_signature_valid(x509.load_pem_x509_certificate(sys.argv[2].encode()).public_key())',
    'crl.extensions.get_extension_for_class(x509.CRLNumber)',
    'for entry in crl:',
    '  reasons = [e.value.reason.value for e in entry.extensions]',
    '  print("%032x" % entry.serial_number, int(entry.revocation_date_utc.timestamp()), *reasons)',
  ].join('\n')
  const names: Record<string, string> = {
    key_compromise: 'keyCompromise',
    affiliation_changed: 'affiliationChanged',
    superseded: 'superseded',
    cessation_of_operation: 'cessationOfOperation',
    privilege_withdrawn: 'privilegeWithdrawn',
  }
  const { code, said } = await ask('python3', '-c', program, file, issuer.pem)
  t.equal(code, 0, said)
  t.same(
    said.trim().split('\n').sort(),
    everyReason
      .map(({ serial_number, revoked_at, reason }) =>
        `${serial_number} ${Math.floor(revoked_at / 1000)} ${names[reason] ?? ''}`.trim(),
      )
      .sort(),
  )
})

import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import t, { type Test } from 'tap'
import { certificatePem } from '../../src/pki/pem.ts'
import { makeAuthority } from '../support/authority.ts'
import { startKms } from '../support/kms.ts'
import { type Ended, runProgram, startProgram } from '../support/program.ts'
import { startSsm } from '../support/ssm.ts'

const authority = await makeAuthority()
const [kms, ssm] = [await startKms(), await startSsm()]
t.teardown(() => Promise.all([kms.stop(), ssm.stop()]))
const prefix = '/airunner/test'
const { AIRUNNER_SERVER_CERT, AIRUNNER_SERVER_KEY, ...withoutServer } = authority.env
ssm.put(prefix, {
  'ca-cert': authority.root_pem,
  'server-cert': AIRUNNER_SERVER_CERT,
  'server-key': AIRUNNER_SERVER_KEY,
  'issuer-cert': authority.env.AIRUNNER_ISSUER_CERT,
})

const listen = ['MTLS', 'HEALTH'].map((name) => [`AIRUNNER_${name}_LISTEN`, '127.0.0.1:0'])
const base: Record<string, string> = {
  ...Object.fromEntries(listen),
  ...kms.env,
  ...ssm.env,
  AWS_ENDPOINT_URL_DYNAMODB: 'http://127.0.0.1:1',
  AIRUNNER_PRINCIPAL_TABLE: 'principals',
  AIRUNNER_CERT_TABLE: 'certificates',
  AIRUNNER_CONTROL_TABLE: 'control',
}
const withKms = (id: string) => ({
  ...base,
  ...authority.env,
  AIRUNNER_ISSUER_KEY: '',
  AIRUNNER_ISSUER_KMS_KEY_ID: id,
})
const args = ['--hostname', 'localhost']
const right = kms.addKey(createPrivateKey(authority.env.AIRUNNER_ISSUER_KEY))

const refused = (t: Test, { code, stdout, stderr }: Ended, said: RegExp, expected: number) => {
  t.equal(code, expected)
  t.equal(stdout, '', 'nothing was started')
  t.match(stderr, said)
  t.notMatch(stderr, /-----BEGIN|[A-Za-z0-9+]{50}/)
}

t.test('a key in KMS that is not that of the issuer, or no such key at all: exit 2, and no port', async (t) => {
  kms.point('alias/other', kms.addKey())
  const other = await runProgram(args, withKms('alias/other'))
  refused(t, other, /AIRUNNER_ISSUER_KMS_KEY_ID: found the key "alias\/other", which has no certificate/, 2)
  const rsa = kms.addKey(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey, 'RSA_2048')
  const unfit = await runProgram(args, withKms(rsa))
  refused(t, unfit, /AIRUNNER_ISSUER_KMS_KEY_ID: ".*": found a KMS key RSA_2048 .*, expected ECC_NIST_P256/, 2)
  const both = await runProgram(args, withKms(`${right},alias/other`))
  refused(t, both, /alias\/other/, 2)
})

t.test('the right key, and everything else from the Parameter Store', async (t) => {
  const program = startProgram([...args, '--workers', '2'], {
    ...base,
    AIRUNNER_ISSUER_KMS_KEY_ID: right,
    AIRUNNER_SSM_PREFIX: prefix,
  })
  t.teardown(() => program.child.kill('SIGKILL'))
  const { health_listen } = await program.event('server_ready')
  // The store is not there; of the issuer there is nothing to say.
  t.notMatch(await (await fetch(`http://${health_listen}/readyz`)).text(), /issuer/)
  program.child.kill('SIGINT')
  const ended = await program.ended
  t.equal(ended.code, 0, ended.stderr)
  t.notMatch(ended.stdout + ended.stderr, /-----BEGIN/)
})

t.test('parameters without which nothing serves: exit 2 when they are no good', async (t) => {
  ssm.put('/airunner/empty', {
    'ca-cert': 'placeholder',
    'server-cert': 'placeholder',
    'server-key': 'placeholder',
    'issuer-cert': 'placeholder',
  })
  const ended = await runProgram(args, { ...base, AIRUNNER_SSM_PREFIX: '/airunner/empty' })
  refused(t, ended, /\/airunner\/empty\/ca-cert \(AIRUNNER_SSM_PREFIX\): found the word placeholder/, 2)
})

const ownServer = (id: string) => ({
  ...base,
  ...withoutServer,
  AIRUNNER_SERVER_ISSUER_CERT: certificatePem(authority.serverIssuer.der),
  AIRUNNER_SERVER_ISSUER_KMS_KEY_ID: id,
})

t.test('a server certificate that only KMS can sign: signed, or exit 1 without a port', async (t) => {
  const { serverIssuerKey } = authority
  const program = startProgram(args, ownServer(kms.addKey(serverIssuerKey)))
  t.teardown(() => program.child.kill('SIGKILL'))
  await program.event('server_ready')
  program.child.kill('SIGINT')
  t.equal((await program.ended).code, 0)

  const nowhere = { ...ownServer('alias/nowhere'), AWS_ENDPOINT_URL_KMS: 'http://127.0.0.1:1' }
  const { code, stdout } = await runProgram(args, nowhere)
  t.equal(code, 1)
  t.notMatch(stdout, /server_ready/)
  t.match(stdout, /"event":"issuer_degraded".*ECONNREFUSED/)
  t.match(stdout, /"event":"server_certificate_unavailable"/)
})

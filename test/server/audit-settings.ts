import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import t from 'tap'
import { spkiOf } from '../../src/pki/keys.ts'
import { readConfig } from '../../src/server/config.ts'
import { environmentSource } from '../../src/server/secret-texts.ts'
import { checkSecrets } from '../../src/server/secrets.ts'
import { makeAuthority } from '../support/authority.ts'

const authority = await makeAuthority()
const pemOf = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString()
const own = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const { AIRUNNER_ISSUER_KEY: issuerKey, AIRUNNER_SERVER_KEY: serverKey } = authority.env

const check = async (auditKey: string | undefined, env: Record<string, string> = authority.env) => {
  const more = auditKey === undefined ? {} : { AIRUNNER_AUDIT_KEY: auditKey }
  return checkSecrets(await environmentSource({ ...env, ...more }).read(), { hostname: 'localhost', now: Date.now() })
}

t.test('an audit key is a P-256 key of its own, or none', async (t) => {
  t.equal((await check(undefined)).secrets?.audit, undefined)
  const signer = (await check(pemOf(own.privateKey))).secrets?.audit
  t.ok(signer && spkiOf(signer.publicKey).equals(spkiOf(own.publicKey)))
})

const p384 = pemOf(generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey)
const rsa = pemOf(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey)
const refused: [what: string, key: string, says: RegExp, env?: Record<string, string>][] = [
  ['the key of the issuer', issuerKey, /found the key of an issuer, expected one that signs nothing else/],
  ['the key of the server', serverKey, /found the key of the server, expected one that signs nothing else/],
  [
    'the key of the issuer that is not with us',
    issuerKey,
    /found the key of an issuer/,
    { ...authority.env, AIRUNNER_ISSUER_KEY: '' },
  ],
  [
    'the key of the issuer of the server',
    pemOf(authority.serverIssuerKey),
    /found the key of the issuer of the server/,
    {
      ...authority.env,
      AIRUNNER_SERVER_CERT: '',
      AIRUNNER_SERVER_KEY: '',
      AIRUNNER_SERVER_ISSUER_CERT: authority.serverIssuer.certificate.toString(),
      AIRUNNER_SERVER_ISSUER_KEY: pemOf(authority.serverIssuerKey),
    },
  ],
  ['another curve', p384, /found no P-256 key/],
  ['RSA', rsa, /found no P-256 key/],
  ['two keys', pemOf(own.privateKey) + p384, /found several keys/],
  [
    'a public key',
    own.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    /expected an unencrypted PRIVATE KEY/,
  ],
  ['no PEM', 'secret-material', /./],
]

t.test('what is no audit key of its own is refused, and not shown', async (t) => {
  for (const [what, key, says, env] of refused) {
    const { secrets, problems } = await check(key, env)
    t.equal(secrets, undefined, what)
    const [problem, ...more] = problems
    t.match(problem, { name: 'AIRUNNER_AUDIT_KEY', message: says }, what)
    t.same(more, [])
    t.notMatch(JSON.stringify(problems), /secret-material|MIG/)
  }
})

t.test('settings of the audit log are checked', async (t) => {
  const tables = {
    AIRUNNER_PRINCIPAL_TABLE: 'principals',
    AIRUNNER_CERT_TABLE: 'certificates',
    AIRUNNER_CONTROL_TABLE: 'control',
  }
  const problemsOf = (
    flags: Record<string, string>,
    env: Record<string, string> = {},
    mode: 'serve' | 'dev' = 'serve',
  ) => readConfig({ hostname: 'localhost', ...flags }, { ...tables, ...env }, mode).problems.map(({ name }) => name)
  t.same(problemsOf({ auditBucket: 'airunner-audit.prod', auditRetention: '400d' }), [])
  t.same(problemsOf({ auditBucket: 'none' }), [])
  for (const bucket of ['', 'ab', 'UPPER', 'a..b', '-ab', 'ab-', 'a'.repeat(64), '192.0.2.1', 'a/b', 's3://bucket'])
    t.same(problemsOf({ auditBucket: bucket }), ['--audit-bucket'], bucket)
  for (const retention of ['0', '23h', '3651d', 'ever'])
    t.same(problemsOf({ auditRetention: retention }), ['--audit-retention'], retention)
  for (const mode of ['compliance', 'governance']) t.same(problemsOf({ auditLockMode: mode }), [], mode)
  for (const mode of ['', 'none', 'GOVERNANCE', 'off'])
    t.same(problemsOf({ auditLockMode: mode }), ['--audit-lock-mode'], mode)
  const kms = { AIRUNNER_AUDIT_KMS_KEY_ID: 'alias/audit' }
  t.same(problemsOf({}, kms), [])
  t.same(problemsOf({}, { AIRUNNER_AUDIT_KMS_KEY_ID: 'alias/a alias/b' }), ['AIRUNNER_AUDIT_KMS_KEY_ID'])
  t.same(problemsOf({}, { AIRUNNER_AUDIT_KMS_KEY_ID: 'no key' }), ['AIRUNNER_AUDIT_KMS_KEY_ID'])
  const both = 'AIRUNNER_AUDIT_KEY, AIRUNNER_AUDIT_KMS_KEY_ID'
  t.same(problemsOf({}, { ...kms, AIRUNNER_AUDIT_KEY_FILE: 'audit-key.pem' }), [both])
  t.same(problemsOf({}, kms, 'dev'), ['AIRUNNER_AUDIT_KMS_KEY_ID'])
})

import t, { type Test } from 'tap'
import { makeCurrentSecrets } from '../../src/server/current-secrets.ts'
import { readFirstSecrets } from '../../src/server/first-secrets.ts'
import { environmentSource } from '../../src/server/secret-texts.ts'
import { parametersSource, parametersWanted } from '../../src/server/secrets-parameters.ts'
import { makeSecretsReader, type SecretsReader } from '../../src/server/secrets-reader.ts'
import { makeAuthority } from '../support/authority.ts'
import type { AwsFault } from '../support/aws-service.ts'
import { startSsm } from '../support/ssm.ts'

const prefix = '/airunner/test'
const hostname = 'localhost'
const [authority, other] = [await makeAuthority(), await makeAuthority()]

type Values = Record<'ca-cert' | 'server-cert' | 'server-key' | 'issuer-cert', string>
const valuesOf = ({ env }: typeof authority): Values => ({
  'ca-cert': env.AIRUNNER_CA_CERT,
  'server-cert': env.AIRUNNER_SERVER_CERT,
  'server-key': env.AIRUNNER_SERVER_KEY,
  'issuer-cert': env.AIRUNNER_ISSUER_CERT,
})
const good = valuesOf(authority)
const { AIRUNNER_ISSUER_KEY } = authority.env

const start = async (t: Test, env: Record<string, string> = { AIRUNNER_ISSUER_KEY }) => {
  const ssm = await startSsm()
  t.teardown(ssm.stop)
  const wanted = parametersWanted(env)
  const reader = makeSecretsReader({
    environment: environmentSource(env),
    parameters: parametersSource({ prefix, wanted, client: ssm.client, budget: 2000 }),
    hostname,
    clock: Date.now,
  })
  return { ssm, reader }
}

const hold = async (t: Test, reader: SecretsReader, polling?: { every: number; soonest: number }) => {
  const first = await readFirstSecrets(reader)
  if ('exitCode' in first) throw new Error(JSON.stringify(first))
  const logged: Record<string, unknown>[] = []
  const write = (fields: Record<string, unknown>) => void logged.push(fields)
  const secrets = await makeCurrentSecrets({
    first: first.outcome,
    reader,
    issueServerCertificate: () => Promise.reject(new Error('one is configured')),
    clock: Date.now,
    log: { debug: write, info: write, warn: write, error: write },
    ...(polling && { polling }),
  })
  t.teardown(secrets.stop)
  return { secrets, logged }
}

const short = { reach: 300, settle: 100, pause: 20 }
const noSecrets = (t: Test, text: unknown) => {
  const said = JSON.stringify(text)
  t.notMatch(said, /BEGIN|PRIVATE|MII[A-Za-z0-9+/]{20}|MHc/)
}

t.test('the parameters win over the environment, from one decrypting call', async (t) => {
  const { ssm, reader } = await start(t, { ...other.env, AIRUNNER_ISSUER_KEY })
  ssm.put(prefix, good)
  const { secrets } = await reader.read()
  t.equal(secrets?.bundle.pem, authority.root_pem)
  t.equal(secrets?.server?.key_pem, authority.env.AIRUNNER_SERVER_KEY)
  t.ok(secrets?.issuers[0]?.signer, 'the key of the issuer comes from the environment')
  t.equal(ssm.calls.get('GetParameters'), 1)
})

const bad: [string, Partial<Values>, RegExp][] = [
  ['garbage', { 'server-cert': 'garbage' }, /server-cert .*found other text/],
  ['an empty value', { 'ca-cert': ' ' }, /ca-cert .*found nothing/],
  ['the placeholder', { 'issuer-cert': 'placeholder' }, /issuer-cert .*the word placeholder/],
  ['another key', { 'server-key': other.env.AIRUNNER_SERVER_KEY }, /server-cert .*does not match its key/],
  ['another certificate', { 'server-cert': other.env.AIRUNNER_SERVER_CERT }, /server-cert .*trust bundle/],
  ['a bundle without the root of the issuer', { 'ca-cert': other.root_pem }, /issuer-cert .*chain to the trust bundle/],
  ['a certificate cut short', { 'ca-cert': good['ca-cert'].slice(0, 300) }, /ca-cert .*truncated/],
  ['a key where a certificate belongs', { 'ca-cert': good['server-key'] }, /ca-cert .*PRIVATE KEY/],
  ['a certificate where the key belongs', { 'server-key': good['server-cert'] }, /server-cert .*private key/],
  ['another issuer', { 'issuer-cert': other.env.AIRUNNER_ISSUER_CERT }, /issuer-cert/],
  ['10 MB', { 'ca-cert': good['ca-cert'] + '\n'.repeat(10_000_000) }, /ca-cert .*characters, expected at most/],
]
for (const [name, change, said] of bad)
  t.test(`${name}: refused with an error in the log, and the old stays`, async (t) => {
    const { ssm, reader } = await start(t)
    ssm.put(prefix, good)
    const { secrets, logged } = await hold(t, reader)
    const before = secrets.get()
    ssm.put(prefix, change)
    await secrets.reload()
    t.equal(secrets.get(), before)
    t.equal(logged.length, 1)
    t.equal(logged[0]?.['event'], 'secrets_refused')
    t.match(String(logged[0]?.['problems']), said)
    t.match(String(logged[0]?.['problems']), /AIRUNNER_SSM_PREFIX/)
    t.notMatch(JSON.stringify(logged), /-----BEGIN|[A-Za-z0-9+/]{60}/)
    ssm.put(prefix, good)
    await secrets.reload()
    t.equal(logged.length, 2)
    t.match(logged[1], { event: 'trust_changed' })
  })

t.test('a parameter that is not there, or shows the key to everybody, is refused', async (t) => {
  const { ssm, reader } = await start(t)
  ssm.put(prefix, good)
  const { secrets, logged } = await hold(t, reader)
  const before = secrets.get()
  ssm.parameters.delete(`${prefix}/issuer-cert`)
  await secrets.reload()
  ssm.put(prefix, good)
  ssm.parameters.set(`${prefix}/server-key`, { value: good['server-key'], type: 'String' })
  await secrets.reload()
  t.equal(secrets.get(), before)
  t.match(logged, [
    { problems: [/issuer-cert \(AIRUNNER_SSM_PREFIX\): found no such parameter/] },
    { problems: [/server-key .*expected a SecureString/] },
  ])
})

const faults: [string, AwsFault, RegExp][] = [
  ['throttles', { kind: 'error', name: 'ThrottlingException' }, /Throttling|TimeoutError/],
  ['denies access', { kind: 'error', name: 'AccessDeniedException' }, /AccessDenied/],
  ['cannot decrypt', { kind: 'error', name: 'InvalidKeyId' }, /InvalidKeyId/],
  ['is gone', { kind: 'refuse' }, /ECONNRESET|hang up/],
  ['never answers', { kind: 'hang' }, /TimeoutError/],
  ['speaks another language', { kind: 'body', text: '<html>' }, /SyntaxError/],
  ['breaks down', { kind: 'error', name: 'InternalServerError', status: 500 }, /InternalServerError/],
]
for (const [name, fault, reason] of faults)
  t.test(`a Parameter Store that ${name}: the old stays, and it is said what to check`, async (t) => {
    const { ssm, reader } = await start(t)
    ssm.put(prefix, good)
    const { secrets, logged } = await hold(t, reader)
    const before = secrets.get()
    ssm.decide = () => fault
    const started = performance.now()
    await secrets.reload()
    t.ok(performance.now() - started < 30_000)
    t.equal(secrets.get(), before)
    const problem = String(logged[0]?.['problems'])
    t.match(problem, reason)
    t.match(problem, /ssm:GetParameters/)
    t.match(problem, prefix)
  })

t.test('out of reach at the start: the environment serves until the first successful read', async (t) => {
  const { ssm, reader } = await start(t, { ...authority.env })
  ssm.decide = () => ({ kind: 'refuse' })
  const { secrets, logged } = await hold(t, reader, { every: 60_000, soonest: 50 })
  t.equal(secrets.get().server.key_pem, authority.env.AIRUNNER_SERVER_KEY)
  t.match(logged, [{ event: 'secrets_refused' }])
  const changed = new Promise<void>((resolve) => secrets.onChange(resolve))
  const both = { ...good, 'ca-cert': authority.root_pem + other.root_pem }
  ssm.put(prefix, both)
  ssm.decide = () => ({ kind: 'pass' })
  await changed
  t.equal(secrets.get().bundle.roots.length, 2)
  ssm.decide = () => ({ kind: 'refuse' })
  await secrets.reload()
  t.equal(secrets.get().bundle.roots.length, 2, 'not back to the environment')
})

t.test('nothing serves: it is waited for, then said what to check', async (t) => {
  const { ssm, reader } = await start(t)
  ssm.decide = () => ({ kind: 'error', name: 'AccessDeniedException' })
  const unread = await readFirstSecrets(reader, short)
  t.match(unread, { exitCode: 1, problems: [{ name: 'AIRUNNER_SSM_PREFIX', message: /ssm:GetParameters/ }] })
  ssm.decide = () => ({ kind: 'pass' })
  ssm.put(prefix, { ...good, 'ca-cert': 'placeholder' })
  const refused = await readFirstSecrets(reader, short)
  t.match(refused, { exitCode: 2, problems: [{ name: /ca-cert/, message: /placeholder/ }] })
  noSecrets(t, [unread, refused])
  const waiting = readFirstSecrets(reader, { ...short, settle: 5000 })
  setTimeout(() => ssm.put(prefix, good), 100)
  t.match(await waiting, { outcome: { problems: [] } }, 'what is being written is waited for')
})

t.test(
  'a certificate and its key are written by two calls: the mismatch between is refused, then both are taken',
  async (t) => {
    const { ssm, reader } = await start(t)
    ssm.put(prefix, good)
    const { secrets, logged } = await hold(t, reader, { every: 100, soonest: 30 })
    const before = secrets.get()
    const changed = new Promise<void>((resolve) => secrets.onChange(resolve))
    ssm.put(prefix, { 'server-cert': other.env.AIRUNNER_SERVER_CERT, 'ca-cert': authority.root_pem + other.root_pem })
    while (!logged.some(({ event }) => event === 'secrets_refused'))
      await new Promise((resolve) => setTimeout(resolve, 10))
    t.equal(secrets.get(), before)
    ssm.put(prefix, { 'server-key': other.env.AIRUNNER_SERVER_KEY })
    await changed
    t.equal(secrets.get().server.key_pem, other.env.AIRUNNER_SERVER_KEY)
    const told = logged.length
    const calls = ssm.calls.get('GetParameters') ?? 0
    while ((ssm.calls.get('GetParameters') ?? 0) < calls + 3) await new Promise((resolve) => setTimeout(resolve, 20))
    t.equal(logged.length, told, 'what has not changed is not taken over again')
  },
)

t.test('where each process issues its own server certificate, that of the server is not read', (t) => {
  t.same(parametersWanted({ AIRUNNER_SERVER_ISSUER_CERT_FILE: 'x' }), ['caCert', 'issuerCert'])
  t.equal(parametersWanted({ AIRUNNER_SERVER_ISSUER_CERT: 'x', AIRUNNER_SERVER_CERT: 'y' }).length, 4)
  t.equal(parametersWanted({}).length, 4)
  t.end()
})

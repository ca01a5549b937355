import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mock } from 'node:test'
import t, { type Test } from 'tap'
import { day } from '../../src/core/time.ts'
import { certificatePem } from '../../src/pki/pem.ts'
import { checkServerChain } from '../../src/pki/trust.ts'
import { makeCurrentSecrets } from '../../src/server/current-secrets.ts'
import { issueServerCertificate } from '../../src/server/own-server-certificate.ts'
import { environmentSource, type SecretsSource } from '../../src/server/secret-texts.ts'
import { checkSecrets, type Secrets } from '../../src/server/secrets.ts'
import { makeSecretsReader } from '../../src/server/secrets-reader.ts'
import { makeAuthority } from '../support/authority.ts'

const authority = await makeAuthority()
const hostname = 'localhost'

const quiet = () => {
  const logged: Record<string, unknown>[] = []
  const write = (fields: Record<string, unknown>) => void logged.push(fields)
  return { logged, log: { debug: write, info: write, warn: write, error: write } }
}

/** The environment as files in a folder of the test, so that they can change. */
const asFiles = (t: Test, env: Record<string, string>) => {
  const directory = mkdtempSync(join(tmpdir(), 'secrets-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const write = (name: string, text: string) => writeFileSync(join(directory, name), text)
  for (const [name, text] of Object.entries(env)) write(name, text)
  const files = Object.fromEntries(Object.keys(env).map((name) => [`${name}_FILE`, join(directory, name)]))
  return { source: environmentSource(files), write }
}

const readerOf = (environment: SecretsSource) => makeSecretsReader({ environment, hostname, clock: Date.now })

const read = async (env: Record<string, string>) => {
  const { secrets, ...outcome } = await readerOf(environmentSource(env)).read()
  if (secrets === undefined) throw new Error(JSON.stringify(outcome.problems))
  return { secrets, ...outcome }
}
const check = async (env: Record<string, string>): Promise<Secrets> => (await read(env)).secrets

t.test('without an issuer there is nothing to sign with, and that is no fault', async (t) => {
  const { AIRUNNER_ISSUER_CERT: _, AIRUNNER_ISSUER_KEY: __, ...rest } = authority.env
  t.same((await check(rest)).issuers, [])
  const { AIRUNNER_ISSUER_KEY: ___, ...noKey } = authority.env
  const [issuer] = (await check(noKey)).issuers
  t.equal(issuer?.signer, undefined, 'an issuer whose key is elsewhere verifies')
})

t.test('during a rotation each issuer finds its key, in any order', async (t) => {
  const next = await makeAuthority()
  const env = {
    ...authority.env,
    AIRUNNER_CA_CERT: authority.root_pem + next.root_pem,
    AIRUNNER_ISSUER_CERT: authority.env.AIRUNNER_ISSUER_CERT + next.env.AIRUNNER_ISSUER_CERT,
    AIRUNNER_ISSUER_KEY: next.env.AIRUNNER_ISSUER_KEY + authority.env.AIRUNNER_ISSUER_KEY,
  }
  const { issuers, bundle } = await check(env)
  t.equal(bundle.roots.length, 2)
  t.same(
    issuers.map(({ issuer_id }) => issuer_id),
    [authority.issuer.issuer_id, next.issuer.issuer_id],
  )
  t.ok(issuers.every(({ signer }) => signer !== undefined))
})

t.test('a change is taken over, a bad one refused with an error, and the old stays', async (t) => {
  const { source, write } = asFiles(t, authority.env)
  const { logged, log } = quiet()
  const secrets = await makeCurrentSecrets({
    first: await read(authority.env),
    reader: readerOf(source),
    issueServerCertificate: () => Promise.reject(new Error('one is configured')),
    clock: Date.now,
    log,
  })
  t.teardown(secrets.stop)
  let changes = 0
  secrets.onChange(() => changes++)
  const before = secrets.get()
  t.equal(secrets.get(), before, 'the same object until something changes')

  write('AIRUNNER_CA_CERT', 'placeholder')
  await secrets.reload()
  t.equal(secrets.get(), before)
  t.equal(changes, 0)
  t.match(logged, [{ event: 'secrets_refused' }])
  t.match(JSON.stringify(logged[0]), /AIRUNNER_CA_CERT_FILE .*placeholder/)
  t.notMatch(JSON.stringify(logged), /BEGIN/)

  const next = await makeAuthority()
  write('AIRUNNER_CA_CERT', authority.root_pem + next.root_pem)
  await secrets.reload()
  t.equal(changes, 1)
  t.equal(secrets.get().bundle.roots.length, 2)
  t.match(logged[1], { event: 'trust_changed' })
  t.match(secrets.material().authorities_pem[0], next.root_pem)
})

t.test('a process without a server certificate issues its own, and another at half life', async (t) => {
  const { AIRUNNER_SERVER_CERT: _, AIRUNNER_SERVER_KEY: __, ...rest } = authority.env
  const { serverIssuer } = authority
  const env = {
    ...rest,
    AIRUNNER_SERVER_ISSUER_CERT: certificatePem(serverIssuer.der),
    AIRUNNER_SERVER_ISSUER_KEY: '',
  }
  const { problems } = checkSecrets(await environmentSource(env).read(), { hostname, now: Date.now() })
  t.match(problems, [{ name: 'AIRUNNER_SERVER_ISSUER_KEY' }])

  let now = Date.now()
  const first = await read(authority.env)
  first.secrets = { ...first.secrets, serverIssuer }
  delete first.secrets.server
  const { log, logged } = quiet()
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const secrets = await makeCurrentSecrets({
    first,
    reader: readerOf(environmentSource(env)),
    issueServerCertificate: (issuer) => issueServerCertificate(issuer, hostname, now),
    clock: () => now,
    log,
  })
  t.teardown(secrets.stop)
  const shown = secrets.material()
  const { bundle } = secrets.get()
  t.same(checkServerChain({ chainPem: shown.chain_pem, keyPem: shown.key_pem, hostname, bundle, now }), [])
  const days = ((secrets.secondsUntilExpiry().server ?? 0) * 1000) / day
  t.ok(days > 6.9 && days <= 7, `${days} days`)
  const changed = new Promise<void>((resolve) => secrets.onChange(resolve))
  now += 3.4 * day
  mock.timers.tick(60_000)
  t.equal(secrets.material().chain_pem, shown.chain_pem, 'not yet')
  now += 0.2 * day
  mock.timers.tick(60_000)
  await changed
  t.not(secrets.material().chain_pem, shown.chain_pem)
  t.match(logged, [{ event: 'server_certificate_renewed' }])
})

import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import t, { type Test } from 'tap'
import { minute } from '../../src/core/time.ts'
import { createIssuer } from '../../src/pki/ca.ts'
import { issuerOf } from '../../src/pki/issuer.ts'
import {
  agentOptions,
  makeShiftedClock,
  makeStateDirectory,
  startAgent,
  patiently as untilNotBusy,
} from '../support/agent.ts'
import { eventually } from '../support/agent-stream.ts'
import type { AwsFault } from '../support/aws-service.ts'
import { findBreaches } from '../support/checker.ts'
import { type Client, identityOf, makeRequest } from '../support/client.ts'
import { type KmsStandIn, startKms } from '../support/kms.ts'
import { type RunningServer, type ServerOptions, startPlane } from '../support/plane.ts'
import { unlessBusy } from '../support/rotation.ts'

const pauses = { first: 50, longest: 400 }

/** A plane, and beside its first server one whose issuer's key is in KMS. */
const start = async (t: Test, options: ServerOptions = {}, before: (kms: KmsStandIn) => void = () => undefined) => {
  const kms = await startKms()
  t.teardown(kms.stop)
  const plane = await startPlane(t, options)
  const keyId = kms.addKey(createPrivateKey(plane.authority.env.AIRUNNER_ISSUER_KEY))
  before(kms)
  const server = await plane.startServer({
    ...options,
    env: { AIRUNNER_ISSUER_KEY: '', AIRUNNER_ISSUER_KMS_KEY_ID: keyId },
    aws: { kms: { signer: { client: kms.client, budget: 2500, requestTimeout: 1200 }, pauses } },
  })
  return { kms, plane, keyId, server, admin: plane.clientOf(plane.admin.identity, server) }
}

const issue = async (admin: Client, key: string) => {
  const { csr_pem } = await makeRequest()
  return unlessBusy(() => admin.post('/v1/certificates', { principal_id: 'worker-1', csr_pem }, { key }))
}

const readiness = async ({ health }: RunningServer) => {
  const answer = await fetch(`http://${health}/readyz`)
  return [answer.status, await answer.text()]
}
const untilReady = async (server: RunningServer): Promise<boolean> => {
  for (let tries = 0; tries < 600; tries++) {
    if ((await readiness(server))[0] === 200) return true
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return false
}

/** What does not depend on the issuer: one of each, and how long the slowest took. */
const everythingElse = async (admin: Client, serial: string) => {
  const started = performance.now()
  const answers = await Promise.all([
    unlessBusy(() => admin.get('/v1/whoami')),
    unlessBusy(() => admin.post(`/v1/certificates/${serial}/revoke`, { reason: 'unspecified' })),
    unlessBusy(() => admin.post('/v1/principals/worker-1/suspend', { reason: 'a drill' })),
  ])
  return { statuses: answers.map(({ status }) => status), took: performance.now() - started }
}

t.test('a whole life with a key in KMS: issued, admitted, renewed, revoked', async (t) => {
  const { kms, plane, server, admin } = await start(t)
  t.ok(await untilReady(server))
  await admin.post('/v1/principals', { principal_id: 'worker-1', type: 'worker' })
  const { key, csr_pem } = await makeRequest()
  const issued = await admin.post('/v1/certificates', { principal_id: 'worker-1', csr_pem })
  t.equal(issued.status, 201, JSON.stringify(issued.body))
  const worker = plane.clientOf(identityOf(issued.body, key), server)
  t.equal((await worker.get('/v1/whoami')).status, 200)
  const next = await makeRequest()
  const renewed = await worker.post('/v1/renewals', { csr_pem: next.csr_pem })
  t.equal(renewed.status, 201)
  const successor = plane.clientOf(identityOf(renewed.body, next.key), server)
  t.equal((await successor.get('/v1/whoami')).status, 200)
  const path = `/v1/certificates/${renewed.body.certificate.serial_number}/revoke`
  t.equal((await admin.post(path, { reason: 'unspecified' })).status, 200)
  t.equal((await successor.get('/v1/whoami')).status, 401)
  // One of them was the look whether the key signs at all; one that took long was asked for again.
  t.ok((kms.calls.get('Sign') ?? 0) >= 3)
  const metrics = await (await fetch(`http://${server.metrics}/metrics`)).text()
  t.match(metrics, /airunner_signer_requests_total\{operation="sign",outcome="ok"\} [23]/)
  t.match(metrics, /airunner_signer_request_seconds_count\{operation="sign"\} [2-9]/)
  t.same(await findBreaches(plane.store.store), [])
})

const faults: [string, AwsFault][] = [
  ['gone', { kind: 'refuse' }],
  ['silent', { kind: 'hang' }],
  ['slower than anybody waits', { kind: 'slow', milliseconds: 5000 }],
  ['throttled', { kind: 'error', name: 'ThrottlingException' }],
  ['forbidden to us', { kind: 'error', name: 'AccessDeniedException' }],
  ['without the key, which was disabled', { kind: 'error', name: 'DisabledException' }],
  ['answering with another signature', { kind: 'body', text: '{"Signature":"MAYCAQECAQE="}' }],
]
for (const [name, fault] of faults)
  t.test(`KMS is ${name}: 503 issuer_unavailable, all else goes on, and it is good again by itself`, async (t) => {
    const { kms, plane, server, admin } = await start(t)
    const { issued } = await plane.enrol('worker-1')
    t.ok(await untilReady(server))
    t.equal((await issue(admin, 'before')).status, 201)

    kms.decide = () => fault
    // All of one principal, whose turn none of them may hold meanwhile.
    const asked = Array.from({ length: 20 }, (_, index) => issue(admin, `during-${index}`))
    await new Promise((resolve) => setTimeout(resolve, 200))
    const beside = await everythingElse(admin, issued.certificate.serial_number)
    t.same(beside.statuses, [200, 200, 200], 'admission and revocation')
    t.ok(beside.took < 20_000, `${beside.took} ms: nobody waits for KMS`)
    const answers = await Promise.all(asked)
    // On a busy machine some are looked at only after the principal was suspended beside them.
    const unsigned = answers.filter(({ body }) => body.code !== 'invalid_transition')
    t.ok(unsigned.length > 0)
    for (const answer of unsigned) {
      t.equal(answer.status, 503)
      t.equal(answer.body.code, 'issuer_unavailable')
      t.ok(Number(answer.headers['retry-after']) >= 5)
      t.notMatch(JSON.stringify(answer.body), /kms|arn:|Exception/i, 'nothing about the way to it')
    }
    t.equal((await admin.post('/v1/principals/worker-1/activate')).status, 200)
    t.same(await readiness(server), [503, 'issuer'])
    t.equal((await fetch(`http://${server.health}/health`)).status, 200, 'no reason to kill the task')
    t.match(
      server.logged.filter(({ event }) => event === 'issuer_degraded'),
      [{ level: 'error', reason: String }],
      'told once',
    )

    kms.decide = () => ({ kind: 'pass' })
    t.ok(await untilReady(server), 'without a request that would find out')
    t.ok(await eventually(() => server.logged.some(({ event }) => event === 'issuer_recovered')))
    t.equal((await issue(admin, 'after')).status, 201)
    t.same(await findBreaches(plane.store.store), [])
  })

t.test('KMS is out of reach at the start: the server admits and revokes, and issues when it is back', async (t) => {
  const { kms, plane, server, admin } = await start(t, {}, (kms) => {
    kms.decide = () => ({ kind: 'refuse' })
  })
  const { issued } = await plane.enrol('worker-1')
  t.equal((await admin.get('/v1/whoami')).status, 200)
  t.match(await issue(admin, 'one'), { status: 503, body: { code: 'issuer_unavailable' } })
  const path = `/v1/certificates/${issued.certificate.serial_number}/revoke`
  t.equal((await admin.post(path, { reason: 'unspecified' })).status, 200)
  t.same(await readiness(server), [503, 'issuer'])
  kms.decide = () => ({ kind: 'pass' })
  t.ok(await untilReady(server))
  t.equal((await issue(admin, 'one')).status, 201, 'the same request, which nothing was kept of')
})

t.test('the key that comes back is another: it signs nothing, until it is the right one', async (t) => {
  const { kms, plane, server, admin, keyId } = await start(t, {}, (kms) => {
    kms.decide = () => ({ kind: 'refuse' })
  })
  await plane.enrol('worker-1')
  kms.point(keyId, kms.addKey())
  kms.decide = () => ({ kind: 'pass' })
  for (let tries = 0; !server.logged.some(({ event }) => event === 'secrets_refused') && tries < 600; tries++)
    await new Promise((resolve) => setTimeout(resolve, 100))
  t.match(
    server.logged.find(({ event }) => event === 'secrets_refused'),
    { problems: [/AIRUNNER_ISSUER_KMS_KEY_ID: found the key .* which has no certificate in AIRUNNER_ISSUER_CERT/] },
  )
  t.match(await issue(admin, 'one'), { status: 503, body: { code: 'issuer_unavailable' } })
  t.same(await readiness(server), [503, 'issuer'])
  kms.point(keyId, keyId)
  t.ok(await untilReady(server))
  t.equal((await issue(admin, 'one')).status, 201)
})

t.test('a renewal that KMS does not sign is asked for again by the agent, which stays connected', async (t) => {
  const clock = makeShiftedClock()
  const { kms, plane, server } = await start(t, { clock: clock.now })
  const { identity, issued } = await untilNotBusy(() => plane.enrol('worker-1', 'worker', 300))
  const directory = await makeStateDirectory(t, plane, identity)
  const agent = startAgent(t, agentOptions(server, directory), { now: clock.now })
  await agent.event('stream_connected')
  kms.decide = () => ({ kind: 'error', name: 'ThrottlingException' })
  clock.forward(3.5 * minute)
  t.match(await agent.event('identity_failed'), { why: /issuer_unavailable|issuer|503/ })
  kms.decide = () => ({ kind: 'pass' })
  const renewed = await agent.event('certificate_renewed')
  t.not(renewed['serial_number'], issued.certificate.serial_number)
  t.equal(agent.events('stream_lost').length, 0)
})

t.test('a rotation from one key in KMS to the next, and by an alias that is moved', async (t) => {
  const { kms, plane, keyId } = await start(t)
  const { root, env } = plane.authority
  const nextKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const order = {
    root,
    publicKey: nextKey.publicKey,
    common_name: 'next issuer',
    usage: 'client',
    now: Date.now(),
  } as const
  const { pem: next } = await createIssuer(order)
  const old = env.AIRUNNER_ISSUER_CERT
  const nextId = kms.addKey(nextKey.privateKey)
  kms.point('alias/issuer', keyId)
  const serverOf = (ids: string) =>
    plane.startServer({
      env: { AIRUNNER_ISSUER_KEY: '', AIRUNNER_ISSUER_KMS_KEY_ID: ids, AIRUNNER_ISSUER_CERT: old + next },
      aws: { kms: { signer: { client: kms.client }, pauses } },
    })
  await plane.admin.post('/v1/principals', { principal_id: 'worker-1', type: 'worker', max_certificates: 10 })
  const signedBy = async (server: RunningServer): Promise<string> => {
    const answer = await issue(plane.clientOf(plane.admin.identity, server), crypto.randomUUID())
    t.equal(answer.status, 201, JSON.stringify(answer.body))
    const leaf = new X509Certificate(answer.body.certificate_pem)
    return [old, next].find((pem) => leaf.verify(new X509Certificate(pem).publicKey)) === next ? 'next' : 'old'
  }

  const both = await serverOf(`${nextId}, ${keyId}`)
  t.equal(await signedBy(both), 'old', 'the order of the certificates counts, not that of the keys')
  both.env['AIRUNNER_ISSUER_CERT'] = next + old
  await both.reload()
  t.equal(await signedBy(both), 'next', 'it counts until an admin says which one signs')

  const aliased = await serverOf('alias/issuer')
  kms.point('alias/issuer', nextId)
  t.equal(await signedBy(aliased), 'old', 'a moved alias changes nothing by itself')
  aliased.env['AIRUNNER_ISSUER_CERT'] = next
  await aliased.reload()
  t.ok(await eventually(() => aliased.logged.some(({ event }) => event === 'trust_changed')))
  aliased.env['AIRUNNER_ISSUER_CERT'] = next + old
  await aliased.reload()
  const nextIssuer = issuerOf(new X509Certificate(next).raw).issuer_id
  const activate = (body: object) => plane.admin.post(`/v1/authorities/${nextIssuer}/activate`, body)
  t.equal((await activate({})).status, 404, 'the server that is asked has never heard of it')
  t.equal((await plane.admin.post('/v1/authorities', { certificate_pem: next })).status, 201)
  const blocked = await activate({})
  t.equal(blocked.body.code, 'rotation_not_ready')
  t.ok(blocked.body.stragglers.length >= 2, 'those that have another key alone')
  const forced = await activate({ force: true, reason: 'a drill' })
  t.equal(forced.status, 200, JSON.stringify(forced.body))
  t.equal(await signedBy(aliased), 'next', 'KMS was asked again when the key fitted no certificate')
  t.equal(await signedBy(both), 'next')
  // That an admin has decided comes by the feed: a server may go by what it knew for 5 s.
  await new Promise((resolve) => setTimeout(resolve, 2000))
  both.env['AIRUNNER_ISSUER_CERT'] = old + next
  await both.reload()
  t.equal(await signedBy(both), 'next', 'the order counts no more')
})

import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import t, { type Test } from 'tap'
import { serversWithoutKey } from '../../src/authority/authorities/stragglers.ts'
import { issuerOf } from '../../src/pki/issuer.ts'
import { eventually } from '../support/agent-stream.ts'
import { type Client, identityOf, makeRequest } from '../support/client.ts'
import { startKms } from '../support/kms.ts'
import { type RunningServer, startPlane, type TestPlane } from '../support/plane.ts'
import {
  authorityOf,
  giveIssuers,
  makeNextIssuer,
  makeNextRoot,
  prepare,
  step,
  unlessBusy,
  whenReady,
} from '../support/rotation.ts'

const forced = { force: true, reason: 'a test' }

/** Two servers on one table, and their first issuer written down. */
const start = async (t: Test, options: Parameters<typeof startPlane>[1] = {}) => {
  const plane = await startPlane(t, options)
  const second = await plane.startServer(options)
  const first = plane.authority.issuer.issuer_id
  const known = async () => (await authorityOf(plane.admin, first))?.version === 1
  t.ok(await eventually(known), 'which one signs is written down')
  return { plane, servers: [plane.server, second], first }
}

const renewed = async (plane: TestPlane, client: Client, server?: RunningServer): Promise<Client> => {
  const { key, csr_pem } = await makeRequest()
  const answer = await unlessBusy(() => client.post('/v1/renewals', { csr_pem }))
  return plane.clientOf(identityOf(answer.body, key), server)
}

t.test('a server of an older version, one that only verifies, and one without the key', async (t) => {
  const { plane, servers, first } = await start(t)
  const { authority, admin, store } = plane
  const next = await makeNextIssuer(authority.root, 'next issuer')
  const verifier = await plane.startServer({ env: { AIRUNNER_ISSUER_CERT: '', AIRUNNER_ISSUER_KEY: '' } })
  t.equal((await prepare(admin, next)).status, 201)
  for (const server of servers) await giveIssuers(server, authority, [next])
  const leaseOfOld = () =>
    store.store.put({
      TableName: store.tables.control,
      Item: { pk: 'SERVERS', sk: 'an-old-server', renewed_at: Date.now(), streams: 0 },
    })
  const blocked = await whenReady(async () => {
    await leaseOfOld()
    const answer = await step(admin, next.issuer_id, 'activate')
    return answer.body.stragglers?.length === 1 ? { ...answer, body: { ...answer.body, code: 'one' } } : answer
  })
  t.match(blocked.body.stragglers, [{ kind: 'server', id: 'an-old-server', detail: /update it/ }])
  for (const verb of ['retire', 'remove']) {
    await leaseOfOld()
    t.equal(
      (await step(admin, next.issuer_id, verb)).body.code,
      'rotation_not_ready',
      `${verb}: it knows of no rotation`,
    )
  }
  // Its lease ends, and nobody waits for it any more; nor for the one that signs nothing.
  t.equal((await whenReady(() => step(admin, next.issuer_id, 'activate'))).body.state, 'active')

  const late = await plane.startServer()
  const onLate = plane.clientOf(admin.identity, late)
  const { csr_pem } = await makeRequest()
  t.equal(
    (await onLate.post('/v1/renewals', { csr_pem })).body.code,
    'issuer_unavailable',
    'it never signs with the old one',
  )
  t.equal((await onLate.get('/v1/whoami')).status, 200, 'and lets in all the same')
  t.match(await (await fetch(`http://${late.health}/readyz`)).text(), /issuer/)
  const isTold = () =>
    late.logged.some((line) => line['event'] === 'issuer_key_missing' && line['issuer_id'] === next.issuer_id)
  t.ok(await eventually(isTold), 'and says why, a moment later')
  await late.stop()

  const worker = await renewed(plane, (await plane.enrol('worker-1')).client, verifier)
  t.equal((await worker.get('/v1/whoami')).body.certificate.issuer_id, next.issuer_id, 'known from the registry alone')
  const onVerifier = await plane.clientOf(worker.identity, verifier).post('/v1/renewals', { csr_pem })
  t.equal(onVerifier.body.code, 'issuer_unavailable', 'given no issuer, it signs with none')
  t.equal(first === next.issuer_id, false)
})

t.test('a server whose clock is late is waited for, and one that is gone is not', async (t) => {
  const now = Date.now()
  const lease = (age: number) => ({ server_id: `${age}`, renewed_at: now - age, streams: 0, issuer_keys: [] })
  const leases = new Map([-3000, 0, 4900, 7900, 8000, 60_000].map((age) => [`${age}`, lease(age)]))
  t.same(
    serversWithoutKey(leases, 'an issuer', now).map(({ id }) => id),
    ['-3000', '0', '4900', '7900'],
  )
})

t.test('a server is ready only when a rotation waits for it', async (t) => {
  const { plane, first } = await start(t)
  const known = async () => (await plane.admin.get(`/v1/authorities/${first}`)).body.rollout.servers.length
  t.ok(await eventually(async () => (await known()) === 2))
  const late = await plane.startServer()
  const readiness = async () => (await fetch(`http://${late.health}/readyz`)).status
  while ((await readiness()) !== 200) await new Promise((resolve) => setTimeout(resolve, 5))
  t.equal(await known(), 3)
})

t.test('a row alone is never trusted', async (t) => {
  const { plane, servers } = await start(t)
  const { store, admin } = plane
  const foreign = await makeNextRoot('foreign root')
  const forged = await makeNextIssuer(foreign.root, 'forged')
  const { der } = issuerOf(new X509Certificate(forged.pem).raw)
  const write = (issuer_id: string, certificate_der: Buffer) =>
    store.store.put({
      TableName: store.tables.control,
      Item: { pk: 'AUTHORITIES', sk: issuer_id, issuer_id, certificate_der, state: 'prepared', version: 1 },
    })
  await write(forged.issuer_id, der)
  await write('0'.repeat(16), der)
  await write('1'.repeat(16), Buffer.from('no certificate'))
  t.equal(
    (await step(admin, forged.issuer_id, 'activate', forced)).body.code,
    'invalid_transition',
    'not even by force',
  )
  for (const { plane: own } of servers) {
    t.notOk(own.issuerCertificates().has(forged.issuer_id))
    t.notOk(own.authoritiesPem().includes(forged.pem))
  }
  const { status, body } = await admin.get('/v1/authorities')
  t.equal(status, 200, body.detail)
  t.equal((await admin.post('/v1/principals', { principal_id: 'worker-1', type: 'worker' })).status, 201)
  t.equal((await plane.issue('worker-1')).issued.certificate.issuer_id, plane.authority.issuer.issuer_id)
})

t.test('the key of the next issuer is in KMS, and the registry alone says so', async (t) => {
  const kms = await startKms()
  t.teardown(kms.stop)
  const aws = { kms: { signer: { client: kms.client }, pauses: { first: 50, longest: 400 } } }
  const { plane, servers, first } = await start(t, { aws })
  const { admin, authority } = plane
  const next = await makeNextIssuer(authority.root, 'issuer in KMS')
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const wrong = await prepare(admin, next, { kms_key_id: kms.addKey(other.privateKey) })
  t.equal(wrong.status, 201, 'a key is paired by what it is, not by what is said of it')
  await new Promise((resolve) => setTimeout(resolve, 2500))
  t.equal(
    (await step(admin, next.issuer_id, 'activate')).body.code,
    'rotation_not_ready',
    'that of another signs nothing',
  )
  const put = await prepare(admin, next, { kms_key_id: kms.addKey(next.privateKey) })
  t.same([put.status, put.body.version], [200, 2])
  const activated = await whenReady(() => step(admin, next.issuer_id, 'activate'))
  t.equal(activated.body.state, 'active', activated.body.detail)
  for (const server of servers) {
    const worker = await plane.enrol(`worker-${servers.indexOf(server)}`)
    const client = plane.clientOf(worker.identity, server)
    const signedBy = async (): Promise<string> => {
      const { csr_pem } = await makeRequest()
      return (await unlessBusy(() => client.post('/v1/renewals', { csr_pem }))).body.certificate.issuer_id
    }
    t.ok(await eventually(async () => (await signedBy()) === next.issuer_id), 'on every server')
  }
  const late = await plane.startServer({ aws })
  const signs = async () =>
    (await plane.clientOf(admin.identity, late).post('/v1/renewals', { csr_pem: (await makeRequest()).csr_pem })).status
  t.ok(await eventually(async () => (await signs()) === 201), 'and on one that starts later')
  t.equal((await authorityOf(admin, first)).state, 'prepared')
})

t.test('while no admin has said which issuer signs, the configuration does, and the registry follows', async (t) => {
  const { plane, servers, first } = await start(t)
  const { authority, admin } = plane
  const next = await makeNextIssuer(authority.root, 'next issuer')
  const events = async () => (await admin.get('/v1/audit-events?actor=system')).body.items.length
  const before = await events()
  for (const server of servers) await giveIssuers(server, authority, [next])
  t.equal((await authorityOf(admin, first)).state, 'active', 'the order counts')
  for (const server of servers) {
    server.env['AIRUNNER_ISSUER_CERT'] = next.pem + authority.env.AIRUNNER_ISSUER_CERT
    await server.reload()
  }
  const worker = await plane.enrol('worker-1')
  t.equal(worker.issued.certificate.issuer_id, next.issuer_id)
  t.ok(await eventually(async () => (await authorityOf(admin, next.issuer_id)).state === 'active'))
  t.equal((await authorityOf(admin, first)).state, 'prepared')
  t.equal((await events()) - before, 2, 'one event for each of the two, by the system')
  t.equal((await whenReady(() => step(admin, first, 'activate'))).body.state, 'active')
  t.equal((await plane.enrol('worker-2')).issued.certificate.issuer_id, first, 'what an admin says counts from then on')
})

t.test('servers of different configuration: what one of them signs with is neither retired nor removed', async (t) => {
  const { plane, servers, first } = await start(t)
  const { authority, admin } = plane
  const [one, other] = servers as [RunningServer, RunningServer]
  const next = await makeNextIssuer(authority.root, 'next issuer')
  await giveIssuers(one, authority, [next])
  other.env['AIRUNNER_ISSUER_CERT'] = next.pem + authority.env.AIRUNNER_ISSUER_CERT
  other.env['AIRUNNER_ISSUER_KEY'] = next.key_pem + authority.env.AIRUNNER_ISSUER_KEY
  await other.reload()
  const signs = async (server: RunningServer) => {
    const { csr_pem } = await makeRequest()
    const answer = await plane.clientOf(admin.identity, server).post('/v1/renewals', { csr_pem })
    return answer.body.certificate?.issuer_id
  }
  t.equal(await signs(other), next.issuer_id)
  const told = async () => {
    const leases = await store.query({
      TableName: store.tables.control,
      KeyConditionExpression: 'pk = :pk',
      ExpressionAttributeValues: { ':pk': 'SERVERS' },
    })
    return leases.Items?.some((lease) => lease['signs_with'] === next.issuer_id) === true
  }
  const { store } = plane.store
  t.ok(await eventually(told), 'its lease says so')
  t.equal((await authorityOf(admin, next.issuer_id)).state, 'prepared', 'it is the other one that is written down')
  for (const verb of ['retire', 'remove'])
    t.match((await step(admin, next.issuer_id, verb, forced)).body, {
      code: 'invalid_transition',
      detail: /^the server [0-9a-f]{32} signs with it, as its configuration says/,
    })
  t.equal(await signs(other), next.issuer_id)
  t.equal((await whenReady(() => step(admin, first, 'activate'))).body.state, 'active')
  t.ok(await eventually(async () => (await signs(other)) === first))
  t.equal((await step(admin, next.issuer_id, 'retire')).status, 200, 'an admin has said which')
})

t.test('two steps at once on two servers: one after the other, and one issuer signs', async (t) => {
  const { plane, servers, first } = await start(t)
  const { authority, admin } = plane
  const next = await makeNextIssuer(authority.root, 'next issuer')
  for (const server of servers) await giveIssuers(server, authority, [next])
  t.equal((await prepare(admin, next)).status, 201)
  const onSecond = plane.clientOf(admin.identity, servers[1])
  for (let round = 0; round < 5; round++) {
    const answers = await Promise.all([
      step(admin, next.issuer_id, 'activate', forced),
      step(onSecond, first, 'activate', forced),
      step(onSecond, next.issuer_id, 'retire', forced),
    ])
    for (const { status, body } of answers)
      t.ok(status === 200 || body.code === 'invalid_transition', `${status} ${body.code ?? body.state}`)
    const states = [(await authorityOf(admin, first)).state, (await authorityOf(onSecond, next.issuer_id)).state]
    t.equal(states.filter((state) => state === 'active').length, 1, states.join())
  }
  const { items } = (await admin.get(`/v1/audit-events?target=${next.issuer_id}&limit=500`)).body
  const count = (action: string) => items.filter((event: { action: string }) => event.action === action).length
  const lead = count('authority.activate') - count('authority.deactivate')
  t.ok(lead === 0 || lead === 1, 'each change has its event')
})

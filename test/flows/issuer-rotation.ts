import { X509Certificate } from 'node:crypto'
import t, { type Test } from 'tap'
import { eventually, openAgentStream } from '../support/agent-stream.ts'
import { findBreaches } from '../support/checker.ts'
import { type Answer, type Client, identityOf, makeRequest } from '../support/client.ts'
import { type Joined, makeJoiner } from '../support/joining.ts'
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
const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds))
const issuerOfLeaf = ({ body }: Answer): string => body.certificate.issuer_id

/** Two servers on one table, and their first issuer written down. */
const start = async (t: Test) => {
  const plane = await startPlane(t)
  const second = await plane.startServer()
  const servers = [plane.server, second]
  const first = plane.authority.issuer.issuer_id
  const known = async () => (await authorityOf(plane.admin, first))?.version === 1
  t.ok(await eventually(known), 'which one signs is written down')
  const state = async (id: string) => (await authorityOf(plane.admin, id)).state
  return { plane, servers, second, first, state }
}

/** A machine that renews again and again, on one server and the other in turn, and says what was refused. */
const renewForEver = (plane: TestPlane, servers: RunningServer[], from: Client, refused: unknown[]) => {
  let stopped = false
  let current = from
  const issuers = new Set<string>()
  const run = async () => {
    for (let turn = 0; !stopped; turn++) {
      const { key, csr_pem } = await makeRequest()
      const answer = await unlessBusy(() => current.post('/v1/renewals', { csr_pem }))
      if (answer.status !== 201) {
        refused.push(answer.body)
        await pause(100)
        continue
      }
      issuers.add(issuerOfLeaf(answer))
      const next = plane.clientOf(identityOf(answer.body, key), servers[turn % servers.length])
      const used = await unlessBusy(() => next.get('/v1/whoami'))
      if (used.status !== 200) refused.push(used.body)
      // Whoever trusts a root of the bundle trusts the chain that was given out.
      const [leaf, issuer] = answer.body.chain_pem.split(/(?<=-----END CERTIFICATE-----\n)/)
      if (!new X509Certificate(leaf).verify(new X509Certificate(issuer).publicKey)) refused.push('a foreign chain')
      current.close()
      current = next
      await pause(40)
    }
  }
  const running = run().catch((error) => refused.push(String(error)))
  return {
    issuers,
    stop: async (): Promise<Client> => {
      stopped = true
      await running
      return current
    },
  }
}

/** Machines that join one after the other, on one server and the other in turn. */
const joinForEver = (plane: TestPlane, servers: RunningServer[], refused: unknown[]) => {
  let stopped = false
  const issuers = new Set<string>()
  const joiners = servers.map((server) => makeJoiner(plane, server))
  const run = async () => {
    const { join_token } = await (joiners[0] as (typeof joiners)[0]).createToken({ max_uses: 1000 })
    for (let turn = 0; !stopped; turn++) {
      const joiner = joiners[turn % joiners.length] as (typeof joiners)[0]
      const joined = (await unlessBusy(() => joiner.join(join_token))) as Joined
      if (joined.status === 201) issuers.add(issuerOfLeaf(joined))
      else refused.push(joined.body)
      await pause(100)
    }
  }
  const running = run().catch((error) => refused.push(String(error)))
  return {
    issuers,
    stop: async () => {
      stopped = true
      await running
      for (const { client } of joiners) client.close()
    },
  }
}

/** The admin, and whoever else, with a certificate of the issuer that signs now. */
const renewed = async (plane: TestPlane, client: Client, server?: RunningServer): Promise<Client> => {
  const { key, csr_pem } = await makeRequest()
  const next = plane.clientOf(
    identityOf((await unlessBusy(() => client.post('/v1/renewals', { csr_pem }))).body, key),
    server,
  )
  const answer = await unlessBusy(() => next.get('/v1/whoami'))
  if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
  return next
}

t.test('a whole rotation under renewals and joins on two servers: no call is refused', async (t) => {
  const { plane, servers, second, first, state } = await start(t)
  const { admin, authority } = plane
  const next = await makeNextIssuer(authority.root, 'next issuer')
  const workers = await Promise.all([plane.enrol('worker-1'), plane.enrol('worker-2')])
  const idle = await plane.enrol('worker-3')
  const agent = await plane.enrol('worker-4')
  const refused: unknown[] = []
  const renewing = workers.map(({ client }) => renewForEver(plane, servers, client, refused))
  const joining = joinForEver(plane, servers, refused)

  // 1. Prepared: known everywhere, signs nothing. Its key reaches one server after the other.
  t.equal((await prepare(admin, next)).status, 201)
  await giveIssuers(plane.server, authority, [next])
  const straggling = await step(admin, next.issuer_id, 'activate')
  t.equal(straggling.body.code, 'rotation_not_ready')
  t.ok(
    straggling.body.stragglers.some(
      ({ kind, detail }: Record<string, string>) => kind === 'server' && /key/.test(detail ?? ''),
    ),
    'the server without the key is named',
  )
  await giveIssuers(second, authority, [next])
  t.equal(await state(next.issuer_id), 'prepared')

  // 2. Active, rolled back, active again.
  for (const id of [next.issuer_id, first, next.issuer_id]) {
    const answer = await whenReady(() => step(admin, id, 'activate'))
    t.equal(answer.status, 200, answer.body.detail)
    await pause(500)
  }
  t.equal(await state(first), 'prepared', 'the one before can be activated again')
  for (const server of servers) {
    const client = plane.clientOf(idle.identity, server)
    const signs = async () => {
      const { csr_pem } = await makeRequest()
      return issuerOfLeaf(await unlessBusy(() => client.post('/v1/renewals', { csr_pem })))
    }
    t.ok(await eventually(async () => (await signs()) === next.issuer_id), 'it signs on every server within 5 s')
  }

  // 3. Retired: whoever holds one of its certificates is asked to renew. And back, and again.
  const stream = await openAgentStream(plane.clientOf(agent.identity, second))
  t.equal((await step(admin, first, 'retire', { renew_within_seconds: 5 })).body.state, 'retired')
  const asked = await stream.event('renew')
  t.ok(Date.parse(asked.renew_before) - Date.parse(asked.renew_after) <= 5000, 'within the window')
  stream.kill()
  const later = await openAgentStream(plane.clientOf(agent.identity), 'instance-2')
  const { renew_after, renew_before } = await later.event('snapshot')
  t.ok(Date.parse(renew_before) - Date.parse(renew_after) === 5000, 'one that comes later is told as well')
  t.equal((await whenReady(() => step(admin, first, 'activate'))).body.state, 'active', 'the way back from retired')
  t.equal((await whenReady(() => step(admin, next.issuer_id, 'activate'))).body.state, 'active')
  t.equal((await step(admin, first, 'retire')).body.state, 'retired')

  // 4. Removed: not while certificates are in use.
  await pause(1100)
  const held = await step(admin, first, 'remove')
  t.equal(held.body.code, 'rotation_not_ready')
  t.ok(
    held.body.stragglers.some(({ id }: { id: string }) => id === 'worker-3'),
    'holders are named',
  )
  const streaming = await openAgentStream(plane.clientOf(agent.identity, second), 'instance-3')
  const newAdmin = await renewed(plane, admin)
  // Those that still renew have long been given another one; these two have not.
  t.equal((await idle.client.get('/v1/whoami')).status, 200)
  const onSecond = plane.clientOf(idle.identity, second)
  t.equal((await onSecond.get('/v1/whoami')).status, 200)
  const removed = await step(newAdmin, first, 'remove', forced)
  t.equal(removed.body.state, 'removed', removed.body.detail)
  t.equal((await idle.client.get('/v1/whoami')).body.code, 'certificate_untrusted', 'where it was removed: at once')
  const untrusted = async () => (await onSecond.get('/v1/whoami').catch(() => undefined))?.body.code
  t.ok(await eventually(async () => (await untrusted()) === 'certificate_untrusted'), 'on the other server')
  t.ok(await eventually(() => streaming.socket.destroyed || streaming.socket.closed), 'its event stream is cut')

  // 5. Its certificate and key may leave the configuration now.
  for (const server of servers) await giveIssuers(server, authority, [next], false)
  await pause(500)
  for (const { stop } of renewing) t.equal((await (await stop()).get('/v1/whoami')).status, 200)
  await joining.stop()
  t.same(refused, [], 'not one call was refused')
  t.same([...(renewing[0]?.issuers ?? [])].sort(), [first, next.issuer_id].sort())
  t.same([...joining.issuers].sort(), [first, next.issuer_id].sort())
  t.equal((await onSecond.get('/v1/whoami')).body.code, 'certificate_untrusted', 'its holders are still told so')

  // 6. The way back even from here.
  t.equal((await prepare(newAdmin, { pem: authority.issuer.pem })).body.state, 'prepared')
  t.ok(await eventually(async () => (await onSecond.get('/v1/whoami')).status === 200), 'trusted again')
  t.same(await findBreaches(plane.store.store), [])
})

t.test(
  'a root rotation with both roots: an agent that has not acknowledged the new one blocks, and is named',
  async (t) => {
    const { plane, servers, first } = await start(t)
    const { authority, admin } = plane
    const { root, pem } = await makeNextRoot('next root')
    const next = await makeNextIssuer(root, 'issuer of the next root')
    const report = (client: Client, trust_bundle_version: string) =>
      client.call('PUT', '/v1/agent/status', {
        version: '1.0.0',
        hostname: 'test',
        metadata: {},
        trust_bundle_version,
        certificate_expires_at: new Date(Date.now() + 1e6).toISOString(),
      })
    const [quick, slow, gone] = await Promise.all(['quick', 'slow', 'gone'].map((id) => plane.enrol(id)))
    if (!quick || !slow || !gone) throw new Error('not enrolled')
    const version = async () => (await admin.get('/v1/trust-bundle')).body.version
    const old = await version()
    for (const { client } of [quick, slow, gone]) t.equal((await report(client, old)).status, 200)
    await admin.post('/v1/principals/gone/suspend', { reason: 'a test' })

    const foreign = await prepare(admin, next)
    t.equal(foreign.body.code, 'invalid_request', 'no root of the bundle signed it')
    const streams = await Promise.all([quick, slow].map(({ client }) => openAgentStream(client)))
    for (const server of servers) {
      server.env['AIRUNNER_CA_CERT'] = authority.root_pem + pem
      await giveIssuers(server, authority, [next])
    }
    const told = await Promise.all(streams.map((stream) => stream.event('trust_changed')))
    t.equal(told[0]?.trust_bundle_version, await version())
    t.equal((await prepare(admin, next)).status, 201)
    t.equal((await report(quick.client, await version())).status, 200)

    let answer = await step(admin, next.issuer_id, 'activate')
    const servedBy = () => answer.body.stragglers.filter(({ kind }: { kind: string }) => kind === 'server').length === 0
    await eventually(async () => {
      answer = await step(admin, next.issuer_id, 'activate')
      return servedBy()
    })
    t.equal(answer.body.code, 'rotation_not_ready')
    t.same(
      answer.body.stragglers.map(({ kind, id }: Record<string, string>) => `${kind} ${id}`),
      ['agent slow'],
      'who has reported it, and who is suspended, is not waited for',
    )
    t.match(answer.body.detail, /1 agent .*slow.*without the root/)
    t.equal((await admin.get(`/v1/authorities/${next.issuer_id}`)).body.rollout.stragglers_total, 1)
    t.equal((await report(slow.client, await version())).status, 200)
    answer = await step(admin, next.issuer_id, 'activate')
    t.equal(answer.body.state, 'active', answer.body.detail)

    // Under the new root: issued, used, its chain good for whoever has both roots.
    const client = await renewed(plane, slow.client, servers[1])
    t.equal((await client.get('/v1/whoami')).body.certificate.issuer_id, next.issuer_id)
    const newAdmin = await renewed(plane, admin)
    await renewed(plane, quick.client)
    t.equal((await step(newAdmin, first, 'retire')).body.state, 'retired')
    await pause(1100)
    const revoked = await newAdmin.post('/v1/principals/gone/activate')
    t.equal(revoked.status, 200)
    await newAdmin.call('DELETE', '/v1/principals/gone')
    const removed = await whenReady(() => step(newAdmin, first, 'remove'))
    t.equal(removed.body.state, 'removed', removed.body.detail)
    for (const { socket } of streams) socket.destroy()
    t.same(await findBreaches(plane.store.store), [])
  },
)

import { createPrivateKey } from 'node:crypto'
import { DeleteCommand } from '@aws-sdk/lib-dynamodb'
import t, { type Test } from 'tap'
import { defaultSettlingTime, makeRevocationWorker } from '../../src/authority/mass-revocation.ts'
import { makeGetRevocation } from '../../src/authority/start-revocation.ts'
import type { RevocationRecord } from '../../src/core/revocation.ts'
import { day, minute, second } from '../../src/core/time.ts'
import { controlKey } from '../../src/store/schema.ts'
import { eventually } from '../support/agent-stream.ts'
import { findBreaches } from '../support/checker.ts'
import { identityOf, makeRequest } from '../support/client.ts'
import { makeJoiner } from '../support/joining.ts'
import { startPlane, type TestPlane } from '../support/plane.ts'
import { openTestRegistry } from '../support/registry.ts'
import { startTestStore } from '../support/store.ts'

const now = Date.now()
const recordOf = (revocation_id: string): RevocationRecord => ({
  revocation_id,
  state: 'pending',
  filter: {},
  reason: 'unspecified',
  dry_run: false,
  created_at: now - minute,
  created_by: 'admin',
  spared_serial: 'none',
  spared_lineage: 'none',
  request_id: 'r',
  remote_address: 'here',
  matched: 0,
  revoked: 0,
})

t.test('one that cannot be carried out holds up no other', async (t) => {
  const store = await startTestStore()
  const { registry, close, store: own } = openTestRegistry(store)
  t.teardown(async () => {
    close()
    await store.stop()
  })
  const [gone, broken, good] = ['0-gone', '1-broken', '2-good']
  for (const id of [gone, good]) await own.transact(registry.revocations.create(recordOf(id)))
  const { filter: _lost, ...rest } = recordOf(broken)
  await own.transact(registry.revocations.create(rest as RevocationRecord))
  await own.documents.send(new DeleteCommand({ TableName: store.tables.control, Key: controlKey.revocation(gone) }))
  const worker = makeRevocationWorker({ registry, clock: Date.now, horizon: () => now + day })
  for (const _ of [1, 2]) await worker.run().catch(() => undefined)
  t.equal((await registry.revocations.get(good))?.state, 'completed')
  t.equal(await registry.revocations.get(gone), undefined, 'nothing is made up of what is not there')
})

t.test('what an index shows only later is revoked too, before the work counts as done', async (t) => {
  const plane = await startPlane(t)
  await plane.enrol('worker-1')
  const { registry, close, store } = openTestRegistry(plane.store)
  t.teardown(close)
  let indexed = false
  const list: typeof registry.certificates.list = async (filter) =>
    indexed ? registry.certificates.list(filter) : { items: [] }
  const record = { ...recordOf('lagging'), created_at: Date.now() + 1 }
  let clock = record.created_at
  const worker = makeRevocationWorker({
    registry: { ...registry, certificates: { ...registry.certificates, list } },
    clock: () => clock,
    horizon: () => now + 400 * day,
  })
  const stateAfterRun = async () => {
    await worker.run()
    return (await registry.revocations.get(record.revocation_id))?.state
  }
  await store.transact(registry.revocations.create(record))
  t.equal(await stateAfterRun(), 'running', 'nothing found so early says nothing')
  clock += defaultSettlingTime
  indexed = true
  const told = await makeGetRevocation({ registry })(record.revocation_id)
  t.match(told, { state: 'completed', revoked: 0 }, 'whoever asked need not wait for that')
  t.equal(await stateAfterRun(), 'completed')
  t.match(await registry.revocations.get(record.revocation_id), { revoked: 1 }, 'all but the last admin')
})

t.test(
  'whose certificates others revoke as compromised is kept from rejoining, but not who spared itself',
  async (t) => {
    const plane = await startPlane(t)
    await plane.enrol('worker-1')
    const { body } = await plane.admin.post('/v1/revocations', { all: true, reason: 'key_compromise' })
    let state = ''
    for (let tries = 0; tries < 1200 && state !== 'completed'; tries++) {
      state = (await plane.admin.get(`/v1/revocations/${body.revocation_id}`)).body.state
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    t.equal(state, 'completed')
    t.equal((await plane.admin.get('/v1/principals/worker-1')).body.rejoin_blocked, true)
    t.equal((await plane.admin.get('/v1/principals/admin-test')).body.rejoin_blocked, false)
  },
)

t.test('it watches for as long as a request that was under way may take, with clocks that are off', (t) => {
  const [signer, store, clockOfServer, clockOfWorker] = [5, 7, 3, 3]
  t.equal(defaultSettlingTime, (signer + store + clockOfServer + clockOfWorker) * second)
  t.end()
})

/** Waits until the server has read the feed to its end at that time (Unix ms) or later. */
const hasReadFeed = (plane: TestPlane, at: number): Promise<boolean> =>
  eventually(async () => {
    const asked = Date.now()
    const text = await (await fetch(`http://${plane.server.metrics}/metrics`)).text()
    return asked - Number(/^airunner_feed_age_seconds (\S+)$/m.exec(text)?.[1]) * second > at
  })

/** A plane with a mass revocation that was asked for and is carried out when told, so that what comes between is known. */
const startAsked = async (
  t: Pick<Test, 'teardown'>,
  more: (plane: TestPlane) => Partial<RevocationRecord> = () => ({}),
) => {
  const plane = await startPlane(t)
  const { registry, close, store } = openTestRegistry(plane.store)
  t.teardown(close)
  const worker = makeRevocationWorker({ registry, clock: Date.now, horizon: () => now + 400 * day, settlingTime: 0 })
  let record: RevocationRecord
  return {
    plane,
    registry,
    ask: async () => {
      await new Promise((resolve) => setTimeout(resolve, 5))
      record = { ...recordOf('asked'), created_at: Date.now(), created_by: 'admin-test', ...more(plane) }
      // So long ago that what comes now is not taken for what clocks that are off have put behind the call.
      if (/compromise|withdrawn/.test(record.reason)) record.created_at -= 3001
      // The list of open ones stays without it: the server of this plane must not begin by itself.
      const [put] = registry.revocations.create(record)
      if (put === undefined) throw new Error('there is a record')
      await store.transact([put])
      await new Promise((resolve) => setTimeout(resolve, 5))
    },
    carryOut: async () => {
      await store.transact(registry.revocations.create(record).slice(1))
      for (let tries = 0; tries < 1200; tries++) {
        await worker.run().catch(() => undefined)
        const job = await registry.revocations.get(record.revocation_id)
        if (job?.state === 'completed') {
          // Done beside the server, which hears of it by the feed.
          if (!(await hasReadFeed(plane, Date.now() + second))) throw new Error('the server does not hear of it')
          return job
        }
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      throw new Error('it does not end')
    },
  }
}

const renewAndUse = async (plane: TestPlane, client: TestPlane['admin']) => {
  const { csr_pem, key } = await makeRequest()
  const { body } = await client.post('/v1/renewals', { csr_pem })
  const successor = plane.clientOf(identityOf(body, key))
  await successor.get('/v1/whoami')
  return { client: successor, issued: body }
}

const codeOf = async (client: TestPlane['admin']) => (await client.get('/v1/whoami')).body.code

t.test('nobody gets out of it by renewing and using the successor meanwhile', async (t) => {
  const { plane, ask, carryOut } = await startAsked(t)
  const { client } = await plane.enrol('worker-1')
  await ask()
  const second = await renewAndUse(plane, client)
  const third = await renewAndUse(plane, second.client)
  const unused = await third.client.post('/v1/renewals', { csr_pem: (await makeRequest()).csr_pem })
  t.equal(unused.status, 201)
  await carryOut()
  for (const one of [client, second.client, third.client]) t.equal(await codeOf(one), 'certificate_revoked')
  const left = await plane.admin.get(`/v1/certificates/${unused.body.certificate.serial_number}`)
  t.equal(left.body.status, 'revoked')
  t.same(await findBreaches(plane.store.store), [])
})

t.test('issued before a time is also what was renewed since from what was', async (t) => {
  let issued_before = 0
  const { plane, ask, carryOut } = await startAsked(t, () => ({ filter: { issued_before }, reason: 'key_compromise' }))
  const old = await plane.enrol('worker-1')
  await new Promise((resolve) => setTimeout(resolve, 5))
  issued_before = Date.now()
  const fresh = await plane.enrol('worker-2')
  const { client } = await renewAndUse(plane, old.client)
  await ask()
  await carryOut()
  t.equal(await codeOf(client), 'certificate_revoked')
  t.equal((await fresh.client.get('/v1/whoami')).status, 200)
})

t.test('issued before a time is not what was renewed since, where no key is distrusted', async (t) => {
  let issued_before = 0
  const { plane, ask, carryOut } = await startAsked(t, () => ({ filter: { issued_before }, reason: 'superseded' }))
  const [lazy, renewed] = [await plane.enrol('worker-1'), await plane.enrol('worker-2')]
  await new Promise((resolve) => setTimeout(resolve, 5))
  issued_before = Date.now()
  const { client } = await renewAndUse(plane, renewed.client)
  await ask()
  await carryOut()
  t.equal(await codeOf(lazy.client), 'certificate_revoked')
  t.equal((await client.get('/v1/whoami')).status, 200)
})

t.test('what is issued right after the call stays, unless somebody is distrusted', async (t) => {
  const plane = await startPlane(t)
  const { body } = await plane.admin.post('/v1/revocations', { all: true, reason: 'cessation_of_operation' })
  await new Promise((resolve) => setTimeout(resolve, 2))
  const { client } = await plane.enrol('worker-1')
  for (let tries = 0, state = ''; tries < 1200 && state !== 'completed'; tries++) {
    state = (await plane.admin.get(`/v1/revocations/${body.revocation_id}`)).body.state
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  t.equal((await client.get('/v1/whoami')).status, 200)
})

t.test('what the caller renews meanwhile is as little revoked as what it called with', async (t) => {
  const { plane, ask, carryOut } = await startAsked(t, () => ({ spared_serial: serial, spared_lineage: serial }))
  const { serial_number: serial } = (await plane.admin.get('/v1/whoami')).body.certificate
  const worker = await plane.enrol('worker-1')
  await ask()
  // Else it would be spared as the last admin's.
  await plane.enrol('admin-2', 'admin')
  const { client } = await renewAndUse(plane, plane.admin)
  await carryOut()
  t.equal((await client.get('/v1/whoami')).status, 200)
  t.equal(await codeOf(worker.client), 'certificate_revoked')
})

for (const reason of ['key_compromise', 'privilege_withdrawn', 'unspecified'] as const)
  t.test(`who rejoins before its turn comes is kept out where the reason bars it: ${reason}`, async (t) => {
    const { plane, ask, carryOut } = await startAsked(t, () => ({ reason }))
    const joiner = makeJoiner(plane)
    t.teardown(joiner.client.close)
    const { join_token } = await joiner.createToken({ principal_id: 'box-1', rejoin: true, max_uses: 50 })
    const first = await joiner.join(join_token)
    await ask()
    const again = await joiner.join(join_token)
    t.equal(again.status, 201)
    const thief = plane.clientOf(identityOf(again.body, again.key))
    const renewed = await renewAndUse(plane, thief)
    const issued = await plane.issue('box-1')
    const job = await carryOut()
    const box = (await plane.admin.get('/v1/principals/box-1')).body
    const barred = reason !== 'unspecified'
    t.equal(box.rejoin_blocked, barred)
    t.equal(await codeOf(renewed.client), barred ? 'certificate_revoked' : undefined)
    t.equal((await issued.client.get('/v1/whoami')).status, 200, 'what an admin issued meanwhile stays')
    t.equal((await joiner.join(join_token)).status, barred ? 401 : 201)
    if (reason === 'key_compromise') {
      t.equal(job.revoked, 2)
      const { csr_pem } = await makeRequest(createPrivateKey(first.key))
      const body = { principal_id: 'box-1', csr_pem }
      t.equal((await plane.admin.post('/v1/certificates', body)).body.code, 'key_already_registered')
      const target = first.body.certificate.serial_number
      const { body: events } = await plane.admin.get(`/v1/audit-events?target=${target}&action=certificate.distrust`)
      t.equal(events.items.length, 1)
      t.match(events.items[0], { actor: 'admin-test', after: { rejoin_blocked: true, key_burnt: true } })
    }
    t.same(await findBreaches(plane.store.store), [])
  })

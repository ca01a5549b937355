import t from 'tap'
import { findBreaches } from '../support/checker.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { startPlane, type TestPlane } from '../support/plane.ts'

const completed = async (plane: TestPlane, id: string, within = 40_000) => {
  const until = Date.now() + within
  for (;;) {
    const { body } = await plane.admin.get(`/v1/revocations/${id}`)
    if (body.state === 'completed') return body
    if (Date.now() > until) throw new Error(`still ${JSON.stringify(body)}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

const fleetOf = async (plane: TestPlane, size: number) => {
  const ids = Array.from({ length: size }, (_, i) => `worker-${i}`)
  return Promise.all(ids.map((id) => plane.enrol(id)))
}

t.test('a dry run counts and revokes nothing; the real one revokes all but the caller’s own', async (t) => {
  const plane = await startPlane(t)
  const fleet = await fleetOf(plane, 20)
  const dry = await plane.admin.post('/v1/revocations', { all: true, reason: 'key_compromise', dry_run: true })
  t.equal(dry.status, 202)
  t.match(await completed(plane, dry.body.revocation_id), { matched: 20, revoked: 0 })
  t.equal((await fleet[0]?.client.get('/v1/whoami'))?.status, 200)

  const real = await plane.admin.post('/v1/revocations', { all: true, reason: 'key_compromise' })
  t.match(await completed(plane, real.body.revocation_id), { matched: 20, revoked: 20, state: 'completed' })
  for (const { client } of fleet) t.equal((await client.get('/v1/whoami')).body.code, 'certificate_revoked')
  t.equal((await plane.admin.get('/v1/whoami')).status, 200)
  t.same(await findBreaches(plane.store.store), [])
})

t.test('filters are all to hold, and a call without any is refused', async (t) => {
  const plane = await startPlane(t)
  const [first, second] = await fleetOf(plane, 2)
  const old = new Date(Date.parse(second?.issued.certificate.issued_at ?? '')).toISOString()
  const none = await plane.admin.post('/v1/revocations', { reason: 'unspecified', dry_run: true })
  t.equal(none.status, 400)
  const unknown = await plane.admin.post('/v1/revocations', {
    principal_id: 'worker-0',
    issued_before: '2000-01-01T00:00:00.000Z',
    reason: 'unspecified',
  })
  t.match(await completed(plane, unknown.body.revocation_id), { matched: 0 })
  const one = await plane.admin.post('/v1/revocations', { principal_id: 'worker-0', reason: 'unspecified' })
  t.match(await completed(plane, one.body.revocation_id), { matched: 1, revoked: 1 })
  t.equal((await first?.client.get('/v1/whoami'))?.body.code, 'certificate_revoked')
  t.equal((await second?.client.get('/v1/whoami'))?.status, 200, old)
})

t.test('a server that dies in the middle is replaced by another, and the numbers are true', async (t) => {
  const plane = await startPlane(t)
  const proxy = await startFaultProxy(plane.store.engine.endpoint)
  t.teardown(proxy.stop)
  await fleetOf(plane, 40)
  await plane.server.stop()
  const dying = await plane.startServer({ endpoint: proxy.endpoint })
  let transactions = 0
  const cutOff = Promise.withResolvers<void>()
  // After two batches the store is out of its reach for good: as good as dead, its lease still held.
  proxy.decide = (operation) => {
    if (operation === 'TransactWriteItems') transactions++
    if (transactions <= 3) return { kind: 'pass' }
    cutOff.resolve()
    return { kind: 'refuse' }
  }
  const admin = plane.clientOf(plane.admin.identity, dying)
  const { body } = await admin.post('/v1/revocations', { all: true, reason: 'cessation_of_operation' })
  t.match(body, { state: 'pending' })
  await cutOff.promise
  const heir = await plane.startServer()
  Object.assign(plane, { admin: plane.clientOf(plane.admin.identity, heir) })
  t.match(await completed(plane, body.revocation_id), { matched: 40, revoked: 40 })
  t.same(await findBreaches(plane.store.store), [])
})

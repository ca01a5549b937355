import t from 'tap'
import { findBreaches } from '../support/checker.ts'
import { makeRequest } from '../support/client.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { startPlane } from '../support/plane.ts'

t.test('who revokes itself is answered, even when the feed brings the news before the store answers', async (t) => {
  const plane = await startPlane(t)
  const proxy = await startFaultProxy(plane.store.engine.endpoint)
  t.teardown(proxy.stop)
  const server = await plane.startServer({ endpoint: proxy.endpoint })
  const { identity, issued } = await plane.enrol('worker-1')
  const client = plane.clientOf(identity, server)
  t.equal((await client.get('/v1/whoami')).status, 200)
  proxy.decide = (operation) =>
    operation === 'TransactWriteItems' ? { kind: 'slow-answer', milliseconds: 1000 } : { kind: 'pass' }
  const path = `/v1/certificates/${issued.certificate.serial_number}/revoke`
  const answer = await client.post(path, { reason: 'superseded' })
  t.equal(answer.status, 200)
  t.equal(answer.headers['connection'], 'close')
})

const waits: [string, boolean, string][] = [
  ['the look for a kept answer', true, '/v1/principals'],
  ['what its effect is planned from', false, '/v1/certificates'],
]
for (const [name, keyed, path] of waits) {
  t.test(`a caller that is cut off while its request waits for ${name} has no effect any more`, async (t) => {
    const plane = await startPlane(t)
    const proxy = await startFaultProxy(plane.store.engine.endpoint)
    t.teardown(proxy.stop)
    const server = await plane.startServer({ endpoint: proxy.endpoint })
    const { identity } = await plane.enrol('admin-2', 'admin')
    const { csr_pem } = await makeRequest()
    const fallen = plane.clientOf(identity, server)
    t.equal((await fallen.get('/v1/whoami')).status, 200)
    const waiting = Promise.withResolvers<void>()
    proxy.decide = (operation) => {
      if (operation !== 'GetItem') return { kind: 'pass' }
      waiting.resolve()
      return { kind: 'slow', milliseconds: 2500 }
    }
    const body = keyed ? { principal_id: 'back-door', type: 'admin' } : { principal_id: 'admin-test', csr_pem }
    const ended = fallen.post(path, body, keyed ? { key: 'k' } : {}).then(
      (answer) => answer.status,
      () => 'cut',
    )
    await waiting.promise
    t.equal((await plane.admin.post('/v1/principals/admin-2/suspend', { reason: 'fallen' })).status, 200)
    t.equal(await ended, 'cut')
    await new Promise((resolve) => setTimeout(resolve, 4500))
    t.equal((await plane.admin.get('/v1/audit-events?actor=admin-2')).body.items.length, 0)
    t.same(await findBreaches(plane.store.store), [])
  })
}

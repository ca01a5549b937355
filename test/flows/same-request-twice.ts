import t from 'tap'
import { findBreaches } from '../support/checker.ts'
import { makeRequest } from '../support/client.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { startPlane } from '../support/plane.ts'

t.test('of the same request on two servers at once, the loser answers what the winner did', async (t) => {
  const plane = await startPlane(t)
  const proxy = await startFaultProxy(plane.store.engine.endpoint)
  t.teardown(proxy.stop)
  const slow = plane.clientOf(plane.admin.identity, await plane.startServer({ endpoint: proxy.endpoint }))
  await slow.get('/v1/whoami')
  await plane.admin.post('/v1/principals', { principal_id: 'worker-1', type: 'worker', max_certificates: 1 })
  const { csr_pem } = await makeRequest()
  // Each effect is what its repetition would be refused for: the last place is taken, the version is another.
  const requests: [string, object, Record<string, string>][] = [
    ['/v1/certificates', { principal_id: 'worker-1', csr_pem }, {}],
    ['/v1/principals/worker-1/suspend', { reason: 'x' }, { 'if-match': '"1"' }],
  ]
  for (const [path, body, headers] of requests) {
    // The loser finds no kept answer, and reads what it plans from when the winner is done.
    let reads = 0
    const waiting = Promise.withResolvers<void>()
    proxy.decide = (operation) => {
      if (operation !== 'GetItem' || reads++ === 0) return { kind: 'pass' }
      waiting.resolve()
      return { kind: 'slow', milliseconds: 1500 }
    }
    const losing = slow.post(path, body, { key: 'k', headers })
    await waiting.promise
    const winner = await plane.admin.post(path, body, { key: 'k', headers })
    const loser = await losing
    t.ok(winner.status < 300, JSON.stringify(winner.body))
    t.same([loser.status, loser.body], [winner.status, winner.body], path)
    t.equal(loser.headers['idempotency-replayed'], 'true')
  }
  t.same(await findBreaches(plane.store.store), [])
})

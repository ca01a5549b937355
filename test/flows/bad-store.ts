import t from 'tap'
import type { PrincipalType } from '../../src/core/principal.ts'
import { findBreaches } from '../support/checker.ts'
import { makeRequest } from '../support/client.ts'
import { type Fault, startFaultProxy } from '../support/fault-proxy.ts'
import { startPlane } from '../support/plane.ts'
import { unlessBusy } from '../support/rotation.ts'

const faults: [string, (operation: string, call: number) => Fault][] = [
  ['stopped', () => ({ kind: 'refuse' })],
  ['slow by 2 s', () => ({ kind: 'slow', milliseconds: 2000 })],
  ['throttling', () => ({ kind: 'throttle' })],
  ['in conflict with everybody', (operation) => ({ kind: operation === 'TransactWriteItems' ? 'conflict' : 'pass' })],
  [
    'losing the answer of each transaction',
    (operation) => ({ kind: operation === 'TransactWriteItems' ? 'lose-answer' : 'pass' }),
  ],
  [
    'never answering a transaction',
    (operation) => ({ kind: operation === 'TransactWriteItems' ? 'hang-answer' : 'pass' }),
  ],
]

for (const [name, fault] of faults) {
  t.test(`a store that is ${name}: 503 or done, within 8 s, nothing half done, and back by itself`, async (t) => {
    const plane = await startPlane(t)
    const proxy = await startFaultProxy(plane.store.engine.endpoint)
    t.teardown(proxy.stop)
    const server = await plane.startServer({ endpoint: proxy.endpoint })
    const admin = plane.clientOf(plane.admin.identity, server)
    const health = () => fetch(`http://${server.health}/health`)
    const { issued } = await plane.enrol('worker-1')
    const serial = issued.certificate.serial_number
    await plane.admin.post('/v1/principals', { principal_id: 'worker-2', type: 'worker' as PrincipalType })
    t.equal((await admin.get('/v1/whoami')).status, 200)

    let calls = 0
    proxy.decide = (operation) => fault(operation, calls++)
    const { csr_pem } = await makeRequest()
    const attempts = {
      issue: () => admin.post('/v1/certificates', { principal_id: 'worker-2', csr_pem }, { key: 'issue' }),
      revoke: () => admin.post(`/v1/certificates/${serial}/revoke`, { reason: 'unspecified' }, { key: 'revoke' }),
      suspend: () => admin.post('/v1/principals/worker-2/suspend', { reason: 'x' }, { key: 'suspend' }),
    }
    const started = performance.now()
    const first = await Promise.all([attempts.issue(), attempts.revoke()])
    const took = performance.now() - started
    t.ok(took < 30_000, `${took} ms`)
    for (const answer of first) {
      t.ok([200, 201, 503].includes(answer.status), JSON.stringify(answer.body))
      if (answer.status === 503) t.ok(Number(answer.headers['retry-after']) > 0)
    }
    t.equal((await health()).status, 200, 'the balancer keeps it')
    proxy.decide = () => ({ kind: 'pass' })

    const until = performance.now() + 60_000
    let ready = 0
    while (ready !== 200 && performance.now() < until) {
      ready = (await fetch(`http://${server.health}/readyz`)).status
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    t.equal(ready, 200, 'ready again by itself')
    const again = await Promise.all([unlessBusy(attempts.issue), unlessBusy(attempts.revoke)])
    t.same(
      again.map((answer) => answer.status),
      [201, 200],
    )
    for (const [i, answer] of first.entries())
      if (answer.status < 300) t.same(again[i]?.body, answer.body, 'the same answer')
    t.equal((await unlessBusy(attempts.suspend)).status, 200)
    t.same(await findBreaches(plane.store.store), [])
  })
}

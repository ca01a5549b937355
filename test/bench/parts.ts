import t from 'tap'
import { partsOf } from '../../bench/load/parts.ts'
import type { Plan } from '../../bench/load/plan.ts'

/** `requests` by each of so many identities in turn; an identity is told by its key. */
const planOf = (identities: number, requests: number, connections: Plan['connections']): Plan => ({
  address: '127.0.0.1:1',
  ca: '',
  identities: Array.from({ length: identities }, (_, who) => ({ certificate: '', key: String(who) })),
  jobs: Array.from({ length: identities * requests }, (_, turn) => ({
    who: turn % identities,
    request: `${turn % identities}`,
  })),
  connections,
  inFlight: 4,
  expect: 200,
})

t.test('a plan with few connections, or with fresh ones, is one part', async (t) => {
  for (const plan of [planOf(64, 3, 'kept'), planOf(2000, 1, 'fresh'), planOf(0, 1, 'kept')])
    t.strictSame(partsOf(plan), [plan])
})

t.test('thousands of connections are opened a few at a time, and nothing is lost or asked by another', async (t) => {
  for (const requests of [1, 3]) {
    const parts = partsOf(planOf(2000, requests, 'kept'))
    t.equal(parts.length, Math.ceil(2000 / 64))
    t.ok(parts.every(({ identities }) => identities.length <= 64))
    const asked = parts.flatMap(({ identities, jobs }) =>
      jobs.map(({ who, request }) => ({ by: identities[who]?.key, request })),
    )
    t.ok(asked.every(({ by, request }) => by === request))
    t.equal(asked.length, 2000 * requests)
    t.equal(new Set(asked.map(({ by }) => by)).size, 2000)
  }
})

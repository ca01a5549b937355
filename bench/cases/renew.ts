import { makeRequest } from '../../test/support/client.ts'
import { type Plan, postRequest } from '../load/plan.ts'
import { inParallel, upTo } from '../support/parallel.ts'
import type { PathCase, PlanOn } from '../support/path.ts'

/** Each certificate is renewed once, by its holder, with a new key. */
const renewal = (name: string, what: string, connections: Plan['connections']): PathCase => ({
  name,
  what,
  size: { quick: { n: 60, warmUp: 60, inFlight: 4 }, full: { n: 400, warmUp: 2000, inFlight: 4 } },
  prepare: async (stage, { n, warmUp, inFlight }, runs) => {
    const holders = await stage.members(warmUp + runs * n)
    const requests = await inParallel(holders, 8, async () =>
      postRequest('/v1/renewals', { csr_pem: (await makeRequest()).csr_pem }),
    )
    const plan = (count: number): PlanOn => {
      const [by, texts] = [holders.splice(0, count), requests.splice(0, count)]
      return ({ mtls }) => ({
        address: mtls,
        ca: stage.authority.root_pem,
        identities: by.map(({ identity }) => identity),
        jobs: texts.map((request, who) => ({ who, request })),
        connections,
        inFlight,
        expect: 201,
      })
    }
    return { warmUp: plan(warmUp), runs: upTo(runs).map(() => plan(n)) }
  },
})

export const renewFresh = renewal('renew-fresh', 'full handshake and renewal, by a certificate never seen', 'fresh')
export const renewKept = renewal('renew-kept', 'renewal on an open connection, the first request on it', 'kept')

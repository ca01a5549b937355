import { makeRequest } from '../../test/support/client.ts'
import { postRequest } from '../load/plan.ts'
import { inParallel, upTo } from '../support/parallel.ts'
import type { PathCase, PlanOn } from '../support/path.ts'
import type { Member, Stage } from '../support/stage.ts'

const certificatesPerPrincipal = 3

/** One POST for each of the bodies, by admins in turn, on connections that are kept. */
export const postsBy =
  (stage: Stage, by: Member[], posts: { path: string; body: unknown }[], inFlight: number, expect: number): PlanOn =>
  ({ mtls }) => ({
    address: mtls,
    ca: stage.authority.root_pem,
    identities: by.map(({ identity }) => identity),
    jobs: posts.map(({ path, body }, turn) => ({ who: turn % by.length, request: postRequest(path, body) })),
    connections: 'kept',
    inFlight,
    expect,
  })

/** A store that was kept from another time has principals of that time. */
const nameOfFleet = () => `issue-${Date.now().toString(36)}-${fleets++}`
let fleets = 0

export const issue: PathCase = {
  name: 'issue',
  what: 'CSR in, rows committed, certificate out; by admins on kept connections',
  size: { quick: { n: 200, warmUp: 200, inFlight: 8 }, full: { n: 800, warmUp: 2000, inFlight: 8 } },
  prepare: async (stage, { n, warmUp, inFlight }, runs) => {
    const by = await stage.admins()
    const total = warmUp + runs * n
    const fleet = nameOfFleet()
    const targets = await stage.prepare((verbs, request) =>
      inParallel(upTo(Math.ceil(total / certificatesPerPrincipal)), 8, async (index) => {
        const principal_id = `${fleet}-${index}`
        await verbs.createPrincipal(request, { principal_id, type: 'worker' })
        return principal_id
      }),
    )
    const posts = await inParallel(upTo(total), 8, async (index) => ({
      path: '/v1/certificates',
      body: { principal_id: targets[index % targets.length], csr_pem: (await makeRequest()).csr_pem },
    }))
    const plan = (count: number) => postsBy(stage, by, posts.splice(0, count), inFlight, 201)
    return { warmUp: plan(warmUp), runs: upTo(runs).map(() => plan(n)) }
  },
}

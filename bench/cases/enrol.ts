import { makeRequest } from '../../test/support/client.ts'
import { postRequest } from '../load/plan.ts'
import { inParallel, upTo } from '../support/parallel.ts'
import type { PathCase, PlanOn } from '../support/path.ts'

export const enrol: PathCase = {
  name: 'enrol',
  what: 'a machine joins by a token of its own: TLS handshake, proof, principal and certificate committed',
  size: { quick: { n: 60, warmUp: 60, inFlight: 4 }, full: { n: 400, warmUp: 2000, inFlight: 4 } },
  prepare: async (stage, { n, warmUp, inFlight }, runs) => {
    const requests = await stage.prepare((verbs, request) =>
      inParallel(upTo(warmUp + runs * n), 8, async () => {
        const { join_token } = await verbs.createJoinToken(request, { principal_type: 'worker' })
        const { csr_pem } = await makeRequest()
        return postRequest('/v1/enrollments', { method: 'token', join_token, csr_pem })
      }),
    )
    const plan = (count: number): PlanOn => {
      const texts = requests.splice(0, count)
      return ({ enroll }) => ({
        address: enroll,
        ca: stage.authority.root_pem,
        // One for each lane, so that they do not wait for each other.
        identities: texts.map(() => undefined),
        jobs: texts.map((request, who) => ({ who, request })),
        connections: 'fresh',
        inFlight,
        expect: 201,
      })
    }
    return { warmUp: plan(warmUp), runs: upTo(runs).map(() => plan(n)) }
  },
}

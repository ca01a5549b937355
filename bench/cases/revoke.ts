import { upTo } from '../support/parallel.ts'
import type { PathCase } from '../support/path.ts'
import { postsBy } from './issue.ts'

export const revoke: PathCase = {
  name: 'revoke',
  what: 'one certificate revoked, committed to the registry; by admins on kept connections',
  size: { quick: { n: 60, warmUp: 60, inFlight: 8 }, full: { n: 400, warmUp: 2000, inFlight: 8 } },
  prepare: async (stage, { n, warmUp, inFlight }, runs) => {
    const by = await stage.admins()
    const holders = await stage.members(warmUp + runs * n)
    const posts = holders.map(({ serial_number }) => ({
      path: `/v1/certificates/${serial_number}/revoke`,
      body: { reason: 'superseded' },
    }))
    const plan = (count: number) => postsBy(stage, by, posts.splice(0, count), inFlight, 200)
    return { warmUp: plan(warmUp), runs: upTo(runs).map(() => plan(n)) }
  },
}

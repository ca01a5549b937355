import { upTo } from '../support/parallel.ts'
import type { PathCase } from '../support/path.ts'
import { whoamiBy } from './handshake.ts'

export const keepAlive: PathCase = {
  name: 'keep-alive',
  what: 'whoami on an open connection, 200 principals with one each',
  // At most 50 for each principal in one run: the limit of its rate is never reached.
  size: { quick: { n: 4000, warmUp: 4000, inFlight: 8 }, full: { n: 10_000, warmUp: 10_000, inFlight: 8 } },
  prepare: async (stage, { n, warmUp, inFlight }, runs) => {
    const members = await stage.crowd()
    const plan = (count: number) => whoamiBy(stage, members, count, 'kept', inFlight)
    return { warmUp: plan(warmUp), runs: upTo(runs).map(() => plan(n)) }
  },
}

import { getRequest, type Plan } from '../load/plan.ts'
import { upTo } from '../support/parallel.ts'
import type { PathCase, PlanOn } from '../support/path.ts'
import type { Member, Stage } from '../support/stage.ts'

/** Whoami by each of the members in turn. */
export const whoamiBy =
  (stage: Stage, members: Member[], n: number, connections: Plan['connections'], inFlight: number): PlanOn =>
  ({ mtls }) => ({
    address: mtls,
    ca: stage.authority.root_pem,
    identities: members.map(({ identity }) => identity),
    jobs: upTo(n).map((turn) => ({ who: turn % members.length, request: getRequest('/v1/whoami') })),
    connections,
    inFlight,
    expect: 200,
  })

export const handshake: PathCase = {
  name: 'handshake',
  what: 'full mTLS handshake + whoami, by a certificate that this server saw less than 45 s ago',
  size: { quick: { n: 200, warmUp: 200, inFlight: 4 }, full: { n: 1000, warmUp: 2000, inFlight: 4 } },
  prepare: async (stage, { n, warmUp, inFlight }, runs) => {
    const members = await stage.crowd()
    const plan = (count: number) => whoamiBy(stage, members, count, 'fresh', inFlight)
    return { warmUp: plan(warmUp), runs: upTo(runs).map(() => plan(n)) }
  },
}

export const firstHandshake: PathCase = {
  name: 'handshake-unseen',
  what: 'full mTLS handshake + whoami, by a certificate that this server never saw: its rows are read',
  size: { quick: { n: 60, warmUp: 30, inFlight: 4 }, full: { n: 300, warmUp: 200, inFlight: 4 } },
  prepare: async (stage, { n, warmUp, inFlight }, runs) => {
    const unseen = await stage.members(warmUp + runs * n)
    const plan = (count: number) => whoamiBy(stage, unseen.splice(0, count), count, 'fresh', inFlight)
    return { warmUp: plan(warmUp), runs: upTo(runs).map(() => plan(n)) }
  },
}

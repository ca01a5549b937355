import { getRequest, type Plan } from '../load/plan.ts'
import { upTo } from '../support/parallel.ts'
import type { Member } from '../support/stage.ts'
import type { Bout, Contender } from './contender.ts'

/** The plans of a server that knows no more than to answer: handshakes and requests on open connections. */
export const floorPlans = (
  { sizes, runs, stage }: Bout,
  address: string,
  members: Member[],
  path = '/',
): Contender['plans'] => {
  const plan = (connections: Plan['connections'], count: number, inFlight: number): Plan => ({
    address,
    ca: stage.authority.root_pem,
    identities: members.map(({ identity }) => identity),
    jobs: upTo(count).map((turn) => ({ who: turn % members.length, request: getRequest(path) })),
    connections,
    inFlight,
    expect: 200,
  })
  const plans = (connections: Plan['connections'], { n, warmUp, inFlight }: Bout['sizes']['handshake']) => ({
    warmUp: plan(connections, warmUp, inFlight),
    runs: upTo(runs).map(() => plan(connections, n, inFlight)),
  })
  return { handshake: plans('fresh', sizes.handshake), 'keep-alive': plans('kept', sizes['keep-alive']) }
}

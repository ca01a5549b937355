import { isLive } from '../../core/agent.ts'
import { timeOfId } from '../../core/ids.ts'
import type { Clock } from '../../core/time.ts'
import type { Leases } from '../../store/leases.ts'

/** Ids of the live servers that sign and were started before a moment: their id says when. */
export const startedBefore =
  (leases: Pick<Leases, 'all'>, clock: Clock) =>
  async (at: number): Promise<string[]> =>
    [...(await leases.all()).values()]
      .filter((lease) => isLive(lease, clock()) && lease.verifies_only !== true && timeOfId(lease.server_id) < at)
      .map(({ server_id }) => server_id)

import { randomUUID } from 'node:crypto'
import { timeOrderedId } from '../core/ids.ts'
import { endOfLineage, type PrincipalRecord } from '../core/principal.ts'
import { hour, second } from '../core/time.ts'
import { withDeadline } from '../store/deadline.ts'
import type { Departure } from '../store/departures.ts'
import type { Registry } from '../store/registry.ts'

export interface RemoveDepartedDeps {
  registry: Pick<Registry, 'principals' | 'departures' | 'workLeases' | 'commit'>
  clock: () => number
  onFailure: (error: unknown) => void
}

/** A server that does not come back for so long has crashed. Milliseconds. */
const leaseTime = 60 * second

/** One that is suspended when its time has come is looked at again after so long. Milliseconds. */
const suspendedFor = 1 * hour

/** When nothing that a principal holds is good any more, Unix milliseconds. */
const endOf = (principal: PrincipalRecord): number =>
  Math.max(principal.updated_at, ...Object.values(principal.active_serials).map(endOfLineage))

/**
 * Deletes principals of tasks and runs that are over, one server at a time. One that has renewed or rejoined since is looked
 * at again when its new certificate has ended; one that is suspended is left to who suspended it, and looked at again later.
 */
export const makeRemoveDeparted = ({ registry, clock, onFailure }: RemoveDepartedDeps) => {
  const owner = randomUUID()

  const lookAt = async (departure: Departure): Promise<void> => {
    const { principal_id, delete_after_expiry_seconds } = departure
    // Nothing is left to revoke: all that it held has expired, or was revoked before.
    const stays = await registry.commit<PrincipalRecord | undefined>({
      attribution: { actor: 'system', request_id: timeOrderedId(clock()), remote_address: 'local' },
      exclusive: `principal:${principal_id}`,
      plan: async () => {
        const principal = await registry.principals.get(principal_id)
        const now = clock()
        if (principal === undefined || principal.status === 'deleted') return { unchanged: undefined }
        if (principal.status === 'suspended') return { unchanged: principal }
        if (endOf(principal) + delete_after_expiry_seconds * second > now) return { unchanged: principal }
        const set = { status: 'deleted' as const, active_serials: {}, updated_at: now, version: principal.version + 1 }
        return {
          writes: [{ item: registry.principals.change(principal, set) }],
          events: [
            {
              action: 'principal.delete',
              target: principal_id,
              before: { status: principal.status },
              after: { status: 'deleted', delete_after_expiry_seconds },
            },
          ],
          changes: [{ type: 'principal_deleted', principal_id }],
          answer: undefined,
        }
      },
    })
    if (stays === undefined) await registry.departures.drop(departure)
    else {
      const due = endOf(stays) + delete_after_expiry_seconds * second
      await registry.departures.move(departure, stays.status === 'active' ? due : Math.max(due, clock() + suspendedFor))
    }
  }

  return {
    /** Looks at what is due, at most 100; what fails now is looked at again at the next call. */
    run: async (): Promise<void> => {
      const now = clock()
      if (!(await registry.workLeases.take('departures', owner, now, now + leaseTime))) return
      for (const departure of await registry.departures.due(now))
        await withDeadline(5 * second, () => lookAt(departure)).catch(onFailure)
    },
  }
}

import type { AuthorityRecord, StoredAuthorities } from '../../core/authority.ts'
import { isControlError } from '../../core/errors.ts'
import { timeOrderedId } from '../../core/ids.ts'
import { type AuthorityDeps, exclusive, unwritten, writesOf } from './deps.ts'
import { signingServers } from './stragglers.ts'

type AdoptDeps = Pick<AuthorityDeps, 'registry' | 'trust' | 'clock'>

/**
 * Writes down which issuer signs, when nobody has: the one that the configuration names first, as before there was a
 * rotation. Of several servers that start at once, one writes, and the others go by it. What was taken over so is replaced
 * by another of the configuration once no running server signs with it any more; what an admin has activated never is.
 */
export const makeAdoptIssuer = ({ registry, trust, clock }: AdoptDeps) => {
  const mayReplace = async ({ active }: StoredAuthorities, issuerId: string): Promise<boolean> => {
    if (active === undefined) return true
    if (active.adopted !== true || active.issuer_id === issuerId) return false
    const servers = signingServers(await registry.leases.all(), clock())
    return servers.every((lease) => lease.issuer_keys !== undefined && lease.signs_with !== active.issuer_id)
  }

  return async (): Promise<void> => {
    const issuer = trust().active?.issuer
    if (issuer === undefined) return
    const { issuer_id } = issuer
    try {
      await registry.commit<undefined>({
        attribution: { actor: 'system', request_id: timeOrderedId(clock()), remote_address: 'local' },
        exclusive,
        plan: async () => {
          const stored = await registry.authorities.read()
          if (!(await mayReplace(stored, issuer_id))) return { unchanged: undefined }
          const recordOf = (id: string | undefined) => stored.issuers.find((record) => record.issuer_id === id)
          const now = clock()
          const read = recordOf(issuer_id) ?? unwritten(issuer)
          const former = recordOf(stored.active?.issuer_id)
          const changes: [AuthorityRecord, AuthorityRecord][] = [
            [read, { ...read, state: 'active', activated_at: now, version: read.version + 1 }],
          ]
          if (former !== undefined)
            changes.push([former, { ...former, state: 'prepared', deactivated_at: now, version: former.version + 1 }])
          return {
            writes: writesOf({ registry }, stored, changes, { issuer_id, adopted: true }),
            events: [
              {
                action: 'authority.activate',
                target: issuer_id,
                after: { state: 'active', from: 'configuration', ...(former && { replaces: former.issuer_id }) },
              },
              ...(former === undefined
                ? []
                : [
                    {
                      action: 'authority.deactivate',
                      target: former.issuer_id,
                      before: { state: 'active' },
                      after: { state: 'prepared', replaced_by: issuer_id },
                    },
                  ]),
            ],
            changes: [{ type: 'authorities_changed' }],
            answer: undefined,
          }
        },
      })
    } catch (error) {
      // The next look writes it down.
      if (!isControlError(error, 'store_unavailable')) throw error
    }
  }
}

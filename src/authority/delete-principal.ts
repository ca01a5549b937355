import type { PrincipalRecord } from '../core/principal.ts'
import type { Registry } from '../store/registry.ts'
import { type Principal, renderPrincipal } from '../wire/principals.ts'
import { planAdmins } from './last-admin.ts'
import type { CallerRequest } from './request.ts'
import { isFullyRevoked, makeRevokeRest, planRevoked, revokedAtOnce } from './revoking.ts'
import { readExpected } from './update-principal.ts'

export interface DeletePrincipalDeps {
  registry: Pick<Registry, 'principals' | 'certificates' | 'crl' | 'keys' | 'admins' | 'commit'>
  clock: () => number
}

/**
 * Deletes a principal softly: its id is never given out again and all its certificates are revoked. Done again, it ends
 * what a crash has left.
 */
export const makeDeletePrincipal = ({ registry, clock }: DeletePrincipalDeps) => {
  const revokeRest = makeRevokeRest({ registry, clock })
  return async (request: CallerRequest, principalId: string): Promise<Principal> => {
    const { attribution } = request
    // 1. One transaction: the status, by which everything it holds is refused, and the certificates of its places, newest
    //    first. A crash after it leaves certificates unrevoked that are refused because of the status.
    const answer = await registry.commit<Principal>({
      attribution,
      exclusive: `principal:${principalId}`,
      plan: async () => {
        const principal = await readExpected(registry, principalId)
        const now = clock()
        if (principal.status === 'deleted') return { unchanged: renderPrincipal(principal, now) }
        const held = Object.entries(principal.active_serials)
          .flatMap(([serial, lineage]) => (lineage.successor === undefined ? [serial] : [lineage.successor, serial]))
          .slice(0, revokedAtOnce)
        const rows = (await registry.certificates.getMany(held)).filter((row) => !isFullyRevoked(row))
        const set = { status: 'deleted' as const, active_serials: {}, updated_at: now, version: principal.version + 1 }
        const after: PrincipalRecord = { ...principal, ...set }
        const others = [
          { item: registry.principals.change(principal, set) },
          ...(await planAdmins(registry, [after], now)),
        ]
        const revoked = planRevoked(registry, rows, 'cessation_of_operation', now, others)
        return {
          writes: revoked.writes,
          events: [
            {
              action: 'principal.delete',
              target: principalId,
              before: { status: principal.status },
              after: { status: 'deleted' },
            },
            ...revoked.events,
          ],
          changes: [{ type: 'principal_deleted', principal_id: principalId }, ...revoked.changes],
          answer: renderPrincipal(after, now),
        }
      },
    })
    // 2. Whatever else there is of it: superseded and older ones. A crash leaves some; the next call goes on.
    await revokeRest(attribution, principalId, 'cessation_of_operation', 0, () => true)
    return answer
  }
}

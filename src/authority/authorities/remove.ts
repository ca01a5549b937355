import type { AuthorityRecord } from '../../core/authority.ts'
import { ControlError } from '../../core/errors.ts'
import { hour, second } from '../../core/time.ts'
import { writeTimeout } from '../../store/client.ts'
import { largestSkew } from '../../store/feed.ts'
import type { Authority, RemoveAuthority } from '../../wire/authorities.ts'
import type { CallerRequest } from '../request.ts'
import { activeCertificates, holdersOf } from './active-certificates.ts'
import {
  type AuthorityDeps,
  demandReason,
  exclusive,
  forcedBy,
  namedStragglers,
  notReady,
  withoutOffice,
  writesOf,
} from './deps.ts'
import { renderIssuer } from './render.ts'
import { demandUnused, type Leases, unawareServers } from './stragglers.ts'

export interface RemoveAuthorityDeps extends AuthorityDeps {
  /** Makes an issuer's last CRL, in the background; asked again for one that is there, does nothing. */
  lastCrl: (issuerId: string) => void
  /** How long after an issuer was replaced a certificate of it may still be committed, milliseconds. */
  latecomers?: number | undefined
}

/** What a server knows of the issuers, when it signs and again when it commits, is no older than this. Milliseconds. */
export const issuingAge = 5 * second
/** By then every commit that began in the belief that the issuer signs has ended; clocks differ to both sides. */
const defaultLatecomers = issuingAge + writeTimeout + 2 * largestSkew
/** As the guard of the last admin has it. Milliseconds. */
const mustOutlive = hour

/**
 * Ends all trust in an issuer: whatever it has signed is refused from the next request on. Refused while certificates of it
 * are in use, unless forced, and always when no admin would be left with a certificate of another issuer.
 */
export const makeRemoveAuthority = (deps: RemoveAuthorityDeps) => {
  const { registry, trust, refresh, clock, latecomers = defaultLatecomers } = deps

  /** Throws when none of the admins could come in any more. */
  const demandAdmin = async (issuerId: string, now: number) => {
    const read = await registry.admins.get()
    const { issuers } = trust()
    const trusted = new Set(issuers.map(({ issuer_id }) => issuer_id).filter((id) => id !== issuerId))
    for (const principalId of Object.keys(read.admins)) {
      const principal = await registry.principals.get(principalId)
      if (principal?.status !== 'active') continue
      const rows = await registry.certificates.getMany(Object.keys(principal.active_serials))
      if (rows.some((row) => !row.revoked && row.expires_at > now + mustOutlive && trusted.has(row.issuer_id)))
        // Whoever takes rights from an admin at the same time is decided by the same item.
        return { item: registry.admins.replace(read, read.admins) }
    }
    throw new ControlError(
      'last_admin',
      'no admin would be left with a certificate of another issuer, good for another hour: renew one first',
    )
  }

  const demandReady = async (
    read: AuthorityRecord,
    { force }: RemoveAuthority,
    { leases, replacedAt, now }: { leases: Leases; replacedAt: number; now: number },
  ): Promise<void> => {
    if (force) return
    const unaware = unawareServers(leases, now)
    if (unaware.length > 0) throw notReady(unaware, 'may go on signing with this issuer')
    const wait = Math.max(read.deactivated_at ?? 0, replacedAt) + latecomers - now
    if (wait > 0)
      throw new ControlError(
        'rotation_not_ready',
        `certificates of this issuer may still be on their way: try again in ${Math.ceil(wait / second)} s`,
      )
    const { found, complete } = await activeCertificates(deps, read.issuer_id, namedStragglers)
    if (found.length === 0 && complete) return
    const what = 'with active certificates of this issuer: let them renew, or revoke them'
    if (found.length > 0) throw notReady(holdersOf(found), complete ? what : `and more ${what}`)
    throw new ControlError(
      'rotation_not_ready',
      'there are too many certificates to look through: see that none of this issuer are active, then force it',
    )
  }

  return async (request: CallerRequest, issuerId: string, body: RemoveAuthority): Promise<Authority> => {
    demandReason(body)
    await refresh()
    const answer = await registry.commit({
      attribution: request.attribution,
      once: request.once,
      exclusive,
      plan: async () => {
        const stored = await registry.authorities.read()
        const { roots } = trust()
        const { read, signing, state } = withoutOffice(stored, trust(), issuerId)
        if (state === 'removed') return { unchanged: renderIssuer(read, signing, roots) }
        const now = clock()
        // 1. Who would be locked out. Nothing is written.
        const leases = await registry.leases.all()
        demandUnused(leases, stored, issuerId, now)
        const successor = stored.issuers.find(({ issuer_id }) => issuer_id === stored.active?.issuer_id)
        await demandReady(read, body, { leases, replacedAt: successor?.activated_at ?? 0, now })
        const admin = await demandAdmin(issuerId, now)
        // 2. One transaction. A crash after it leaves the last CRL to be made, which the next call asks for again.
        const after: AuthorityRecord = { ...read, state: 'removed', removed_at: now, version: read.version + 1 }
        return {
          writes: [...writesOf(deps, stored, [[read, after]]), admin],
          events: [
            {
              action: 'authority.remove',
              target: issuerId,
              before: { state },
              after: { state: 'removed', ...forcedBy(body) },
            },
          ],
          changes: [{ type: 'authorities_changed' }],
          answer: renderIssuer(after, signing, roots),
        }
      },
    })
    deps.lastCrl(issuerId)
    return answer
  }
}

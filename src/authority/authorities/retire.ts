import type { AuthorityRecord } from '../../core/authority.ts'
import { ControlError } from '../../core/errors.ts'
import { hour, second } from '../../core/time.ts'
import type { Authority, RetireAuthority } from '../../wire/authorities.ts'
import type { CallerRequest } from '../request.ts'
import { type AuthorityDeps, demandReason, exclusive, forcedBy, notReady, withoutOffice, writesOf } from './deps.ts'
import { renderIssuer } from './render.ts'
import { demandUnused, unawareServers } from './stragglers.ts'

/** Over which holders are asked to renew when nobody says otherwise. Milliseconds. */
const usualWindow = hour

/** Ends an issuer's time: it signs no leaves, and who holds one of its certificates is asked to renew. */
export const makeRetireAuthority =
  (deps: AuthorityDeps) =>
  async (request: CallerRequest, issuerId: string, body: RetireAuthority): Promise<Authority> => {
    const { registry, trust, refresh, clock } = deps
    demandReason(body)
    await refresh()
    return registry.commit({
      attribution: request.attribution,
      once: request.once,
      exclusive,
      plan: async () => {
        const stored = await registry.authorities.read()
        const { roots } = trust()
        const { read, signing, state } = withoutOffice(stored, trust(), issuerId)
        if (state === 'retired') return { unchanged: renderIssuer(read, signing, roots) }
        if (state === 'removed') throw new ControlError('invalid_transition', 'the issuer is removed')
        const now = clock()
        const leases = await registry.leases.all()
        demandUnused(leases, stored, issuerId, now)
        const unaware = unawareServers(leases, now)
        if (unaware.length > 0 && !body.force) throw notReady(unaware, 'may go on signing with this issuer')

        const window = (body.renew_within_seconds ?? usualWindow / second) * second
        const after: AuthorityRecord = {
          ...read,
          state: 'retired',
          retired_at: now,
          renew_until: now + window,
          version: read.version + 1,
        }
        return {
          writes: writesOf(deps, stored, [[read, after]]),
          events: [
            {
              action: 'authority.retire',
              target: issuerId,
              before: { state },
              after: { state: 'retired', renew_within_seconds: window / second, ...forcedBy(body) },
            },
          ],
          changes: [
            { type: 'authorities_changed' },
            { type: 'issuer_retired', issuer_id: issuerId, renew_until: now + window },
          ],
          answer: renderIssuer(after, signing, roots),
        }
      },
    })
  }

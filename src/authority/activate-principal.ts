import { ControlError } from '../core/errors.ts'
import type { PrincipalRecord } from '../core/principal.ts'
import { type Principal, renderPrincipal } from '../wire/principals.ts'
import { planAdmins } from './last-admin.ts'
import type { CallerRequest } from './request.ts'
import { type ChangePrincipalDeps, type Expected, readExpected } from './update-principal.ts'

/** Gives a suspended principal its rights back, and lets it rejoin. Of an active one it changes nothing. */
export const makeActivatePrincipal =
  ({ registry, clock }: ChangePrincipalDeps) =>
  (request: CallerRequest, principalId: string, expected: Expected): Promise<Principal> =>
    registry.commit({
      attribution: request.attribution,
      once: request.once,
      exclusive: `principal:${principalId}`,
      plan: async () => {
        const principal = await readExpected(registry, principalId, expected)
        const now = clock()
        if (principal.status === 'deleted')
          throw new ControlError('invalid_transition', 'the principal is deleted for good: create another')
        if (principal.status === 'active' && !principal.rejoin_blocked)
          return { unchanged: renderPrincipal(principal, now) }
        const { suspended_at: _at, suspended_reason: _reason, ...rest } = principal
        const set = {
          status: 'active' as const,
          rejoin_blocked: false,
          updated_at: now,
          version: principal.version + 1,
        }
        const after: PrincipalRecord = { ...rest, ...set }
        return {
          writes: [
            { item: registry.principals.change(principal, set, ['suspended_at', 'suspended_reason']) },
            ...(await planAdmins(registry, [after], now)),
          ],
          events: [
            {
              action: 'principal.activate',
              target: principalId,
              before: { status: principal.status, rejoin_blocked: principal.rejoin_blocked },
              after: { status: 'active', rejoin_blocked: false },
            },
          ],
          changes: [{ type: 'principal_activated', principal_id: principalId }],
          answer: renderPrincipal(after, now),
        }
      },
    })

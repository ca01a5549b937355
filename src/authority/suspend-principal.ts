import { ControlError } from '../core/errors.ts'
import type { PrincipalRecord } from '../core/principal.ts'
import { type Principal, renderPrincipal, type SuspendPrincipal } from '../wire/principals.ts'
import { planAdmins } from './last-admin.ts'
import type { CallerRequest } from './request.ts'
import { type ChangePrincipalDeps, type Expected, readExpected } from './update-principal.ts'

/** Takes a principal's rights away until it is activated: every connection of it is cut. Done again, changes nothing. */
export const makeSuspendPrincipal =
  ({ registry, clock }: ChangePrincipalDeps) =>
  (request: CallerRequest, principalId: string, body: SuspendPrincipal, expected: Expected): Promise<Principal> =>
    registry.commit({
      attribution: request.attribution,
      once: request.once,
      exclusive: `principal:${principalId}`,
      plan: async () => {
        const principal = await readExpected(registry, principalId, expected)
        const now = clock()
        if (principal.status === 'deleted')
          throw new ControlError('invalid_transition', 'the principal is deleted: it has no rights to suspend')
        // By an operator's hand alone it is not complete: no server was told, and the list of admins has it still.
        if (principal.status === 'suspended' && principal.suspended_at !== undefined)
          return { unchanged: renderPrincipal(principal, now) }
        const set = {
          status: 'suspended' as const,
          suspended_at: now,
          suspended_reason: body.reason,
          updated_at: now,
          version: principal.version + 1,
        }
        const after: PrincipalRecord = { ...principal, ...set }
        return {
          writes: [{ item: registry.principals.change(principal, set) }, ...(await planAdmins(registry, [after], now))],
          events: [
            {
              action: 'principal.suspend',
              target: principalId,
              before: { status: principal.status },
              after: { status: 'suspended', suspended_reason: body.reason },
            },
          ],
          changes: [{ type: 'principal_suspended', principal_id: principalId }],
          answer: renderPrincipal(after, now),
        }
      },
    })

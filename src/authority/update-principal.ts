import { ControlError } from '../core/errors.ts'
import { defaultMaxCertificates, type PrincipalRecord } from '../core/principal.ts'
import type { Registry } from '../store/registry.ts'
import { type Principal, renderPrincipal, type UpdatePrincipal } from '../wire/principals.ts'
import type { CallerRequest } from './request.ts'

export interface ChangePrincipalDeps {
  registry: Pick<Registry, 'principals' | 'admins' | 'commit'>
  clock: () => number
}

/** The version of `If-Match`, when the caller sent one. */
export interface Expected {
  version?: number
}

/** Reads the row that a verb wants to change. Throws `not_found`, and `version_mismatch` when the caller saw another. */
export const readExpected = async (
  registry: Pick<Registry, 'principals'>,
  principalId: string,
  expected: Expected = {},
): Promise<PrincipalRecord> => {
  const principal = await registry.principals.get(principalId)
  if (principal === undefined) throw new ControlError('not_found', 'there is no principal of this id')
  if (expected.version !== undefined && expected.version !== principal.version)
    throw new ControlError(
      'version_mismatch',
      `the principal is at version ${principal.version}: read it again, then decide`,
    )
  return principal
}

const nullable = ['email', 'description', 'max_certificates', 'metadata'] as const

/** Changes what an operator may change of a principal; `null` clears. A lower max_certificates revokes nothing. */
export const makeUpdatePrincipal =
  ({ registry, clock }: ChangePrincipalDeps) =>
  (request: CallerRequest, principalId: string, body: UpdatePrincipal, expected: Expected): Promise<Principal> =>
    registry.commit({
      attribution: request.attribution,
      once: request.once,
      exclusive: `principal:${principalId}`,
      plan: async () => {
        const principal = await readExpected(registry, principalId, expected)
        if (principal.status === 'deleted')
          throw new ControlError('invalid_transition', 'the principal is deleted: nothing of it changes any more')
        const now = clock()
        const wanted: Partial<PrincipalRecord> = {}
        const remove: ('email' | 'description')[] = []
        for (const name of nullable) {
          const value = body[name]
          if (value === undefined) continue
          if (value !== null) Object.assign(wanted, { [name]: value })
          else if (name === 'max_certificates') wanted.max_certificates = defaultMaxCertificates
          else if (name === 'metadata') wanted.metadata = {}
          else if (principal[name] !== undefined) remove.push(name)
        }
        const changed = Object.entries(wanted).filter(
          ([name, value]) => JSON.stringify(principal[name as keyof PrincipalRecord]) !== JSON.stringify(value),
        )
        if (changed.length === 0 && remove.length === 0) return { unchanged: renderPrincipal(principal, now) }
        const set = { ...Object.fromEntries(changed), updated_at: now, version: principal.version + 1 }
        const after: PrincipalRecord = { ...principal, ...set }
        for (const name of remove) delete after[name]
        const names = [...changed.map(([name]) => name), ...remove] as (keyof PrincipalRecord)[]
        const fieldsOf = (record: PrincipalRecord) =>
          Object.fromEntries(names.filter((name) => record[name] !== undefined).map((name) => [name, record[name]]))
        return {
          writes: [{ item: registry.principals.change(principal, set, remove) }],
          events: [
            { action: 'principal.update', target: principalId, before: fieldsOf(principal), after: fieldsOf(after) },
          ],
          changes: [{ type: 'principal_updated', principal_id: principalId }],
          answer: renderPrincipal(after, now),
        }
      },
    })

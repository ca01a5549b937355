import { ControlError } from '../core/errors.ts'
import { defaultMaxCertificates, type PrincipalRecord } from '../core/principal.ts'
import type { Registry } from '../store/registry.ts'
import { type CreatePrincipal, type Principal, renderPrincipal } from '../wire/principals.ts'
import type { CallerRequest } from './request.ts'

export interface CreatePrincipalDeps {
  registry: Pick<Registry, 'principals' | 'commit'>
  clock: () => number
}

/** Registers a principal; its id is given out once, ever. Throws `principal_exists`. */
export const makeCreatePrincipal =
  ({ registry, clock }: CreatePrincipalDeps) =>
  (request: Omit<CallerRequest, 'caller'>, body: CreatePrincipal): Promise<Principal> => {
    const now = clock()
    const { actor } = request.attribution
    const record: PrincipalRecord = {
      principal_id: body.principal_id,
      type: body.type,
      status: 'active',
      created_at: now,
      created_by: actor,
      updated_at: now,
      version: 1,
      revision: 1,
      ...(body.email === undefined ? {} : { email: body.email }),
      ...(body.description === undefined ? {} : { description: body.description }),
      max_certificates: body.max_certificates ?? defaultMaxCertificates,
      metadata: body.metadata ?? {},
      rejoins: 0,
      rejoin_blocked: false,
      active_serials: {},
    }
    const exists = () =>
      new ControlError(
        'principal_exists',
        'this principal_id was given out before, if only to one deleted since: choose another',
      )
    return registry.commit({
      attribution: request.attribution,
      once: request.once,
      exclusive: `principal:${body.principal_id}`,
      plan: async () => ({
        writes: [{ item: registry.principals.create(record), refuse: exists }],
        events: [{ action: 'principal.create', target: record.principal_id, after: { type: record.type } }],
        changes: [],
        answer: renderPrincipal(record, now),
      }),
    })
  }

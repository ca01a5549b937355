import { lineageOf } from '../core/certificate.ts'
import { ControlError } from '../core/errors.ts'
import { timeOrderedId } from '../core/ids.ts'
import type { RevocationFilter, RevocationRecord } from '../core/revocation.ts'
import { toRfc3339 } from '../core/time.ts'
import type { Registry } from '../store/registry.ts'
import type { Revocation, StartRevocation } from '../wire/revocations.ts'
import type { CallerRequest } from './request.ts'

export interface StartRevocationDeps {
  registry: Pick<Registry, 'revocations' | 'commit'>
  clock: () => number
}

const completedAt = (at: number | undefined) => (at === undefined ? {} : { completed_at: toRfc3339(at) })

/** For who asked it is completed when nothing was found any more, though latecomers are still watched for. */
const renderRevocation = (record: RevocationRecord): Revocation => ({
  revocation_id: record.revocation_id,
  state: record.quiet_at === undefined ? record.state : 'completed',
  dry_run: record.dry_run,
  reason: record.reason,
  matched: record.matched,
  revoked: record.revoked,
  created_at: toRfc3339(record.created_at),
  created_by: record.created_by,
  ...completedAt(record.quiet_at ?? record.completed_at),
})

/** Registers a mass revocation, which some server then carries out in the background. */
export const makeStartRevocation =
  ({ registry, clock }: StartRevocationDeps) =>
  (request: CallerRequest, body: StartRevocation): Promise<Revocation> => {
    const { principal_id, issuer_id, issued_before, all } = body
    const filter: RevocationFilter = {
      ...(principal_id === undefined ? {} : { principal_id }),
      ...(issuer_id === undefined ? {} : { issuer_id }),
      ...(issued_before === undefined ? {} : { issued_before: Date.parse(issued_before) }),
    }
    if (Object.keys(filter).length === 0 && all !== true)
      throw new ControlError(
        'invalid_request',
        'say which certificates: principal_id, issuer_id, issued_before, or all',
      )
    if (Object.keys(filter).length > 0 && all === true)
      throw new ControlError('invalid_request', 'all goes with no other filter')
    const now = clock()
    const { actor, request_id, remote_address } = request.attribution
    const record: RevocationRecord = {
      revocation_id: timeOrderedId(now),
      state: 'pending',
      filter,
      reason: body.reason,
      dry_run: body.dry_run ?? false,
      created_at: now,
      created_by: actor,
      spared_serial: request.caller.certificate.serial_number,
      spared_lineage: lineageOf(request.caller.certificate),
      request_id,
      remote_address,
      matched: 0,
      revoked: 0,
    }
    return registry.commit({
      attribution: request.attribution,
      once: request.once,
      exclusive: `revocation:${record.revocation_id}`,
      plan: async () => ({
        writes: registry.revocations.create(record).map((item) => ({ item })),
        events: [
          {
            action: 'revocation.start',
            target: record.revocation_id,
            after: { ...filter, ...(all ? { all } : {}), reason: record.reason, dry_run: record.dry_run },
          },
        ],
        changes: [{ type: 'revocation_started', revocation_id: record.revocation_id }],
        answer: renderRevocation(record),
      }),
    })
  }

export const makeGetRevocation =
  ({ registry }: Pick<StartRevocationDeps, 'registry'>) =>
  async (revocationId: string): Promise<Revocation> => {
    const record = await registry.revocations.get(revocationId)
    if (record === undefined) throw new ControlError('not_found', 'there is no revocation of this id')
    return renderRevocation(record)
  }

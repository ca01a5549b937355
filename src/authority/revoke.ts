import { type CertificateRecord, lineageOf } from '../core/certificate.ts'
import { ControlError } from '../core/errors.ts'
import { liveLineages, type PrincipalRecord } from '../core/principal.ts'
import type { Registry } from '../store/registry.ts'
import type { Plan, Write } from '../store/transaction.ts'
import { type Certificate, type RevokeCertificate, renderCertificate } from '../wire/certificates.ts'
import { planAdmins } from './last-admin.ts'
import type { CallerRequest } from './request.ts'
import {
  blocksRejoin,
  distrustEvent,
  fallingWith,
  isBurnt,
  isFullyRevoked,
  makeRevokeRest,
  planBurn,
  planRevoked,
  revokedAtOnce,
  withoutSerials,
} from './revoking.ts'

export interface RevokeDeps {
  registry: Pick<Registry, 'principals' | 'certificates' | 'crl' | 'keys' | 'admins' | 'commit'>
  clock: () => number
}

/** What a revocation changes on the row of the holder, and on the list of admins. */
export const planHolder = async (
  registry: RevokeDeps['registry'],
  holder: PrincipalRecord | undefined,
  gone: CertificateRecord[],
  block: boolean,
  now: number,
): Promise<Write[]> => {
  if (holder === undefined) return []
  const serials = new Set(gone.map((row) => row.serial_number))
  const active_serials = withoutSerials(liveLineages(holder, now), serials)
  return [
    { item: registry.principals.change(holder, { active_serials, ...(block ? { rejoin_blocked: true } : {}) }) },
    ...(await planAdmins(registry, [{ ...holder, active_serials }], now)),
  ]
}

/**
 * Revokes a certificate and what falls with it; of an expired one as well. Done again, it changes nothing; but when another
 * than the holder now gives a reason of distrust, what follows from that follows, and only the certificate's row stays.
 *
 * All in one transaction, but for the descendants of a compromised key beyond the 16 newest: they were superseded before
 * and are refused as it is. A crash between the transactions leaves these; the same call, with another Idempotency-Key,
 * ends them.
 */
export const makeRevoke = ({ registry, clock }: RevokeDeps) => {
  const revokeRest = makeRevokeRest({ registry, clock })
  return async (request: CallerRequest, serialNumber: string, body: RevokeCertificate): Promise<Certificate> => {
    const { attribution } = request
    const read = async (): Promise<CertificateRecord> => {
      const row = await registry.certificates.get(serialNumber)
      if (row === undefined) throw new ControlError('not_found', 'there is no certificate of this serial number')
      return row
    }
    let first: CertificateRecord | undefined = await read()
    const { principal_id: holderId, issued_at: issuedAt, ...rest } = first
    const lineage = lineageOf(rest)
    let left = false
    let compromised = false

    const revokeNewest = (once: CallerRequest['once']): Promise<Certificate> =>
      registry.commit({
        attribution,
        once,
        exclusive: `principal:${holderId}`,
        plan: async () => {
          // What was read a moment ago serves for one attempt: the transaction refuses a row that was revoked meanwhile.
          const known = first
          first = undefined
          const [target, holder] = await Promise.all([known ?? read(), registry.principals.get(holderId)])
          const now = clock()
          const done = isFullyRevoked(target)
          // Whoever revoked itself first does not get away with the milder reason: another's counts over it.
          const distrusted = attribution.actor !== holderId && blocksRejoin.has(body.reason)
          const kept = target.revocation_reason
          const reason = done && (!distrusted || kept === 'key_compromise') ? (kept ?? body.reason) : body.reason
          const falling = await fallingWith(registry, target, holder, reason, now)
          left = falling.length > revokedAtOnce - (done ? 1 : 0)
          compromised = reason === 'key_compromise'
          const block = distrusted && holder?.rejoin_blocked === false
          if (!done) {
            const rows = left ? [...falling.slice(0, revokedAtOnce - 1), ...falling.slice(-1)] : falling
            return {
              ...planRevoked(registry, rows, reason, now, await planHolder(registry, holder, rows, block, now)),
              answer: renderCertificate({ ...target, revoked: true, revoked_at: now, revocation_reason: reason }, now),
            }
          }
          const rows = falling.slice(0, revokedAtOnce - 1)
          const burn = distrusted && compromised && !(await isBurnt(registry, target))
          if (rows.length === 0 && !block && !burn) return { unchanged: renderCertificate(target, now) }
          const plan = planRevoked(registry, rows, reason, now, [
            ...(await planHolder(registry, holder, rows, block, now)),
            ...(burn ? planBurn(registry, target, rows, now) : []),
          ])
          const events: Plan<Certificate>['events'] =
            block || burn ? [distrustEvent(target, reason, { block, burn }), ...plan.events] : plan.events
          return { ...plan, events, answer: renderCertificate(target, now) }
        },
      })

    const answer = await revokeNewest(request.once)
    while (left) await revokeNewest(undefined)
    if (compromised)
      await revokeRest(
        attribution,
        holderId,
        'key_compromise',
        issuedAt,
        (row) => row.superseded_by !== undefined && row.issued_at > issuedAt && lineageOf(row) === lineage,
      )
    return answer
  }
}

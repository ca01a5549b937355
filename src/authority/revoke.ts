import { type CertificateRecord, lineageOf } from '../core/certificate.ts'
import { ControlError } from '../core/errors.ts'
import { liveLineages, type PrincipalRecord } from '../core/principal.ts'
import type { Registry } from '../store/registry.ts'
import type { Write } from '../store/transaction.ts'
import { type Certificate, type RevokeCertificate, renderCertificate } from '../wire/certificates.ts'
import { planAdmins } from './last-admin.ts'
import type { CallerRequest } from './request.ts'
import {
  blocksRejoin,
  fallingWith,
  isFullyRevoked,
  makeRevokeRest,
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
 * Revokes a certificate and what falls with it; of an expired one as well. Done again, it changes nothing.
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
    const { principal_id: holderId, issued_at: issuedAt, ...rest } = await read()
    const lineage = lineageOf(rest)
    let left = false
    let compromised = false

    const revokeNewest = (once: CallerRequest['once']): Promise<Certificate> =>
      registry.commit({
        attribution,
        once,
        exclusive: `principal:${holderId}`,
        plan: async () => {
          const [target, holder] = await Promise.all([read(), registry.principals.get(holderId)])
          const now = clock()
          const done = isFullyRevoked(target)
          const reason = done ? (target.revocation_reason ?? body.reason) : body.reason
          const falling = await fallingWith(registry, target, holder, reason, now)
          left = falling.length > revokedAtOnce
          compromised = reason === 'key_compromise'
          if (falling.length === 0) return { unchanged: renderCertificate(target, now) }
          const rows = left ? [...falling.slice(0, revokedAtOnce - 1), ...falling.slice(-1)] : falling
          const block = blocksRejoin.has(reason) && attribution.actor !== holderId && holder?.rejoin_blocked === false
          const after = done ? target : { ...target, revoked: true, revoked_at: now, revocation_reason: reason }
          return {
            ...planRevoked(registry, rows, reason, now, await planHolder(registry, holder, rows, block, now)),
            answer: renderCertificate(after, now),
          }
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

import type { ErrorCode } from '../core/errors.ts'
import type { AdmissionRows } from '../store/admission-rows.ts'
import type { Admitted, Presented } from './caller.ts'

export interface VerdictRules {
  /** How long a certificate lives on after its successor was first used, milliseconds. */
  supersede_grace: number
  /** Whether what an issuer has signed is let in. */
  trusts: (issuerId: string) => boolean
}

export type Verdict = { admitted: Admitted } | { denied: ErrorCode }

/** The decision of admission from the rows alone, at `now` (Unix ms); everything not expressly good is denied. */
export const verdictOf = (presented: Presented, rows: AdmissionRows, rules: VerdictRules, now: number): Verdict => {
  const { certificate, principal } = rows
  if (presented.claimed === undefined) return { denied: 'certificate_untrusted' }
  // Whatever its row says: an issuer that was removed vouches for nobody.
  if (!rules.trusts(presented.issuer_id)) return { denied: 'certificate_untrusted' }
  const expiresAt = Math.min(presented.expires_at, certificate?.expires_at ?? Number.POSITIVE_INFINITY)
  // A row ends 30 days after its certificate: what we signed and no longer keep is told the truth as well.
  if (certificate === undefined)
    return { denied: expiresAt <= now ? 'certificate_expired' : 'certificate_unregistered' }
  if (certificate.serial_number !== presented.serial_number || certificate.fingerprint !== presented.fingerprint)
    return { denied: 'certificate_unregistered' }
  if (certificate.revoked) return { denied: 'certificate_revoked' }
  if (isSupersededPastGrace(certificate, principal, rules, now)) return { denied: 'certificate_superseded' }
  if (!(now < expiresAt)) return { denied: 'certificate_expired' }
  if (!(now >= presented.not_before)) return { denied: 'certificate_not_yet_valid' }
  if (certificate.issuer_id !== presented.issuer_id) return { denied: 'certificate_untrusted' }
  if (certificate.principal_id !== presented.claimed.principal_id) return { denied: 'certificate_untrusted' }
  if (principal === undefined) return { denied: 'certificate_unregistered' }
  if (principal.status === 'deleted') return { denied: 'principal_deleted' }
  if (principal.status !== 'active') return { denied: 'principal_suspended' }
  if (principal.type !== certificate.principal_type || principal.type !== presented.claimed.principal_type)
    return { denied: 'certificate_untrusted' }
  return { admitted: { principal, certificate } }
}

const isSupersededPastGrace = (
  certificate: { superseded_by?: string; superseded_at?: number },
  principal: { grace_from?: number } | undefined,
  rules: VerdictRules,
  now: number,
): boolean => {
  if (certificate.superseded_by === undefined) return false
  const supersededAt = certificate.superseded_at ?? 0
  return now >= supersededAt + rules.supersede_grace || supersededAt < (principal?.grace_from ?? 0)
}

import type { CertificateRecord } from '../../core/certificate.ts'
import type { PrincipalRecord } from '../../core/principal.ts'
import type { OcspStatus } from '../../pki/ocsp-response.ts'

/** What a row says of its certificate. */
export type Known = OcspStatus & {
  /** It turns into another one at this moment (Unix milliseconds), without any change of the row. */
  until?: number
}

export interface StatusDeps {
  /** Milliseconds. */
  supersedeGrace: number
  /** Strongly consistent. */
  readPrincipal: (principalId: string) => Promise<PrincipalRecord | undefined>
}

/**
 * Good, revoked or unknown, of a certificate of this issuer, at `now` (Unix milliseconds). Superseded past its grace is
 * revoked as well; a suspended principal's certificates are not, for a suspension can end; nor are expired ones.
 */
export const makeRevocationStatus =
  ({ supersedeGrace, readPrincipal }: StatusDeps) =>
  async (row: CertificateRecord | undefined, issuerId: string, now: number): Promise<Known> => {
    if (row === undefined || row.issuer_id !== issuerId) return { status: 'unknown' }
    // Of one that was revoked by hand nobody knows the time: then nothing that it has signed is vouched for.
    if (row.revoked)
      return {
        status: 'revoked',
        revoked_at: row.revoked_at ?? row.issued_at,
        reason: row.revocation_reason ?? 'unspecified',
      }
    if (row.superseded_by === undefined) return { status: 'good' }
    const supersededAt = row.superseded_at ?? row.issued_at
    const until = supersededAt + supersedeGrace
    if (now >= until) return { status: 'revoked', revoked_at: until, reason: 'superseded' }
    // A machine that joined again has ended the grace of all that it held.
    const holder = await readPrincipal(row.principal_id)
    if (supersededAt < (holder?.grace_from ?? 0))
      return { status: 'revoked', revoked_at: supersededAt, reason: 'superseded' }
    return { status: 'good', until }
  }

import type { PrincipalType } from './principal.ts'

export const certificateStatuses = ['active', 'superseded', 'revoked', 'expired'] as const
export type CertificateStatus = (typeof certificateStatuses)[number]

export const revocationReasons = [
  'unspecified',
  'key_compromise',
  'affiliation_changed',
  'superseded',
  'cessation_of_operation',
  'privilege_withdrawn',
] as const
export type RevocationReason = (typeof revocationReasons)[number]

export const certificateKinds = ['issued', 'renewed', 'enrolled'] as const
export type CertificateKind = (typeof certificateKinds)[number]

/** A row of the certificates table. Times in Unix milliseconds, `ttl` in Unix seconds. */
export interface CertificateRecord {
  serial_number: string
  /** SHA-256 of the DER, 64 lower-case hex digits. */
  fingerprint: string
  principal_id: string
  principal_type: PrincipalType
  subject_dn: string
  spiffe_id: string
  issuer_id: string
  issued_at: number
  not_before: number
  expires_at: number
  expiry_day: string
  issued_by: string
  kind: CertificateKind
  renewed_from?: string
  /** Serial of the first certificate of those renewed from one another; absent: this one. */
  lineage?: string
  superseded_by?: string
  superseded_at?: number
  first_used_at?: number
  revoked: boolean
  revoked_at?: number
  revocation_reason?: RevocationReason
  description?: string
  certificate_der: Uint8Array
  spki_sha256: string
  ttl: number
}

/** What a certificate shares with all that were renewed from it, and with what it was renewed from. */
export const lineageOf = (certificate: Pick<CertificateRecord, 'serial_number' | 'lineage'>): string =>
  certificate.lineage ?? certificate.serial_number

/** Status is derived, never stored: the first of revoked, superseded, expired that holds. */
export const statusOf = (certificate: CertificateRecord, now: number): CertificateStatus => {
  if (certificate.revoked) return 'revoked'
  if (certificate.superseded_by !== undefined) return 'superseded'
  if (certificate.expires_at <= now) return 'expired'
  return 'active'
}

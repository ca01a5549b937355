import type { CertificateRecord } from '../core/certificate.ts'
import type { PrincipalRecord, PrincipalType } from '../core/principal.ts'

/** What a peer showed in its handshake, once our own check found it signed by an issuer that we know. */
export interface Presented {
  serial_number: string
  /** SHA-256 of the DER, 64 lower-case hex digits. */
  fingerprint: string
  issuer_id: string
  /** Unix milliseconds. */
  not_before: number
  expires_at: number
  /** The names in the certificate: a hint that saves a read, never an identity. Absent when its profile is not ours. */
  claimed?: { principal_id: string; principal_type: PrincipalType }
}

/** A caller that was let in: the rows decide who it is. */
export interface Admitted {
  principal: PrincipalRecord
  certificate: CertificateRecord
}

/** Where a request comes from, for the audit of a denial. */
export interface Source {
  remote_address: string
  request_id: string
}

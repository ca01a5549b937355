import type { Static } from 'typebox'
import { type CertificateRecord, statusOf } from '../core/certificate.ts'
import { toRfc3339 } from '../core/time.ts'
import * as field from './fields.ts'
import { listQuery, pageOf } from './lists.ts'
import { Type } from './schema.ts'

export const Certificate = Type.Object(
  {
    serial_number: field.serialNumber,
    fingerprint: field.fingerprint,
    principal_id: field.principalId,
    principal_type: field.principalType,
    status: field.certificateStatus,
    subject_dn: Type.String(),
    spiffe_id: Type.String(),
    issuer_id: field.issuerId,
    issued_at: field.timestamp,
    not_before: field.timestamp,
    expires_at: field.timestamp,
    issued_by: Type.String({ description: 'A principal_id, or `join_token:ID`' }),
    kind: field.certificateKind,
    renewed_from: Type.Optional(field.serialNumber),
    superseded_by: Type.Optional(field.serialNumber),
    first_used_at: Type.Optional(field.timestamp),
    revoked_at: Type.Optional(field.timestamp),
    revocation_reason: Type.Optional(field.revocationReason),
    description: Type.Optional(Type.String()),
  },
  { ...field.closed, description: 'One issued X.509 leaf' },
)
export type Certificate = Static<typeof Certificate>

export const IssueCertificate = Type.Object(
  {
    principal_id: field.principalId,
    csr_pem: field.csrPem,
    validity_seconds: Type.Optional(field.validitySeconds),
    description: Type.Optional(field.description),
  },
  field.closed,
)
export type IssueCertificate = Static<typeof IssueCertificate>

export const RenewCertificate = Type.Object(
  { csr_pem: field.csrPem, validity_seconds: Type.Optional(field.validitySeconds) },
  field.closed,
)
export type RenewCertificate = Static<typeof RenewCertificate>

export const IssuedCertificate = Type.Object(
  {
    certificate: Certificate,
    certificate_pem: Type.String(),
    chain_pem: Type.String({ description: 'The leaf, then its issuer; no root' }),
    trust_bundle_pem: Type.String(),
    renew_after: field.timestamp,
    renew_before: field.timestamp,
  },
  field.closed,
)
export type IssuedCertificate = Static<typeof IssuedCertificate>

export const CertificateParams = Type.Object({ serial_number: field.serialNumber }, field.closed)

export const RevokeCertificate = Type.Object({ reason: field.revocationReason }, field.closed)
export type RevokeCertificate = Static<typeof RevokeCertificate>

export const ListCertificates = listQuery({
  principal_id: Type.Optional(field.principalId),
  status: Type.Optional(field.certificateStatus),
  expires_before: Type.Optional(field.timestamp),
  issuer_id: Type.Optional(field.issuerId),
})
export type ListCertificates = Static<typeof ListCertificates>
export const CertificatePage = pageOf(Certificate)
export type CertificatePage = Static<typeof CertificatePage>

const written = (at: number | undefined): string | undefined => (at === undefined ? undefined : toRfc3339(at))

/** A row as the wire shows it, its status derived at `now` (Unix milliseconds); undefined is what the row has not. */
export const renderCertificate = (row: CertificateRecord, now: number): Certificate =>
  ({
    serial_number: row.serial_number,
    fingerprint: row.fingerprint,
    principal_id: row.principal_id,
    principal_type: row.principal_type,
    status: statusOf(row, now),
    subject_dn: row.subject_dn,
    spiffe_id: row.spiffe_id,
    issuer_id: row.issuer_id,
    issued_at: toRfc3339(row.issued_at),
    not_before: toRfc3339(row.not_before),
    expires_at: toRfc3339(row.expires_at),
    issued_by: row.issued_by,
    kind: row.kind,
    renewed_from: row.renewed_from,
    superseded_by: row.superseded_by,
    first_used_at: written(row.first_used_at),
    revoked_at: written(row.revoked_at),
    revocation_reason: row.revocation_reason,
    description: row.description,
  }) as Certificate

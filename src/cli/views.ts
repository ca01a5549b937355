import type { AuditEvent } from '../wire/audit-events.ts'
import type { Certificate } from '../wire/certificates.ts'
import type { Principal } from '../wire/principals.ts'
import type { Revocation } from '../wire/revocations.ts'
import type { Whoami } from '../wire/whoami.ts'
import type { View } from './output.ts'

export const principalView: View<Principal> = {
  name: (principal) => principal.principal_id,
  columns: [
    { title: 'PRINCIPAL', cell: (principal) => principal.principal_id },
    { title: 'TYPE', cell: (principal) => principal.type },
    { title: 'STATUS', cell: (principal) => principal.status },
    { title: 'CERTIFICATES', cell: (principal) => `${principal.active_certificates}/${principal.max_certificates}` },
    { title: 'CREATED', cell: (principal) => principal.created_at },
    { title: 'CREATED BY', wide: true, cell: (principal) => principal.created_by },
    { title: 'UPDATED', wide: true, cell: (principal) => principal.updated_at },
    { title: 'VERSION', wide: true, cell: (principal) => principal.version },
    { title: 'EMAIL', wide: true, cell: (principal) => principal.email },
    { title: 'DESCRIPTION', wide: true, cell: (principal) => principal.description },
  ],
}

export const certificateView: View<Certificate> = {
  name: (certificate) => certificate.serial_number,
  columns: [
    { title: 'SERIAL', cell: (certificate) => certificate.serial_number },
    { title: 'PRINCIPAL', cell: (certificate) => certificate.principal_id },
    { title: 'STATUS', cell: (certificate) => certificate.status },
    { title: 'KIND', cell: (certificate) => certificate.kind },
    { title: 'ISSUED', cell: (certificate) => certificate.issued_at },
    { title: 'EXPIRES', cell: (certificate) => certificate.expires_at },
    { title: 'FIRST USED', wide: true, cell: (certificate) => certificate.first_used_at },
    { title: 'REVOKED', wide: true, cell: (certificate) => certificate.revoked_at },
    { title: 'REASON', wide: true, cell: (certificate) => certificate.revocation_reason },
    { title: 'ISSUER', wide: true, cell: (certificate) => certificate.issuer_id },
    { title: 'ISSUED BY', wide: true, cell: (certificate) => certificate.issued_by },
    { title: 'FINGERPRINT', wide: true, cell: (certificate) => certificate.fingerprint },
  ],
}

export const auditView: View<AuditEvent> = {
  name: (event) => event.event_id,
  columns: [
    { title: 'AT', cell: (event) => event.at },
    { title: 'ACTOR', cell: (event) => event.actor },
    { title: 'ACTION', cell: (event) => event.action },
    { title: 'TARGET', cell: (event) => event.target },
    { title: 'OUTCOME', cell: (event) => event.code ?? event.outcome },
    { title: 'FROM', wide: true, cell: (event) => event.remote_address },
    { title: 'REQUEST', wide: true, cell: (event) => event.request_id },
    { title: 'EVENT', wide: true, cell: (event) => event.event_id },
    { title: 'CHANGE', wide: true, cell: (event) => changeOf(event) },
  ],
}

/** The fields that changed: `status=active→suspended`. */
const changeOf = ({ before = {}, after = {} }: AuditEvent): string | undefined => {
  const text = (value: unknown) => (typeof value === 'object' ? JSON.stringify(value) : String(value))
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])]
  const changes = names.map((name) =>
    before[name] === undefined
      ? `${name}=${text(after[name])}`
      : `${name}=${text(before[name])}→${text(after[name] ?? '')}`,
  )
  return changes.length === 0 ? undefined : changes.join(' ')
}

export const revocationView: Pick<View<Revocation>, 'name'> = { name: (revocation) => revocation.revocation_id }

export const whoamiView: Pick<View<Whoami>, 'name'> = { name: ({ principal }) => principal.principal_id }

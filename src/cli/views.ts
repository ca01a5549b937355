import type { Agent } from '../wire/agents.ts'
import type { AuditEvent } from '../wire/audit-events.ts'
import type { Authority } from '../wire/authorities.ts'
import type { Certificate } from '../wire/certificates.ts'
import type { Command } from '../wire/commands.ts'
import type { JoinRule, JoinRuleTest } from '../wire/join-rules.ts'
import type { JoinToken } from '../wire/join-tokens.ts'
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

export const joinTokenView: View<JoinToken> = {
  name: (token) => token.join_token_id,
  columns: [
    { title: 'TOKEN', cell: (token) => token.join_token_id },
    { title: 'TYPE', cell: (token) => token.principal_type },
    { title: 'FOR', cell: (token) => token.principal_id ?? `${token.id_prefix}*` },
    { title: 'STATUS', cell: (token) => token.status },
    { title: 'USES', cell: (token) => `${token.uses}/${token.max_uses}` },
    { title: 'EXPIRES', cell: (token) => token.expires_at },
    { title: 'CREATED', wide: true, cell: (token) => token.created_at },
    { title: 'CREATED BY', wide: true, cell: (token) => token.created_by },
    { title: 'LAST USED', wide: true, cell: (token) => token.last_used_at },
    { title: 'REJOIN', wide: true, cell: (token) => token.rejoin },
    { title: 'DESCRIPTION', wide: true, cell: (token) => token.description },
  ],
}

export const joinRuleView: View<JoinRule> = {
  name: (rule) => rule.join_rule_id,
  columns: [
    { title: 'RULE', cell: (rule) => rule.join_rule_id },
    { title: 'METHOD', cell: (rule) => rule.method },
    { title: 'TYPE', cell: (rule) => rule.principal_type },
    { title: 'ID', cell: (rule) => rule.principal_id_template },
    { title: 'ENABLED', cell: (rule) => rule.enabled },
    { title: 'REJOIN', cell: (rule) => rule.rejoin },
    { title: 'CREATED', wide: true, cell: (rule) => rule.created_at },
    { title: 'CREATED BY', wide: true, cell: (rule) => rule.created_by },
    { title: 'VERSION', wide: true, cell: (rule) => rule.version },
    { title: 'DESCRIPTION', wide: true, cell: (rule) => rule.description },
  ],
}

export const joinRuleTestView: Pick<View<JoinRuleTest>, 'name'> = { name: (test) => test.join_rule_id ?? '-' }

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

export const agentView: View<Agent> = {
  name: (agent) => agent.principal_id,
  columns: [
    { title: 'AGENT', cell: (agent) => agent.principal_id },
    { title: 'PRESENCE', cell: (agent) => agent.presence },
    { title: 'SEEN', cell: (agent) => agent.last_seen_at },
    { title: 'VERSION', cell: (agent) => agent.version },
    { title: 'HOST', cell: (agent) => agent.hostname },
    { title: 'EXPIRES', cell: (agent) => agent.expires_at },
    { title: 'FROM', wide: true, cell: (agent) => agent.remote_address },
    { title: 'CONNECTED', wide: true, cell: (agent) => agent.connected_at },
    { title: 'SERIAL', wide: true, cell: (agent) => agent.serial_number },
    { title: 'TRUST', wide: true, cell: (agent) => agent.trust_bundle_version },
  ],
}

export const commandView: View<Command> = {
  name: (command) => command.command_id,
  columns: [
    {
      title: 'COMMAND',
      cell: (command) =>
        command.hook_name === undefined ? command.command : `${command.command} ${command.hook_name}`,
    },
    { title: 'STATE', cell: (command) => command.state },
    { title: 'CREATED', cell: (command) => command.created_at },
    { title: 'BY', cell: (command) => command.created_by },
    { title: 'OUTCOME', cell: (command) => command.outcome },
    { title: 'ID', wide: true, cell: (command) => command.command_id },
    { title: 'DELIVERED', wide: true, cell: (command) => command.delivered_at },
    { title: 'ENDED', wide: true, cell: (command) => command.finished_at },
    { title: 'EXPIRES', wide: true, cell: (command) => command.expires_at },
  ],
}

export const authorityView: View<Authority> = {
  name: (authority) => authority.issuer_id,
  columns: [
    { title: 'ID', cell: (authority) => authority.issuer_id },
    { title: 'KIND', cell: (authority) => authority.kind },
    { title: 'STATE', cell: (authority) => authority.state },
    { title: 'EXPIRES', cell: (authority) => authority.expires_at },
    { title: 'SUBJECT', cell: (authority) => authority.subject_dn },
    { title: 'ROOT', wide: true, cell: (authority) => authority.root_sha256 },
    { title: 'KMS KEY', wide: true, cell: (authority) => authority.kms_key_id },
    { title: 'PREPARED', wide: true, cell: (authority) => authority.prepared_at },
    { title: 'ACTIVATED', wide: true, cell: (authority) => authority.activated_at },
    { title: 'RETIRED', wide: true, cell: (authority) => authority.retired_at },
    { title: 'REMOVED', wide: true, cell: (authority) => authority.removed_at },
    { title: 'SHA-256', wide: true, cell: (authority) => authority.sha256 },
  ],
}

import type { Static } from 'typebox'
import { type AgentRecord, presences, type Seen } from '../core/agent.ts'
import { toRfc3339 } from '../core/time.ts'
import { Command } from './commands.ts'
import * as field from './fields.ts'
import { listQuery, pageOf } from './lists.ts'
import { Type } from './schema.ts'

const bundleVersion = Type.String({ pattern: '^[0-9a-f]{16}$', description: '`version` of the trust bundle' })

/** How a hook of the agent ended last. */
export const HookReport = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 64 }),
    state: field.oneOf(['succeeded', 'failed']),
    at: field.timestamp,
    detail: Type.Optional(Type.String({ maxLength: 256 })),
  },
  field.closed,
)
export type HookReport = Static<typeof HookReport>

export const ReportStatus = Type.Object(
  {
    version: Type.String({ minLength: 1, maxLength: 64, description: 'Of the agent’s program' }),
    hostname: Type.String({ minLength: 1, maxLength: 253 }),
    metadata: field.metadata,
    trust_bundle_version: bundleVersion,
    certificate_expires_at: field.timestamp,
    hooks: Type.Optional(Type.Array(HookReport, { maxItems: 16 })),
  },
  field.closed,
)
export type ReportStatus = Static<typeof ReportStatus>

export const StatusAnswer = Type.Object(
  {
    report_after_seconds: Type.Integer({ minimum: 1, description: 'When to report again; grows with the fleet' }),
    renew_after: field.timestamp,
    renew_before: field.timestamp,
  },
  field.closed,
)
export type StatusAnswer = Static<typeof StatusAnswer>

const agentFields = {
  principal_id: field.principalId,
  presence: field.oneOf(presences, '`stale`: not there for less than 10 minutes, or there without a word'),
  last_seen_at: field.timestamp,
  version: Type.Optional(Type.String()),
  hostname: Type.Optional(Type.String()),
  metadata: field.labels,
  serial_number: Type.Optional(field.serialNumber),
  expires_at: Type.Optional(field.timestamp),
  trust_bundle_version: Type.Optional(bundleVersion),
  remote_address: Type.Optional(Type.String()),
  connected_at: Type.Optional(field.timestamp),
  hooks: Type.Optional(Type.Array(HookReport)),
}

export const Agent = Type.Object(agentFields, {
  ...field.closed,
  description: 'A worker or service that has connected',
})
export type Agent = Static<typeof Agent>

export const AgentDetail = Type.Object(
  { ...agentFields, commands: Type.Array(Command, { description: 'The last ones, newest first' }) },
  { ...field.closed, description: 'An agent, and what it was told to do' },
)
export type AgentDetail = Static<typeof AgentDetail>

export const ListAgents = listQuery({
  presence: Type.Optional(field.oneOf(presences)),
  version: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
})
export type ListAgents = Static<typeof ListAgents>
export const AgentPage = pageOf(Agent)
export type AgentPage = Static<typeof AgentPage>

/** An agent as the wire shows it. */
export const renderAgent = (row: AgentRecord, { presence, last_seen_at, stream }: Seen): Agent => {
  const { report } = row
  const serial_number = stream?.serial_number ?? row.serial_number
  const expires_at = stream?.expires_at ?? row.expires_at
  const remote_address = stream?.remote_address ?? row.remote_address
  const connected_at = stream?.connected_at ?? row.connected_at
  return {
    principal_id: row.principal_id,
    presence,
    last_seen_at: toRfc3339(last_seen_at),
    ...(report === undefined ? {} : { version: report.version, hostname: report.hostname }),
    metadata: report?.metadata ?? {},
    ...(serial_number === undefined ? {} : { serial_number }),
    ...(expires_at === undefined ? {} : { expires_at: toRfc3339(expires_at) }),
    ...(report === undefined ? {} : { trust_bundle_version: report.trust_bundle_version }),
    ...(remote_address === undefined ? {} : { remote_address }),
    ...(connected_at === undefined ? {} : { connected_at: toRfc3339(connected_at) }),
    ...(report?.hooks === undefined ? {} : { hooks: report.hooks }),
  }
}

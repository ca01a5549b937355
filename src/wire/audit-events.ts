import type { Static } from 'typebox'
import * as field from './fields.ts'
import { listQuery, pageOf } from './lists.ts'
import { Type } from './schema.ts'

export const auditOutcomes = ['success', 'denied'] as const

export const AuditEvent = Type.Object(
  {
    event_id: Type.String({ pattern: '^[0-9a-f]{32}$' }),
    at: field.timestamp,
    actor: Type.String(),
    action: Type.String(),
    target: Type.String(),
    outcome: field.oneOf(auditOutcomes),
    code: Type.Optional(Type.String()),
    request_id: Type.String(),
    remote_address: Type.String(),
    before: Type.Optional(field.anyObject),
    after: Type.Optional(field.anyObject),
  },
  field.closed,
)
export type AuditEvent = Static<typeof AuditEvent>

/** Whom or what an event names: printable ASCII, as every id here is. */
const name = (maxLength: number) => Type.String({ pattern: '^[ -~]+$', maxLength })

export const ListAuditEvents = listQuery({
  since: Type.Optional(field.timestamp),
  until: Type.Optional(field.timestamp),
  target: Type.Optional(name(256)),
  actor: Type.Optional(name(256)),
  action: Type.Optional(name(64)),
})
export type ListAuditEvents = Static<typeof ListAuditEvents>
export const AuditEventPage = pageOf(AuditEvent)
export type AuditEventPage = Static<typeof AuditEventPage>

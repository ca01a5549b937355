import type { Static } from 'typebox'
import { AuditEvent } from './audit-events.ts'
import * as field from './fields.ts'
import { listQuery, pageOf } from './lists.ts'
import { Type } from './schema.ts'

const chain = Type.String({ pattern: '^[0-9a-f]{32}$', description: 'Name of a chain: one for each run of a process' })
const hash = Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256' })
const seq = Type.Integer({ minimum: 0, description: 'Number in the chain, from 1 on' })

export const ListAuditChains = listQuery({})
export type ListAuditChains = Static<typeof ListAuditChains>
export const AuditChain = Type.Object(
  { chain, began_at: field.timestamp, closed_at: Type.Optional(field.timestamp) },
  field.closed,
)
export type AuditChain = Static<typeof AuditChain>
export const AuditChainPage = pageOf(AuditChain)
export type AuditChainPage = Static<typeof AuditChainPage>

export const AuditChainParams = Type.Object({ chain }, field.closed)
export const ListAuditChainEvents = listQuery({
  after: Type.Optional(field.timestamp),
})
export type ListAuditChainEvents = Static<typeof ListAuditChainEvents>
/** `event` is absent when the table has it no more. */
export const AuditChainEvent = Type.Object(
  {
    chain,
    seq,
    prev_hash: hash,
    hash,
    event_id: Type.String({ pattern: '^[0-9a-f]{32}$' }),
    event: Type.Optional(AuditEvent),
  },
  field.closed,
)
export type AuditChainEvent = Static<typeof AuditChainEvent>
export const AuditChainEventPage = pageOf(AuditChainEvent)
export type AuditChainEventPage = Static<typeof AuditChainEventPage>

export const ListAuditCheckpoints = listQuery({
  since: Type.Optional(field.timestamp),
  until: Type.Optional(field.timestamp),
})
export type ListAuditCheckpoints = Static<typeof ListAuditCheckpoints>
export const AuditCheckpoint = Type.Object(
  {
    n: Type.Integer({ minimum: 1 }),
    at: field.timestamp,
    prev_hash: hash,
    heads: Type.Array(
      Type.Object({ chain, seq, hash, at: field.timestamp, closed: Type.Optional(Type.Literal(true)) }, field.closed),
    ),
    public_key: Type.String({ description: 'SubjectPublicKeyInfo of the audit key, DER in base64' }),
    signature: Type.String({ description: 'ECDSA with SHA-256 over the canonical rest, DER in base64' }),
  },
  field.closed,
)
export type AuditCheckpoint = Static<typeof AuditCheckpoint>
export const AuditCheckpointPage = pageOf(AuditCheckpoint)
export type AuditCheckpointPage = Static<typeof AuditCheckpointPage>

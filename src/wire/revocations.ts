import type { Static } from 'typebox'
import * as field from './fields.ts'
import { Type } from './schema.ts'

/** At least one of the filters is needed; `all` stands for every certificate but the caller's. */
export const StartRevocation = Type.Object(
  {
    principal_id: Type.Optional(field.principalId),
    issuer_id: Type.Optional(field.issuerId),
    issued_before: Type.Optional(field.timestamp),
    all: Type.Optional(Type.Literal(true)),
    reason: field.revocationReason,
    dry_run: Type.Optional(Type.Boolean()),
  },
  {
    ...field.closed,
    anyOf: ['principal_id', 'issuer_id', 'issued_before', 'all'].map((filter) => ({ required: [filter] })),
  },
)
export type StartRevocation = Static<typeof StartRevocation>

export const revocationStates = ['pending', 'running', 'completed'] as const
export type RevocationState = (typeof revocationStates)[number]

export const Revocation = Type.Object(
  {
    revocation_id: Type.String({ pattern: '^[0-9a-f]{32}$' }),
    state: field.oneOf(revocationStates),
    dry_run: Type.Boolean(),
    reason: field.revocationReason,
    matched: Type.Integer({ minimum: 0 }),
    revoked: Type.Integer({ minimum: 0 }),
    created_at: field.timestamp,
    created_by: Type.String(),
    completed_at: Type.Optional(field.timestamp),
  },
  field.closed,
)
export type Revocation = Static<typeof Revocation>

export const RevocationParams = Type.Object({ revocation_id: Type.String({ pattern: '^[0-9a-f]{32}$' }) }, field.closed)

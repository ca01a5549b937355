import type { Static } from 'typebox'
import { countLineages, type PrincipalRecord } from '../core/principal.ts'
import { toRfc3339 } from '../core/time.ts'
import * as field from './fields.ts'
import { listQuery, pageOf } from './lists.ts'
import { Type } from './schema.ts'

export const Principal = Type.Object(
  {
    principal_id: field.principalId,
    type: field.principalType,
    status: field.principalStatus,
    created_at: field.timestamp,
    created_by: Type.String(),
    updated_at: field.timestamp,
    version: Type.Integer({ minimum: 1 }),
    suspended_at: Type.Optional(field.timestamp),
    suspended_reason: Type.Optional(Type.String()),
    email: Type.Optional(Type.String()),
    description: Type.Optional(Type.String()),
    max_certificates: Type.Integer({ minimum: 1, maximum: 10 }),
    metadata: field.labels,
    active_certificates: Type.Integer({ minimum: 0 }),
    joined_by: Type.Optional(Type.String()),
    rejoins: Type.Integer({ minimum: 0 }),
    rejoin_blocked: Type.Boolean(),
  },
  { ...field.closed, description: 'A registered identity' },
)
export type Principal = Static<typeof Principal>

export const CreatePrincipal = Type.Object(
  {
    principal_id: field.principalId,
    type: field.principalType,
    email: Type.Optional(field.email),
    description: Type.Optional(field.description),
    max_certificates: Type.Optional(Type.Integer({ minimum: 1, maximum: 10 })),
    metadata: Type.Optional(field.metadata),
  },
  field.closed,
)
export type CreatePrincipal = Static<typeof CreatePrincipal>

/** `null` clears a field: max_certificates goes back to its default, metadata to none. */
export const UpdatePrincipal = Type.Object(
  {
    email: Type.Optional(Type.Union([field.email, Type.Null()])),
    description: Type.Optional(Type.Union([field.description, Type.Null()])),
    max_certificates: Type.Optional(Type.Union([Type.Integer({ minimum: 1, maximum: 10 }), Type.Null()])),
    metadata: Type.Optional(Type.Union([field.metadata, Type.Null()])),
  },
  { ...field.closed, minProperties: 1 },
)
export type UpdatePrincipal = Static<typeof UpdatePrincipal>

export const SuspendPrincipal = Type.Object({ reason: field.reasonText }, field.closed)
export type SuspendPrincipal = Static<typeof SuspendPrincipal>

export const PrincipalParams = Type.Object({ principal_id: field.principalId }, field.closed)

export const ListPrincipals = listQuery({
  status: Type.Optional(field.principalStatus),
  type: Type.Optional(field.principalType),
})
export type ListPrincipals = Static<typeof ListPrincipals>
export const PrincipalPage = pageOf(Principal)
export type PrincipalPage = Static<typeof PrincipalPage>

const written = (at: number | undefined): string | undefined => (at === undefined ? undefined : toRfc3339(at))

/**
 * A row as the wire shows it; tolerant of rows that an operator wrote by hand. What a row has not is undefined, which JSON
 * leaves out: taking such members in one by one would cost several times the rest.
 */
export const renderPrincipal = (row: PrincipalRecord, now: number): Principal =>
  ({
    principal_id: row.principal_id,
    type: row.type,
    status: row.status,
    created_at: toRfc3339(row.created_at),
    created_by: row.created_by,
    updated_at: toRfc3339(row.updated_at),
    version: row.version,
    suspended_at: written(row.suspended_at),
    suspended_reason: row.suspended_reason,
    email: row.email,
    description: row.description,
    max_certificates: row.max_certificates,
    metadata: row.metadata,
    active_certificates: countLineages(row, now),
    joined_by: row.joined_by,
    rejoins: row.rejoins,
    rejoin_blocked: row.rejoin_blocked,
  }) as Principal

import type { Static } from 'typebox'
import { type JoinTokenRecord, joinTokenStatuses, statusOfJoinToken } from '../core/joining.ts'
import { toRfc3339 } from '../core/time.ts'
import * as field from './fields.ts'
import { listQuery, pageOf } from './lists.ts'
import { Type } from './schema.ts'

export const joinTokenId = Type.String({ pattern: '^[0-9a-f]{32}$', description: 'Names a join token; no secret' })

/** Eight characters are appended to it, so it is shorter than an id. */
export const idPrefix = Type.String({
  pattern: '^[a-z0-9][a-z0-9._-]{0,119}$',
  maxLength: 120,
  description: 'How the ids begin that the token gives out',
})

const lifeSeconds = { minimum: 60, maximum: 604_800 } as const
/** Seconds. */
export const defaultTokenLife = 3600

const record = {
  join_token_id: joinTokenId,
  status: field.oneOf(joinTokenStatuses),
  principal_type: field.principalType,
  principal_id: Type.Optional(field.principalId),
  id_prefix: Type.Optional(idPrefix),
  created_at: field.timestamp,
  created_by: Type.String(),
  expires_at: field.timestamp,
  max_uses: Type.Integer({ minimum: 1, maximum: 1000 }),
  uses: Type.Integer({ minimum: 0 }),
  last_used_at: Type.Optional(field.timestamp),
  validity_seconds: Type.Optional(field.validitySeconds),
  rejoin: Type.Boolean(),
  allow_admin: Type.Boolean(),
  description: Type.Optional(Type.String()),
  metadata: field.labels,
  revoked_at: Type.Optional(field.timestamp),
  revoked_by: Type.Optional(Type.String()),
}

export const JoinToken = Type.Object(record, {
  ...field.closed,
  description: 'A secret that lets new machines become principals; the secret itself is shown once and never again',
})
export type JoinToken = Static<typeof JoinToken>

export const CreateJoinToken = Type.Object(
  {
    principal_type: field.principalType,
    principal_id: Type.Optional(field.principalId),
    id_prefix: Type.Optional(idPrefix),
    ttl_seconds: Type.Optional(Type.Integer({ ...lifeSeconds, description: 'An hour when absent' })),
    max_uses: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    validity_seconds: Type.Optional(field.validitySeconds),
    rejoin: Type.Optional(Type.Boolean()),
    description: Type.Optional(field.description),
    metadata: Type.Optional(field.metadata),
    allow_admin: Type.Optional(Type.Boolean()),
  },
  field.closed,
)
export type CreateJoinToken = Static<typeof CreateJoinToken>

export const CreatedJoinToken = Type.Object(
  {
    ...record,
    join_token: Type.Optional(
      Type.String({ description: 'The secret: in the first answer only, absent when the answer is given again' }),
    ),
    command: Type.Optional(Type.String({ description: 'What the new machine runs; holds the secret as well' })),
  },
  { ...field.closed, description: 'A new join token, with its secret' },
)
export type CreatedJoinToken = Static<typeof CreatedJoinToken>

export const JoinTokenParams = Type.Object({ join_token_id: joinTokenId }, field.closed)
export const ListJoinTokens = listQuery({})
export type ListJoinTokens = Static<typeof ListJoinTokens>
export const JoinTokenPage = pageOf(JoinToken)
export type JoinTokenPage = Static<typeof JoinTokenPage>

/** A token as the wire shows it, its status derived at `now` (Unix milliseconds). */
export const renderJoinToken = (token: JoinTokenRecord, now: number): JoinToken => ({
  join_token_id: token.join_token_id,
  status: statusOfJoinToken(token, now),
  principal_type: token.principal_type,
  ...(token.principal_id === undefined ? {} : { principal_id: token.principal_id }),
  ...(token.id_prefix === undefined ? {} : { id_prefix: token.id_prefix }),
  created_at: toRfc3339(token.created_at),
  created_by: token.created_by,
  expires_at: toRfc3339(token.expires_at),
  max_uses: token.max_uses,
  uses: token.uses,
  ...(token.last_used_at === undefined ? {} : { last_used_at: toRfc3339(token.last_used_at) }),
  ...(token.validity_seconds === undefined ? {} : { validity_seconds: token.validity_seconds }),
  rejoin: token.rejoin,
  allow_admin: token.allow_admin,
  ...(token.description === undefined ? {} : { description: token.description }),
  metadata: token.metadata,
  ...(token.revoked_at === undefined ? {} : { revoked_at: toRfc3339(token.revoked_at) }),
  ...(token.revoked_by === undefined ? {} : { revoked_by: token.revoked_by }),
})

import type { Static, TSchema } from 'typebox'
import { type JoinRuleRecord, ruleMethods, ruleTypes } from '../core/joining.ts'
import { toRfc3339 } from '../core/time.ts'
import * as field from './fields.ts'
import { listQuery, pageOf } from './lists.ts'
import { Type } from './schema.ts'

export const joinRuleId = Type.String({ pattern: '^[0-9a-f]{32}$' })

const glob = Type.String({ minLength: 1, maxLength: 256 })
const httpsUrl = Type.String({ pattern: '^https://[!-~]+$', maxLength: 1024 })

export const AwsIamCondition = Type.Object(
  {
    account_ids: Type.Array(Type.String({ pattern: '^[0-9]{12}$' }), { minItems: 1, maxItems: 100 }),
    role_names: Type.Array(glob, {
      minItems: 1,
      maxItems: 100,
      description: 'Globs: `*` stands for any characters but `/` and `:`',
    }),
    trust_session_name: Type.Optional(
      Type.Boolean({ description: 'Whoever assumes the role cannot choose the session name freely' }),
    ),
  },
  field.closed,
)

/** One of `equals` and `glob`. */
const ClaimCondition = Type.Unsafe<{ equals: string } | { glob: string }>({
  type: 'object',
  properties: {
    equals: { type: 'string', maxLength: 512 },
    glob: { type: 'string', minLength: 1, maxLength: 256 },
  },
  additionalProperties: false,
  minProperties: 1,
  maxProperties: 1,
})

export const OidcCondition = Type.Object(
  {
    issuer: Type.String({ pattern: '^https://[!-~]+$', maxLength: 512, description: 'Compared exactly with `iss`' }),
    audiences: Type.Array(Type.String({ minLength: 1, maxLength: 512 }), { minItems: 1, maxItems: 16 }),
    claims: Type.Unsafe<Record<string, { equals: string } | { glob: string }>>({
      type: 'object',
      minProperties: 1,
      maxProperties: 32,
      propertyNames: { minLength: 1, maxLength: 256 },
      additionalProperties: ClaimCondition,
      description: 'What each claim must be; at least one compared as a whole',
    }),
    jwks: Type.Optional(
      Type.Object({ keys: Type.Array(field.anyObject, { minItems: 1, maxItems: 32 }) }, field.closed),
    ),
    jwks_url: Type.Optional(httpsUrl),
    ca_pem: Type.Optional(Type.String({ minLength: 1, maxLength: 16_384 })),
    reuse: Type.Optional(field.oneOf(['once', 'until_expiry'])),
  },
  field.closed,
)

const maxRejoins = Type.Integer({ minimum: 1, maximum: 100, description: 'Per principal and 24 h; 5 when absent' })
const deleteAfterExpiry = Type.Integer({
  minimum: 0,
  maximum: 31_536_000,
  description: 'Principals of finished tasks and runs are deleted so long after their last certificate ended',
})

const changeable = {
  description: Type.Optional(field.description),
  enabled: Type.Optional(Type.Boolean()),
  validity_seconds: Type.Optional(field.validitySeconds),
  metadata: Type.Optional(field.metadata),
  rejoin: Type.Optional(Type.Boolean()),
  max_rejoins: Type.Optional(maxRejoins),
  delete_after_expiry_seconds: Type.Optional(deleteAfterExpiry),
  aws_iam: Type.Optional(AwsIamCondition),
  oidc: Type.Optional(OidcCondition),
}

export const CreateJoinRule = Type.Object(
  {
    method: field.oneOf(ruleMethods),
    principal_type: field.oneOf(ruleTypes),
    principal_id_template: Type.String({
      minLength: 1,
      maxLength: 256,
      description: 'The id, with `{name}` where an attribute stands, e.g. `gha-{repository_id}-{run_id}`',
    }),
    ...changeable,
  },
  field.closed,
)
export type CreateJoinRule = Static<typeof CreateJoinRule>

const orNull = <T extends TSchema>(schema: T) => Type.Optional(Type.Union([schema, Type.Null()]))

/** What may change without the rule becoming another one: `null` clears, a condition is replaced as a whole. */
export const UpdateJoinRule = Type.Object(
  {
    ...changeable,
    description: orNull(field.description),
    validity_seconds: orNull(field.validitySeconds),
    delete_after_expiry_seconds: orNull(deleteAfterExpiry),
  },
  { ...field.closed, minProperties: 1 },
)
export type UpdateJoinRule = Static<typeof UpdateJoinRule>

export const JoinRule = Type.Object(
  {
    join_rule_id: joinRuleId,
    version: Type.Integer({ minimum: 1 }),
    created_at: field.timestamp,
    created_by: Type.String(),
    updated_at: field.timestamp,
    description: Type.Optional(Type.String()),
    enabled: Type.Boolean(),
    method: field.oneOf(ruleMethods),
    principal_type: field.oneOf(ruleTypes),
    principal_id_template: Type.String(),
    validity_seconds: Type.Optional(field.validitySeconds),
    metadata: field.labels,
    rejoin: Type.Boolean(),
    max_rejoins: Type.Integer({ minimum: 1 }),
    delete_after_expiry_seconds: Type.Optional(Type.Integer({ minimum: 0 })),
    aws_iam: Type.Optional(AwsIamCondition),
    oidc: Type.Optional(OidcCondition),
  },
  { ...field.closed, description: 'Which machines may join by the identity that their platform gives them' },
)
export type JoinRule = Static<typeof JoinRule>

export const JoinRuleParams = Type.Object({ join_rule_id: joinRuleId }, field.closed)
export const ListJoinRules = listQuery({})
export type ListJoinRules = Static<typeof ListJoinRules>
export const JoinRulePage = pageOf(JoinRule)
export type JoinRulePage = Static<typeof JoinRulePage>

export const TestJoinRule = Type.Object(
  {
    method: field.oneOf(ruleMethods),
    attributes: Type.Unsafe<Record<string, unknown>>({
      type: 'object',
      maxProperties: 128,
      additionalProperties: true,
      description: 'What the proof would say: the claims of a token, or `account_id`, `role_name`, `session_name`',
    }),
  },
  field.closed,
)
export type TestJoinRule = Static<typeof TestJoinRule>

export const JoinRuleTest = Type.Object(
  {
    would_join: Type.Boolean(),
    join_rule_id: Type.Optional(joinRuleId),
    principal_id: Type.Optional(field.principalId),
    reasons: Type.Array(Type.Object({ join_rule_id: joinRuleId, reason: Type.String() }, field.closed), {
      description: 'What each rule says, oldest first, up to the one that decides',
    }),
  },
  field.closed,
)
export type JoinRuleTest = Static<typeof JoinRuleTest>

/** A rule as the wire shows it: all of it, for it holds no secret. */
export const renderJoinRule = ({ created_at, updated_at, ...rule }: JoinRuleRecord): JoinRule => ({
  join_rule_id: rule.join_rule_id,
  version: rule.version,
  created_at: toRfc3339(created_at),
  created_by: rule.created_by,
  updated_at: toRfc3339(updated_at),
  ...(rule.description === undefined ? {} : { description: rule.description }),
  enabled: rule.enabled,
  method: rule.method,
  principal_type: rule.principal_type,
  principal_id_template: rule.principal_id_template,
  ...(rule.validity_seconds === undefined ? {} : { validity_seconds: rule.validity_seconds }),
  metadata: rule.metadata,
  rejoin: rule.rejoin,
  max_rejoins: rule.max_rejoins,
  ...(rule.delete_after_expiry_seconds === undefined
    ? {}
    : { delete_after_expiry_seconds: rule.delete_after_expiry_seconds }),
  ...(rule.aws_iam === undefined ? {} : { aws_iam: rule.aws_iam }),
  ...(rule.oidc === undefined ? {} : { oidc: rule.oidc }),
})

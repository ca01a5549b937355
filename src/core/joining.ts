import type { PrincipalType } from './principal.ts'

export const joinMethods = ['token', 'aws_iam', 'oidc'] as const
export type JoinMethod = (typeof joinMethods)[number]
export const ruleMethods = ['aws_iam', 'oidc'] as const
export type RuleMethod = (typeof ruleMethods)[number]

/** Types that a rule may let join: never an admin. */
export const ruleTypes = ['worker', 'service', 'user'] as const
export type RuleType = (typeof ruleTypes)[number]

/** A join token, without the secret. Times in Unix milliseconds. */
export interface JoinTokenRecord {
  join_token_id: string
  /** Of the secret, 64 lower-case hex digits: all that is kept of it. */
  token_sha256: string
  principal_type: PrincipalType
  /** The one principal that it makes; otherwise `id_prefix` is there. */
  principal_id?: string
  id_prefix?: string
  created_at: number
  created_by: string
  expires_at: number
  max_uses: number
  uses: number
  last_used_at?: number
  validity_seconds?: number
  rejoin: boolean
  allow_admin: boolean
  description?: string
  metadata: Record<string, string>
  revoked_at?: number
  revoked_by?: string
}

export const joinTokenStatuses = ['active', 'used', 'expired', 'revoked'] as const
export type JoinTokenStatus = (typeof joinTokenStatuses)[number]

/** Derived, never stored: the first of revoked, expired, used that holds. */
export const statusOfJoinToken = (token: JoinTokenRecord, now: number): JoinTokenStatus => {
  if (token.revoked_at !== undefined) return 'revoked'
  if (token.expires_at <= now) return 'expired'
  return token.uses < token.max_uses ? 'active' : 'used'
}

/** What an AWS identity must be. */
export interface AwsIamCondition {
  account_ids: string[]
  /** Globs; `*` never crosses `/` or `:`. */
  role_names: string[]
  /** The session name was chosen by someone trusted, so that a template may use it. */
  trust_session_name: boolean
}

/** A claim is compared as a whole, or with a glob. */
export type ClaimCondition = { equals: string } | { glob: string }

/** What a signed token must say. */
export interface OidcCondition {
  issuer: string
  audiences: string[]
  claims: Record<string, ClaimCondition>
  /** Keys of the issuer, as a JSON Web Key Set; absent: those it publishes. */
  jwks?: { keys: Record<string, unknown>[] }
  jwks_url?: string
  /** Roots by which the issuer's server is verified, instead of the public ones. */
  ca_pem?: string
  reuse: 'once' | 'until_expiry'
}

/** A join rule. Times in Unix milliseconds. */
export interface JoinRuleRecord {
  join_rule_id: string
  version: number
  created_at: number
  created_by: string
  updated_at: number
  description?: string
  enabled: boolean
  method: RuleMethod
  principal_type: RuleType
  principal_id_template: string
  validity_seconds?: number
  metadata: Record<string, string>
  rejoin: boolean
  /** Per principal and 24 h. */
  max_rejoins: number
  delete_after_expiry_seconds?: number
  aws_iam?: AwsIamCondition
  oidc?: OidcCondition
}

/** A rule by what its conditions are. */
export type OidcRule = JoinRuleRecord & { method: 'oidc'; oidc: OidcCondition }

export const isOidcRule = (rule: JoinRuleRecord): rule is OidcRule => rule.method === 'oidc' && rule.oidc !== undefined

/** How join tokens and join rules stand as the actor of what they did. */
export const tokenActor = (id: string): string => `join_token:${id}`
export const ruleActor = (id: string): string => `join_rule:${id}`

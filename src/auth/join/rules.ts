import type { AwsIamCondition, JoinRuleRecord, OidcCondition, RuleMethod } from '../../core/joining.ts'
import { globMatches } from './glob.ts'
import { keySourceOf } from './key-source.ts'
import { type RuleConditions, renderPrincipalId } from './template.ts'

type Attributes = Record<string, string>

const attributeOf = (attributes: Attributes, name: string): string | undefined =>
  Object.hasOwn(attributes, name) ? attributes[name] : undefined

/** Why the rule is not for this identity of AWS; undefined when it is. */
export const matchAwsIam = (rule: AwsIamCondition, attributes: Attributes): string | undefined => {
  const account = attributeOf(attributes, 'account_id')
  const role = attributeOf(attributes, 'role_name')
  if (account === undefined || !rule.account_ids.includes(account)) return 'account_id is not one of the accounts'
  if (role === undefined) return 'the caller is not an assumed role'
  if (!rule.role_names.some((pattern) => globMatches(pattern, role))) return 'role_name is not one of the roles'
  return undefined
}

/** Why the rule is not for who holds these claims; undefined when it is. `iss` and `aud` are claims like the others. */
export const matchOidc = (rule: OidcCondition, claims: Attributes): string | undefined => {
  if (attributeOf(claims, 'iss') !== rule.issuer) return 'iss is not the issuer'
  const audience = attributeOf(claims, 'aud')
  if (audience === undefined || !rule.audiences.includes(audience)) return 'aud is not one of the audiences'
  const wanted = Object.entries(rule.claims)
  // Never created so; but a row changed by hand must not let everybody of an issuer in.
  if (!wanted.some(([, condition]) => 'equals' in condition)) return 'the rule has no exact claim'
  for (const [name, condition] of wanted) {
    const value = attributeOf(claims, name)
    if (value === undefined) return `${name} is missing`
    const matches = 'equals' in condition ? value === condition.equals : globMatches(condition.glob ?? '', value)
    if (!matches) return `${name} is another`
  }
  return undefined
}

/** What a joiner is known by. */
export interface Evidence {
  method: RuleMethod
  attributes: Attributes
  /**
   * The keys with which a token was verified (Proven). `rehearsal`: nothing was, these are attributes that somebody asks
   * about; then `iss` and `aud` may be left out.
   */
  key_source: string | undefined | 'rehearsal'
}

const whyNot = (rule: RuleConditions, { method, attributes, key_source: source }: Evidence): string | undefined => {
  if (rule.method !== method) return `the rule is for ${rule.method}`
  if (method === 'aws_iam') return rule.aws_iam ? matchAwsIam(rule.aws_iam, attributes) : 'the rule has no conditions'
  if (rule.oidc === undefined) return 'the rule has no conditions'
  if (source === 'rehearsal') {
    const presumed = { iss: rule.oidc.issuer, aud: rule.oidc.audiences[0] ?? '' }
    return matchOidc(rule.oidc, { ...presumed, ...attributes })
  }
  return source === keySourceOf(rule.oidc)
    ? matchOidc(rule.oidc, attributes)
    : 'the token is signed with a key of another issuer or rule'
}

export interface Decision<Rule> {
  /** The first rule that matches, whatever comes of it. */
  rule?: Rule
  /** Whom it lets join; absent when the template gives no principal_id. */
  principal_id?: string
  /** Why each rule that was looked at is not for this joiner, or lets nobody join. */
  reasons: { join_rule_id: string; reason: string }[]
}

/** The first enabled rule that matches decides; one that then fails does not fall through. `rules`: oldest first. */
export const chooseRule = <Rule extends RuleConditions & Pick<JoinRuleRecord, 'join_rule_id' | 'enabled'>>(
  rules: readonly Rule[],
  evidence: Evidence,
): Decision<Rule> => {
  const reasons: Decision<Rule>['reasons'] = []
  for (const rule of rules) {
    const reason = rule.enabled ? whyNot(rule, evidence) : 'the rule is not enabled'
    if (reason !== undefined) {
      reasons.push({ join_rule_id: rule.join_rule_id, reason })
      continue
    }
    const rendered = renderPrincipalId(rule, evidence.attributes)
    if ('principal_id' in rendered) return { rule, principal_id: rendered.principal_id, reasons }
    return { rule, reasons: [...reasons, { join_rule_id: rule.join_rule_id, reason: rendered.reason }] }
  }
  return { reasons }
}

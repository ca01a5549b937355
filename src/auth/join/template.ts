import { isPrincipalId } from '../../core/ids.ts'
import type { JoinRuleRecord } from '../../core/joining.ts'

/** The part of a join rule that decides who it is for, and under which name. */
export type RuleConditions = Pick<JoinRuleRecord, 'method' | 'principal_id_template' | 'rejoin' | 'aws_iam' | 'oidc'>

/** Literal text at the even places, names of attributes at the odd ones; undefined when the braces do not pair. */
export const readTemplate = (template: string): string[] | undefined => {
  const parts = template.split(/\{([^{}]{1,128})\}/)
  return parts.some((part, index) => index % 2 === 0 && /[{}]/.test(part)) ? undefined : parts
}

/** Whether the rule lets the attribute be one text only: then it tells nobody apart, whatever it holds. */
const isFixed = ({ aws_iam: aws, oidc }: RuleConditions, name: string): boolean => {
  if (oidc !== undefined) return Object.hasOwn(oidc.claims, name) && 'equals' in (oidc.claims[name] ?? {})
  const [only, ...others] =
    (name === 'account_id' ? aws?.account_ids : name === 'role_name' ? aws?.role_names : []) ?? []
  return only !== undefined && others.length === 0 && !only.includes('*')
}

/**
 * Whether a reader finds the end of the value where it is. A separator that begins within the value, and ends behind it,
 * would let another value take its place: `q-` before `--` reads like `q` before `--` and a name that begins with `-`.
 */
const endsAtSeparator = (value: string, separator: string): boolean =>
  (value + separator).toLowerCase().indexOf(separator.toLowerCase()) >= value.length

/**
 * The principal_id that a rule gives to who has these attributes, lower-cased; or why it gives none.
 *
 * Where the rule lets principals rejoin, two who differ must never get the same name: with `{a}-{b}` a value of `a` that
 * holds a `-` is refused, for `x-y` and `z` would be who `x` and `y-z` are; and so are capitals of a claim, for `Web` would
 * be who `web` is (AWS keeps the names of roles apart by itself). Without `rejoin` the second is refused anyway.
 */
export const renderPrincipalId = (
  rule: RuleConditions,
  attributes: Record<string, string>,
): { principal_id: string } | { reason: string } => {
  const parts = readTemplate(rule.principal_id_template)
  if (parts === undefined) return { reason: 'the template is malformed' }
  let text = ''
  for (const [index, part] of parts.entries()) {
    if (index % 2 === 0) {
      text += part
      continue
    }
    const value = Object.hasOwn(attributes, part) ? attributes[part] : undefined
    if (value === undefined || value === '')
      return { reason: `the template names ${part}, which the proof does not have` }
    if (part === 'session_name' && rule.aws_iam?.trust_session_name !== true)
      return { reason: 'the template names session_name, which the rule does not trust' }
    const separator = parts[index + 1] as string
    const isLast = index + 1 === parts.length - 1
    if (rule.rejoin && !isLast && !isFixed(rule, part) && !endsAtSeparator(value, separator))
      return { reason: `${part} holds the text that separates it from the next name in the template` }
    if (rule.rejoin && rule.method === 'oidc' && !isFixed(rule, part) && value !== value.toLowerCase())
      return { reason: `${part} holds capitals, which the principal_id would not tell apart` }
    text += value
  }
  const principalId = text.toLowerCase()
  // Beyond ASCII there are letters whose lower case is in it: U+212A becomes k.
  return /^[!-~]*$/.test(text) && isPrincipalId(principalId)
    ? { principal_id: principalId }
    : { reason: 'what the template gives is not a principal_id' }
}

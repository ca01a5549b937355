import { attributesOf } from '../auth/join/oidc-claims.ts'
import { JoinRefused } from '../auth/join/proof.ts'
import { chooseRule } from '../auth/join/rules.ts'
import { ControlError } from '../core/errors.ts'
import { ruleActor } from '../core/joining.ts'
import type { Registry } from '../store/registry.ts'
import type { JoinRuleTest, TestJoinRule } from '../wire/join-rules.ts'
import { whyNoRejoin } from './rejoin.ts'

export interface TestJoinRuleDeps {
  registry: Pick<Registry, 'joinRules' | 'principals'>
  clock: () => number
}

/** The attributes of a proof as somebody wrote them down: text, or the claims of a token as they are. */
const readAttributes = ({ attributes }: TestJoinRule): Record<string, string> => {
  const { aud, ...claims } = attributes
  try {
    const read = attributesOf(claims)
    const audience: unknown = Array.isArray(aud) && aud.length === 1 ? aud[0] : aud
    return typeof audience === 'string' ? { ...read, aud: audience } : read
  } catch (error) {
    if (error instanceof JoinRefused)
      throw new ControlError('invalid_request', error.reason, {
        errors: [{ pointer: '/attributes', detail: error.reason }],
      })
    throw error
  }
}

/** Says what the join rules would make of attributes, without a proof of them and without letting anybody join. */
export const makeTestJoinRule =
  ({ registry, clock }: TestJoinRuleDeps) =>
  async (body: TestJoinRule): Promise<JoinRuleTest> => {
    const { method } = body
    const rules = (await registry.joinRules.all()).filter((rule) => rule.method === method)
    const decision = chooseRule(rules, { method, attributes: readAttributes(body), key_source: 'rehearsal' })
    const { rule, principal_id, reasons } = decision
    if (rule === undefined) return { would_join: false, reasons }
    const { join_rule_id } = rule
    if (principal_id === undefined) return { would_join: false, join_rule_id, reasons }
    const terms = { ...rule, by: ruleActor(join_rule_id), names_principal: false }
    const holder = await registry.principals.get(principal_id)
    const why = holder && whyNoRejoin(holder, terms, clock())
    const reason = why ?? (holder === undefined ? 'matches' : 'matches, and the principal would rejoin')
    return {
      would_join: why === undefined,
      join_rule_id,
      principal_id,
      reasons: [...reasons, { join_rule_id, reason }],
    }
  }

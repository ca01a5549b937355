import { isDeepStrictEqual } from 'node:util'
import { ControlError } from '../core/errors.ts'
import type { JoinRuleRecord } from '../core/joining.ts'
import type { Registry } from '../store/registry.ts'
import { type JoinRule, renderJoinRule, type UpdateJoinRule } from '../wire/join-rules.ts'
import { type ChangeJoinRuleDeps, completeAws, completeOidc, demandSoundRule } from './create-join-rule.ts'
import { demandValidity } from './create-join-token.ts'
import type { CallerRequest } from './request.ts'
import type { Expected } from './update-principal.ts'

/** Reads the rule that a verb wants to change. Throws `not_found`, and `version_mismatch` when the caller saw another. */
export const readExpectedRule = async (
  registry: Pick<Registry, 'joinRules'>,
  id: string,
  expected: Expected = {},
): Promise<JoinRuleRecord> => {
  const rule = await registry.joinRules.get(id)
  if (rule === undefined) throw new ControlError('not_found', 'there is no join rule of this id')
  if (expected.version !== undefined && expected.version !== rule.version)
    throw new ControlError(
      'version_mismatch',
      `the join rule is at version ${rule.version}: read it again, then decide`,
    )
  return rule
}

/** Whom a rule is for. How its issuer's keys are found is none of it: they are replaced, and it is the same issuer. */
const whomOf = ({ aws_iam, oidc }: JoinRuleRecord) => ({
  aws_iam,
  oidc: oidc && { issuer: oidc.issuer, audiences: oidc.audiences, claims: oidc.claims },
})

/**
 * Principals remember the rule that let them in, not what it said then. So what a rule with `rejoin` asks for stays, and
 * `rejoin` is never switched on: else those whom it takes now could take the place of those whom it took before.
 */
const demandSameJoiners = (before: JoinRuleRecord, rule: JoinRuleRecord): void => {
  if (!rule.rejoin) return
  if (!before.rejoin)
    throw new ControlError(
      'invalid_transition',
      'rejoin cannot be switched on, for who has joined by this rule joined without it: make a new rule with rejoin, and disable this one',
    )
  if (!isDeepStrictEqual(whomOf(before), whomOf(rule)))
    throw new ControlError(
      'invalid_transition',
      'whom a rule with rejoin is for cannot be changed, for who joined before could be displaced: make a new rule, and disable this one (or switch rejoin off in the same change)',
    )
}

/**
 * Changes a join rule, but for its method, type and template: those make it another rule, by which nobody has joined.
 * From the next join on, on every server.
 */
export const makeUpdateJoinRule =
  ({ registry, clock, maxValidity }: ChangeJoinRuleDeps) =>
  async (request: CallerRequest, id: string, body: UpdateJoinRule, expected: Expected): Promise<JoinRule> => {
    demandValidity(body.validity_seconds, maxValidity)
    return registry.commit({
      attribution: request.attribution,
      once: request.once,
      exclusive: `join_rule:${id}`,
      plan: async () => {
        const before = await readExpectedRule(registry, id, expected)
        const { aws_iam, oidc, ...plain } = body
        const merged = {
          ...before,
          ...plain,
          ...(aws_iam === undefined ? {} : { aws_iam: completeAws(aws_iam) }),
          ...(oidc === undefined ? {} : { oidc: completeOidc(oidc) }),
        }
        const rule = Object.fromEntries(
          Object.entries(merged).filter(([, value]) => value !== null),
        ) as unknown as JoinRuleRecord
        demandSoundRule(rule)
        demandSameJoiners(before, rule)
        const text = (value: unknown) => JSON.stringify(value)
        const names = (Object.keys(body) as (keyof JoinRuleRecord)[]).filter(
          (name) => text(before[name]) !== text(rule[name]),
        )
        if (names.length === 0) return { unchanged: renderJoinRule(before) }
        const after = { ...rule, updated_at: clock(), version: before.version + 1 }
        const fieldsOf = (record: JoinRuleRecord) =>
          Object.fromEntries(names.filter((name) => record[name] !== undefined).map((name) => [name, record[name]]))
        return {
          writes: [{ item: registry.joinRules.replace(before, after) }],
          events: [{ action: 'join_rule.update', target: id, before: fieldsOf(before), after: fieldsOf(after) }],
          changes: [],
          answer: renderJoinRule(after),
        }
      },
    })
  }

import { faultsOfRule } from '../auth/join/rule-faults.ts'
import { ControlError } from '../core/errors.ts'
import { timeOrderedId } from '../core/ids.ts'
import type { AwsIamCondition, JoinRuleRecord, OidcCondition } from '../core/joining.ts'
import type { Registry } from '../store/registry.ts'
import { type CreateJoinRule, type JoinRule, renderJoinRule } from '../wire/join-rules.ts'
import { demandValidity } from './create-join-token.ts'
import type { CallerRequest } from './request.ts'

export interface ChangeJoinRuleDeps {
  registry: Pick<Registry, 'joinRules' | 'commit'>
  clock: () => number
  /** Milliseconds. */
  maxValidity: number
}

const defaultMaxRejoins = 5
/** They are read whole at each join. */
const maximumRules = 200

/** Throws `invalid_request` with every fault that a schema cannot see. */
export const demandSoundRule = (rule: JoinRuleRecord): void => {
  const errors = faultsOfRule(rule)
  const [first] = errors
  if (first !== undefined)
    throw new ControlError('invalid_request', `${first.pointer.slice(1)} ${first.detail}`, { errors })
}

type Sent = NonNullable<CreateJoinRule['aws_iam']>
/** Conditions with what was left out of them. */
export const completeAws = (sent: Sent): AwsIamCondition => ({
  ...sent,
  trust_session_name: sent.trust_session_name ?? false,
})
export const completeOidc = (sent: NonNullable<CreateJoinRule['oidc']>): OidcCondition => ({
  ...sent,
  reuse: sent.reuse ?? 'once',
})

/** What the audit keeps of a rule: who it is for. */
export const outlineOf = ({ method, principal_type, principal_id_template, enabled, rejoin }: JoinRuleRecord) => ({
  method,
  principal_type,
  principal_id_template,
  enabled,
  rejoin,
})

/** Makes a join rule; it comes after all that there are. */
export const makeCreateJoinRule =
  ({ registry, clock, maxValidity }: ChangeJoinRuleDeps) =>
  async (request: CallerRequest, body: CreateJoinRule): Promise<JoinRule> => {
    const now = clock()
    const { aws_iam, oidc, ...plain } = body
    const rule: JoinRuleRecord = {
      join_rule_id: timeOrderedId(now),
      version: 1,
      created_at: now,
      created_by: request.attribution.actor,
      updated_at: now,
      ...plain,
      enabled: body.enabled ?? true,
      metadata: body.metadata ?? {},
      rejoin: body.rejoin ?? false,
      max_rejoins: body.max_rejoins ?? defaultMaxRejoins,
      ...(aws_iam === undefined ? {} : { aws_iam: completeAws(aws_iam) }),
      ...(oidc === undefined ? {} : { oidc: completeOidc(oidc) }),
    }
    demandSoundRule(rule)
    demandValidity(body.validity_seconds, maxValidity)
    if ((await registry.joinRules.all()).length >= maximumRules)
      throw new ControlError(
        'invalid_request',
        `there are ${maximumRules} join rules, which is the most: delete one first`,
      )
    return registry.commit({
      attribution: request.attribution,
      once: request.once,
      exclusive: `join_rule:${rule.join_rule_id}`,
      plan: async () => ({
        writes: [{ item: registry.joinRules.create(rule) }],
        events: [{ action: 'join_rule.create', target: rule.join_rule_id, after: outlineOf(rule) }],
        changes: [],
        answer: renderJoinRule(rule),
      }),
    })
  }

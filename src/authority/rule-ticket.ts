import type { Source } from '../auth/caller.ts'
import { JoinRefused, type Proven, type VerifyProof } from '../auth/join/proof.ts'
import { chooseRule } from '../auth/join/rules.ts'
import { ControlError } from '../core/errors.ts'
import { type JoinRuleRecord, ruleActor } from '../core/joining.ts'
import type { Registry } from '../store/registry.ts'
import type { EnrollByAwsIam, EnrollByOidc } from '../wire/enrollments.ts'
import { type JoinTicket, onceOf } from './join-ticket.ts'

export interface RuleTicketDeps {
  registry: Pick<Registry, 'joinRules' | 'usedProofs'>
  /** All rules, oldest first. */
  rules: () => Promise<JoinRuleRecord[]>
  clock: () => number
  verifyAwsIam: VerifyProof<EnrollByAwsIam['aws']>
  verifyOidc: VerifyProof<Pick<EnrollByOidc, 'id_token'>>
  /** Throws before anybody else is asked on behalf of a source that has failed too often. */
  demandPatience: (source: Source) => void
}

/** Reasons of several rules on one line; an audit event has no room for a hundred. */
const reasonsOf = (reasons: { join_rule_id: string; reason: string }[]): string => {
  const shown = reasons.slice(0, 3).map(({ join_rule_id, reason }) => `${join_rule_id}: ${reason}`)
  const more = reasons.length - shown.length
  return [...shown, ...(more > 0 ? [`${more} more`] : [])].join('; ')
}

/** What the identity that a platform gives is good for, by the join rules. Throws JoinRefused. */
export const makeRuleTicket = (deps: RuleTicketDeps) => {
  const { registry, clock } = deps

  const verify = (body: EnrollByAwsIam | EnrollByOidc, csrSha256: string, source: Source): Promise<Proven> => {
    const context = { csr_sha256: csrSha256, now: clock() }
    if (body.method === 'oidc') return deps.verifyOidc(body, context)
    deps.demandPatience(source)
    return deps.verifyAwsIam(body.aws, context)
  }

  return async (body: EnrollByAwsIam | EnrollByOidc, csrSha256: string, source: Source): Promise<JoinTicket> => {
    const rules = (await deps.rules()).filter((rule) => rule.method === body.method && rule.enabled)
    if (rules.length === 0) throw new JoinRefused(`there is no join rule for ${body.method}`)
    const proven = await verify(body, csrSha256, source)
    const { method, attributes, key_source } = proven
    const decision = chooseRule(rules, { method, attributes, key_source })
    const { rule, principal_id } = decision
    if (rule === undefined || principal_id === undefined) {
      const by = rule && ruleActor(rule.join_rule_id)
      throw new JoinRefused(`no join rule lets ${proven.subject} join: ${reasonsOf(decision.reasons)}`, { by })
    }

    const by = ruleActor(rule.join_rule_id)
    const spentBefore = () => new JoinRefused('the proof was used before', { by, principal_id })
    const reusable = rule.oidc?.reuse === 'until_expiry'
    return {
      by,
      once: onceOf(method, proven.proof_id, csrSha256, proven.keep_until),
      ...(reusable
        ? { onceAgain: (serialNumber) => onceOf(method, proven.proof_id, serialNumber, proven.keep_until) }
        : {}),
      exclusive: `principal:${principal_id}`,
      subject: proven.subject,
      principal_type: rule.principal_type,
      rejoin: rule.rejoin,
      names_principal: false,
      max_rejoins: rule.max_rejoins,
      ...(rule.validity_seconds === undefined ? {} : { validity_seconds: rule.validity_seconds }),
      metadata: rule.metadata,
      ...(rule.delete_after_expiry_seconds === undefined
        ? {}
        : { delete_after_expiry_seconds: rule.delete_after_expiry_seconds }),
      principalId: (asked) => {
        if (asked === undefined || asked === principal_id) return principal_id
        throw new JoinRefused('the join rule gives another principal_id', { by, principal_id })
      },
      spend: async () => {
        const [fresh, used] = await Promise.all([
          registry.joinRules.get(rule.join_rule_id),
          reusable ? false : registry.usedProofs.has(proven.proof_id, clock()),
        ])
        if (used) throw spentBefore()
        // Whoever tries again is judged by the rules as they are then.
        if (fresh?.version !== rule.version)
          throw new ControlError('overloaded', 'the join rule has just been changed', { retryAfterSeconds: 1 })
        return {
          writes: [
            { item: registry.joinRules.mustBeUnchanged(rule) },
            ...(reusable
              ? []
              : [
                  {
                    item: registry.usedProofs.use(proven.proof_id, proven.keep_until, clock()),
                    refuse: spentBefore,
                  },
                ]),
          ],
          events: [],
        }
      },
    }
  }
}

import type { Registry } from '../store/registry.ts'
import { type JoinRule, renderJoinRule } from '../wire/join-rules.ts'
import { outlineOf } from './create-join-rule.ts'
import type { CallerRequest } from './request.ts'
import { readExpectedRule } from './update-join-rule.ts'

/** Deletes a join rule and answers what it was; who joined by it stays, and cannot rejoin by it. Throws `not_found`. */
export const makeDeleteJoinRule =
  ({ registry }: { registry: Pick<Registry, 'joinRules' | 'commit'> }) =>
  (request: CallerRequest, id: string): Promise<JoinRule> =>
    registry.commit({
      attribution: request.attribution,
      exclusive: `join_rule:${id}`,
      plan: async () => {
        const rule = await readExpectedRule(registry, id)
        return {
          writes: [{ item: registry.joinRules.remove(rule) }],
          events: [{ action: 'join_rule.delete', target: id, before: outlineOf(rule) }],
          changes: [],
          answer: renderJoinRule(rule),
        }
      },
    })

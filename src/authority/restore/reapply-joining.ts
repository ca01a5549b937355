import { isControlError } from '../../core/errors.ts'
import type { ExportedEvent } from '../../core/exported-event.ts'
import { second } from '../../core/time.ts'
import { makeDeleteJoinRule } from '../delete-join-rule.ts'
import type { CallerRequest } from '../request.ts'
import { makeRevokeJoinToken } from '../revoke-join-token.ts'
import type { RestoreDeps } from './deps.ts'

/** What a change of a join rule may touch without changing who joins. */
const harmless = new Set(['description', 'metadata', 'validity_seconds'])

const unlessGone = async (work: Promise<unknown>): Promise<boolean> => {
  try {
    await work
    return true
  } catch (error) {
    if (isControlError(error, 'not_found')) return false
    throw error
  }
}

/** Ends or recounts join tokens again, and join rules. A rule that was changed is switched off: somebody has to look at it. */
export const makeReapplyJoining = (deps: RestoreDeps) => {
  const { registry, clock, attribution, count } = deps
  const request = { attribution } as CallerRequest
  const revokeToken = makeRevokeJoinToken({ registry, clock })
  const deleteRule = makeDeleteJoinRule({ registry })

  const endToken = async (id: string): Promise<void> => {
    const token = await registry.joinTokens.get(id)
    if (token === undefined || token.revoked_at !== undefined) return
    if (await unlessGone(revokeToken(request, id))) count('join_tokens_revoked')
  }

  /** Counts the uses that the restored row does not know of: those after the last one it knows. */
  const recountToken = async (id: string, events: ExportedEvent[]): Promise<void> => {
    const times = events.map(({ after, at }) =>
      typeof after['last_used_at'] === 'number' ? after['last_used_at'] : at,
    )
    const done = await registry.commit<boolean>({
      attribution,
      exclusive: `join_token:${id}`,
      plan: async () => {
        const token = await registry.joinTokens.get(id)
        const unknown = times.filter((at) => at > (token?.last_used_at ?? 0))
        if (token === undefined || unknown.length === 0) return { unchanged: false }
        const uses = Math.min(token.max_uses, token.uses + unknown.length)
        const last_used_at = Math.max(...unknown)
        return {
          writes: [{ item: registry.joinTokens.recount(token, { uses, last_used_at }) }],
          events: [{ action: 'join_token.recount', target: id, before: { uses: token.uses }, after: { uses } }],
          changes: [],
          answer: true,
        }
      },
    })
    if (done) count('join_tokens_recounted')
  }

  const disableRule = async (id: string): Promise<boolean> => {
    const done = await registry.commit<boolean>({
      attribution,
      exclusive: `join_rule:${id}`,
      plan: async () => {
        const rule = await registry.joinRules.get(id)
        if (rule === undefined || !rule.enabled) return { unchanged: false }
        const after = { ...rule, enabled: false, updated_at: clock(), version: rule.version + 1 }
        return {
          writes: [{ item: registry.joinRules.replace(rule, after) }],
          events: [{ action: 'join_rule.update', target: id, before: { enabled: true }, after: { enabled: false } }],
          changes: [],
          answer: true,
        }
      },
    })
    if (done) count('join_rules_disabled')
    return done
  }

  return {
    endToken,
    disableRule,
    token: async (id: string, events: ExportedEvent[]): Promise<void> => {
      if (events.some(({ action }) => action === 'join_token.revoke')) return endToken(id)
      await recountToken(id, events)
    },
    rule: async (id: string, events: ExportedEvent[]): Promise<void> => {
      if (events.some(({ action }) => action === 'join_rule.delete')) {
        if (await unlessGone(deleteRule(request, id))) count('join_rules_deleted')
        return
      }
      const updatedAt = (await registry.joinRules.get(id))?.updated_at ?? 0
      const unknown = events.filter(({ at }) => at > updatedAt + second)
      const touched = unknown.flatMap(({ before, after }) => [...Object.keys(before), ...Object.keys(after)])
      if (touched.some((name) => !harmless.has(name))) await disableRule(id)
    },
  }
}

import { ControlError } from '../core/errors.ts'
import type { Registry } from '../store/registry.ts'
import { type JoinToken, renderJoinToken } from '../wire/join-tokens.ts'
import type { CallerRequest } from './request.ts'

export interface RevokeJoinTokenDeps {
  registry: Pick<Registry, 'joinTokens' | 'commit'>
  clock: () => number
}

/** Ends a join token; who joined by it stays. Done again, it changes nothing. Throws `not_found`. */
export const makeRevokeJoinToken =
  ({ registry, clock }: RevokeJoinTokenDeps) =>
  (request: CallerRequest, id: string): Promise<JoinToken> =>
    registry.commit({
      attribution: request.attribution,
      exclusive: `join_token:${id}`,
      plan: async () => {
        const token = await registry.joinTokens.get(id)
        if (token === undefined) throw new ControlError('not_found', 'there is no join token of this id')
        const now = clock()
        if (token.revoked_at !== undefined) return { unchanged: renderJoinToken(token, now) }
        const set = { revoked_at: now, revoked_by: request.attribution.actor }
        return {
          writes: [{ item: registry.joinTokens.revoke(token, set) }],
          events: [{ action: 'join_token.revoke', target: id, after: { uses: token.uses, max_uses: token.max_uses } }],
          changes: [],
          answer: renderJoinToken({ ...token, ...set }, now),
        }
      },
    })

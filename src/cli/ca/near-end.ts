import { nearEnd } from '../../core/authority.ts'
import type { Authority } from '../../wire/authorities.ts'
import { relativeTime } from '../text.ts'

/**
 * What to say of issuers that sign or are meant to, and of the roots that vouch for them, when they are about to end or have
 * ended. A retired issuer ends in peace. `now` in Unix milliseconds.
 */
export const nearEndLines = (authorities: readonly Authority[], now: number): string[] => {
  const used = authorities.filter(({ state }) => state === 'active' || state === 'prepared')
  const vouching = new Set(used.map(({ root_sha256 }) => root_sha256))
  const roots = authorities.filter(({ kind, sha256 }) => kind === 'root' && vouching.has(sha256))
  return [...used, ...roots].flatMap(({ issuer_id, kind, state, expires_at }) => {
    const end = Date.parse(expires_at)
    if (end - now >= nearEnd) return []
    const verb = end <= now ? 'ended' : 'ends'
    return [
      `The ${kind} ${issuer_id} (${state}) ${verb} ${relativeTime(end, now)}: docs/rotation.md says how to replace it.`,
    ]
  })
}

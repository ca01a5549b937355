import { minute, second } from '../core/time.ts'
import type { AuditChains } from './audit-chains.ts'
import { headAfter, linkOf, mostInLink, type OpenChain } from './audit-link.ts'
import { longestCommit } from './chain-writer.ts'
import { failureOf } from './failures.ts'

/** Milliseconds. */
export interface AdoptionTimes {
  /** A process that was not heard of for so long is taken for dead: more than any transaction of it can still take. */
  silentFor: number
  /** The same for one that has said that it goes. */
  leftFor: number
}

const usualTimes: AdoptionTimes = { silentFor: 90 * second, leftFor: 20 * second }

/** Links what processes have left behind that are gone, and closes their chains. Gives how many chains and events. */
export const adoptAbandoned = async (
  chains: AuditChains,
  now: number,
  times: Partial<AdoptionTimes> = {},
): Promise<{ chains: number; events: number }> => {
  const { silentFor, leftFor } = { ...usualTimes, ...times }
  const isGone = ({ closed, alive_at, left_at }: OpenChain): boolean =>
    !closed && (now - alive_at >= silentFor || (left_at !== undefined && now - left_at >= leftFor))
  const done = { chains: 0, events: 0 }
  for (const abandoned of (await chains.open()).filter(isGone)) {
    // A minute more, for servers' clocks differ.
    const from = abandoned.linked_until - longestCommit - minute
    const written = await chains.writtenBy(abandoned.chain, from, now + minute)
    const linked = new Set(
      (await chains.linksSince(abandoned.chain, from)).flatMap(({ entries }) =>
        entries.map(({ event_id }) => event_id),
      ),
    )
    const left = written.filter(({ event_id }) => !linked.has(event_id))
    try {
      let head = abandoned
      // A crash between two links leaves the rest to whoever looks next.
      while (left.length > mostInLink) {
        const link = { ...linkOf(head, left.splice(0, mostInLink), now), recovered: true as const }
        const { alive_at, linked_until } = head
        await chains.advance(head, link, { alive_at, linked_until })
        head = { ...head, ...headAfter(link) }
        done.events += link.entries.length
      }
      const link = left.length === 0 ? undefined : { ...linkOf(head, left, now), recovered: true as const }
      await chains.advance(head, link, { alive_at: now, linked_until: now, closed: true })
      done.chains++
      done.events += left.length
    } catch (error) {
      // It lives after all, or another server was first.
      if (failureOf(error).kind !== 'condition') throw error
    }
  }
  return done
}

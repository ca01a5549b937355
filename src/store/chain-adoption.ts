import { auditDaysKept } from '../core/audit-chain.ts'
import { day, minute, second } from '../core/time.ts'
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

/** Links what one process has left behind, and closes its chain. Gives how many events. */
const adopt = async (chains: AuditChains, abandoned: OpenChain, now: number): Promise<number> => {
  // A minute more, for servers' clocks differ. What is older than the log is not looked for, whatever the row says.
  const from = Math.max(abandoned.linked_until - longestCommit - minute, now - auditDaysKept * day)
  const written = await chains.writtenBy(abandoned.chain, from, now + minute)
  const linked = new Set(
    (await chains.linksSince(abandoned.chain, from)).flatMap(({ entries }) => entries.map(({ event_id }) => event_id)),
  )
  const left = written.filter(({ event_id }) => !linked.has(event_id))
  const events = left.length
  let head = abandoned
  // A crash between two links leaves the rest to whoever looks next.
  while (left.length > mostInLink) {
    const link = { ...linkOf(head, left.splice(0, mostInLink), now), recovered: true as const }
    const { alive_at, linked_until } = head
    await chains.advance(head, link, { alive_at, linked_until })
    head = { ...head, ...headAfter(link) }
  }
  const link = left.length === 0 ? undefined : { ...linkOf(head, left, now), recovered: true as const }
  await chains.advance(head, link, { alive_at: now, linked_until: now, closed: true })
  return events
}

/**
 * Links what processes have left behind that are gone, and closes their chains. Gives how many chains and events. One that
 * cannot be read, or that the store does not take, is told and waits for the next round; the others do not wait for it.
 */
export const adoptAbandoned = async (
  chains: AuditChains,
  now: number,
  onFailed: (chain: string, error: unknown) => void,
  times: Partial<AdoptionTimes> = {},
): Promise<{ chains: number; events: number }> => {
  const { silentFor, leftFor } = { ...usualTimes, ...times }
  const isGone = ({ closed, alive_at, left_at }: OpenChain): boolean =>
    !closed && (now - alive_at >= silentFor || (left_at !== undefined && now - left_at >= leftFor))
  const done = { chains: 0, events: 0 }
  for (const abandoned of (await chains.open()).filter(isGone)) {
    try {
      done.events += await adopt(chains, abandoned, now)
      done.chains++
    } catch (error) {
      const { kind } = failureOf(error)
      // It lives after all, or another server was first.
      if (kind === 'condition') continue
      // Of no chain more than of the others.
      if (kind === 'unreachable') throw error
      onFailed(abandoned.chain, error)
    }
  }
  return done
}

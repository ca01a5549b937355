import { auditDaysKept, type Head, hashOfEvent, type Place, type PlainEvent } from '../core/audit-chain.ts'
import { day, toRfc3339 } from '../core/time.ts'
import { type EventRecord, plainEvent } from './audit-event.ts'
import type { Item } from './client.ts'

/** A chain that is not done with. Times in Unix milliseconds. */
export interface OpenChain {
  chain: string
  /** Of its last event; 0 before the first. */
  seq: number
  hash: string
  /** Of its last link; of its beginning before the first. */
  at: number
  /** When its process was last known to be there. */
  alive_at: number
  /** All its events from before this time that were committed are linked. */
  linked_until: number
  /** Its process has ended cleanly. */
  left_at?: number
  closed?: true
}

/** Events that a chain grows by at once: one write, whose time is its key. */
export interface Link {
  at: number
  first_seq: number
  prev_hash: string
  /** In the order of the chain. */
  entries: { event_id: string; hash: string }[]
  /** Made by another server for a process that is gone. */
  recovered?: true
}

/** An event in its chain; without `event` when the table has it no more. */
export interface Linked extends Place {
  event_id: string
  hash: string
  event?: PlainEvent
}

/** A link of at most 100 characters an event stays far below the limit of an item. */
export const mostInLink = 500
export const ttlAt = (at: number): number => Math.floor((at + auditDaysKept * day) / 1000)

export const linkFromItem = (item: Item): Link => ({
  at: Number(item['at']),
  first_seq: Number(item['first_seq']),
  prev_hash: String(item['prev_hash']),
  entries: String(item['entries'])
    .split('\n')
    .map((line) => ({ event_id: line.slice(0, 32), hash: line.slice(33) })),
  ...(item['recovered'] === true ? { recovered: true as const } : {}),
})

export const openFromItem = ({ pk: _pk, sk, ...row }: Item): OpenChain => ({
  ...(row as unknown as OpenChain),
  chain: String(sk),
})

/** Puts events behind the end of a chain: their hashes, one after the other. */
export const linkOf = (
  head: Pick<OpenChain, 'chain' | 'seq' | 'hash' | 'at'>,
  events: EventRecord[],
  now: number,
): Link => {
  let prev_hash = head.hash
  const entries = events.map((event, i) => {
    const { chain } = head
    prev_hash = hashOfEvent({ ...plainEvent(event), chain, seq: head.seq + 1 + i, prev_hash })
    return { event_id: event.event_id, hash: prev_hash }
  })
  // Times of links only ever rise: they are the order in which a chain is read.
  return { at: Math.max(now, head.at + 1), first_seq: head.seq + 1, prev_hash: head.hash, entries }
}

/** The end of a chain after a link. */
export const headAfter = (link: Link): Pick<OpenChain, 'seq' | 'hash' | 'at'> => ({
  seq: link.first_seq + link.entries.length - 1,
  hash: link.entries.at(-1)?.hash ?? link.prev_hash,
  at: link.at,
})

export const headOf = ({ chain, seq, hash, at, closed }: OpenChain): Head => ({
  chain,
  seq,
  hash,
  at: toRfc3339(at),
  ...(closed ? { closed } : {}),
})

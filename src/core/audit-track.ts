import { type ChainedEvent, type Head, type MissingEvent, noHash, type Place } from './audit-chain.ts'
import type { Findings } from './audit-findings.ts'
import { timeOfId } from './ids.ts'
import { toRfc3339 } from './time.ts'

/** An event that is not there: its chain says its number, and sometimes what it was. */
interface Gap {
  from: number
  to: number
  why: string
}

export interface Track {
  chain: string
  /** The last event, or what stands for it. */
  seq: number
  hash: string
  last: string
  closed: boolean
  gaps: Gap[]
  /** Up to where a good checkpoint vouches for the chain; 0: nowhere. */
  proved: number
  /** Times (Unix ms) of the oldest and the newest event that none vouches for, by what they claim. */
  unprovedSince: number | undefined
  unprovedUntil: number
  events: number
  /** Hashes of the last events by number: to tell a repetition from a second event, and to look back. */
  recent: Map<number, string>
}

const mostRecent = 4096
const mostGaps = 10_000

export const makeTrack = (chain: string, { seq, hash }: { seq: number; hash: string }): Track => ({
  chain,
  seq,
  hash,
  last: '',
  closed: false,
  gaps: [],
  proved: 0,
  unprovedSince: undefined,
  unprovedUntil: 0,
  events: 0,
  recent: new Map(seq === 0 ? [] : [[seq, hash]]),
})

/** `events 5 to 7`, `event 5`. */
export const span = (from: number, to: number): string => (from === to ? `event ${from}` : `events ${from} to ${to}`)

/** `is` of one, `are` and `were` of several. */
export const are = (from: number, to: number): string => (from === to ? 'is' : 'are')
export const were = (from: number, to: number): string => (from === to ? 'was' : 'were')

const named = ({ event_id, chain, seq }: Place & { event_id: string }): string =>
  `event ${event_id} of ${toRfc3339(timeOfId(event_id))} (number ${seq} of chain ${chain})`

/** Takes numbers out of the gaps that they were missed in; false when they were not missed. */
const fill = (track: Track, seq: number): boolean => {
  const at = track.gaps.findIndex((gap) => gap.from <= seq && seq <= gap.to)
  if (at < 0) return false
  const { from, to, why } = track.gaps[at] as Gap
  const rest = [
    { from, to: seq - 1, why },
    { from: seq + 1, to, why },
  ].filter((gap) => gap.from <= gap.to)
  track.gaps.splice(at, 1, ...rest)
  return true
}

/** Notes that numbers are not there; told at the end, for they may come later, out of order. */
export const noteGap = (track: Track, from: number, to: number, why: string): void => {
  if (from <= to && track.gaps.length < mostGaps) track.gaps.push({ from, to, why })
}

const remember = (track: Track, seq: number, hash: string): void => {
  track.recent.set(seq, hash)
  track.recent.delete(seq - mostRecent)
}

/** Follows a chain by one event. `own` is the hash that its content has; absent where the content is missing. */
export const follow = (
  track: Track,
  event: ChainedEvent | (MissingEvent & { at?: undefined }),
  own: string | undefined,
  findings: Findings,
): void => {
  const { seq, prev_hash, hash, event_id } = event
  const name = named(event)
  track.events++
  if (own !== undefined && own !== hash)
    findings.add('altered', `${name} was altered: its hash does not fit its content.`)
  if (seq <= track.seq) {
    const known = track.recent.get(seq)
    if ((known === undefined || known === hash) && fill(track, seq)) {
      remember(track, seq, hash)
      findings.add('reordered', `${name} stands after number ${track.seq}: the order was changed.`)
      return
    }
    if (known === hash) findings.add('repeated', `${name} stands twice.`)
    else findings.add('inserted', `${name} was inserted: the chain has another event of this number.`)
    return
  }
  if (track.closed) findings.add('inserted', `${name} was inserted: a checkpoint says that the chain had ended.`)
  if (seq > track.seq + 1) noteGap(track, track.seq + 1, seq - 1, `the next is ${name}`)
  else if (prev_hash !== track.hash && own === hash) {
    if (seq === 1 && prev_hash !== noHash)
      findings.add('altered', `${name} was altered: the first of a chain follows nothing.`)
    else
      findings.add(
        'altered',
        `${name} does not follow the one before it${track.last === '' ? '' : ` (${track.last})`}: one of the two was altered or replaced, and its hash made anew.`,
      )
  }
  track.seq = seq
  track.hash = hash
  track.last = event_id
  const at = timeOfId(event_id)
  track.unprovedSince = Math.min(track.unprovedSince ?? at, at)
  track.unprovedUntil = Math.max(track.unprovedUntil, at)
  remember(track, seq, hash)
}

/** Compares a chain with what a checkpoint says of it. `vouches`: the checkpoint is a good one. */
export const compareHead = (track: Track, head: Head, source: string, vouches: boolean, findings: Findings): void => {
  const { chain } = track
  if (track.seq < head.seq) {
    noteGap(track, track.seq + 1, head.seq, `${source} counts ${head.seq} events of this chain`)
    Object.assign(track, { seq: head.seq, hash: head.hash, last: '' })
    remember(track, head.seq, head.hash)
  } else {
    const there = track.recent.get(head.seq)
    if (track.seq > head.seq && head.seq > 0)
      findings.add(
        'reordered',
        `${source} stands after events of chain ${chain} that it does not count (it ends at number ${head.seq}, the file is at ${track.seq}): the order was changed.`,
      )
    if (there !== undefined && there !== head.hash)
      findings.add(
        'rewritten',
        `${source} knows another number ${head.seq} of chain ${chain}: ${span(track.proved + 1, head.seq)} ${were(track.proved + 1, head.seq)} rewritten, in whole or in part.`,
      )
  }
  if (vouches && track.seq === head.seq) {
    track.proved = head.seq
    track.unprovedSince = undefined
  }
  if (head.closed) track.closed = true
}

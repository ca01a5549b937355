import type { CrlHead } from '../../core/crl.ts'
import { hour, minute, second } from '../../core/time.ts'

/** From a change that a server has seen until a list is begun that surely holds it: two clocks may each be 3 s off. */
export const settling = 6 * second
/** Supersessions wait for one another a little: a fleet renews all the time. */
const gathering = 20 * second
/** A list is renewed so often when nothing happens; it is good for `lifeOfCrl`. */
const longestPause = 6 * hour
export const lifeOfCrl = 24 * hour
/** Building takes at most a tenth of a server's time, though a change never waits longer than the second. */
const restOfBuild = 9
const longestRest = 30 * second
/** After a last list: by then every server knows that its issuer was removed. */
const finality = 2 * minute
/** A supersession that counts at once is committed at most 7 s later, by clocks that may be 6 s apart. */
const surelyCommitted = 13 * second
/** Supersessions whose time is less apart are remembered as one. */
const grain = 10 * second

/** Changes of which this process has learnt and that no list holds yet. Times in Unix milliseconds. */
export interface Waiting {
  first: number | undefined
  last: number
  /** When supersessions count, rounded up. */
  later: Set<number>
}

export const nothingWaits = (): Waiting => ({ first: undefined, last: 0, later: new Set() })

/** A certificate was revoked, or something may have been missed. */
export const noteRevoked = (waiting: Waiting, now: number): void => {
  waiting.first ??= now
  waiting.last = now
}

/** A certificate will count as superseded at `at`. */
export const noteSuperseded = (waiting: Waiting, at: number): void => {
  waiting.later.add(Math.ceil(at / grain) * grain)
}

/** Forgets what a list holds: it read the store after that was committed. `margin`: by whose clock, 0 for this process's. */
export const noteList = (waiting: Waiting, { read_at }: Pick<CrlHead, 'read_at'>, margin: number): void => {
  if (waiting.first !== undefined && read_at >= waiting.first + margin)
    waiting.first = read_at >= waiting.last + margin ? undefined : waiting.last
  for (const at of waiting.later) if (at <= read_at - surelyCommitted) waiting.later.delete(at)
}

/**
 * When the next list of an issuer is due: 0 when there is none, now or earlier when it is. Unix milliseconds. Of a `removed`
 * one the list is good until its end, and another follows only for what is revoked after it: others may go by it for long.
 */
export const dueAt = (head: CrlHead | undefined, waiting: Waiting, removed = false): number => {
  if (head === undefined || (removed && !head.final)) return 0
  const soonest = Math.min(head.next_due ?? Number.POSITIVE_INFINITY, ...waiting.later) + gathering
  const rested = head.read_at + Math.min(longestRest, settling + restOfBuild * head.build_ms)
  const wanted = Math.max(rested, Math.min(soonest, (waiting.first ?? Number.POSITIVE_INFINITY) + settling))
  if (removed) return wanted
  // Taken back: whoever keeps a list until its end must not keep that one.
  return head.final ? head.read_at + finality : Math.min(wanted, head.read_at + longestPause)
}

import { second } from '../core/time.ts'

/** One that waits for its turn. */
export interface Waiting {
  begin(): void
  /** It will have no turn. */
  giveUp(): void
}

export interface HandshakeQueueOptions {
  /** Handshakes that begin in one turn of the event loop: each costs more than a millisecond before it is done. */
  perTurn: number
  /** Handshakes at once. */
  maxOpen: number
  maxWaiting: number
  /** Longest wait, milliseconds. */
  patience: number
  /** Handshakes that have begun and not ended. */
  open(): number
  /** Ends the handshake that is open for the longest, if it is so slow that others should have its place. */
  dropSlowest(): boolean
}

export const handshakeQueueDefaults = {
  perTurn: 8,
  maxOpen: 512,
  maxWaiting: 8192,
  patience: 10 * second,
}

/** When all places are taken, and none ends by itself. Milliseconds. */
const lookAgainAfter = 50

/**
 * Lets handshakes begin at a pace at which the event loop still turns: a fleet that comes back all at once takes the CPU
 * that is left over, and none from revocations, probes and streams. Every other turn goes to who came last, so that
 * somebody who comes now does not wait behind thousands.
 */
export const makeHandshakeQueue = (options: HandshakeQueueOptions) => {
  const { perTurn, maxOpen, maxWaiting, patience, open, dropSlowest } = options
  let waiting: (Waiting & { since: number })[] = []
  /** The first that waits; those before it are gone. */
  let front = 0
  let scheduled = false
  let lookingAgain = false

  const size = () => waiting.length - front

  const take = (newest: boolean): Waiting => {
    if (newest) return waiting.pop() as Waiting
    const next = waiting[front++] as Waiting
    if (front > 1024) {
      waiting = waiting.slice(front)
      front = 0
    }
    return next
  }

  const schedule = (): void => {
    if (scheduled || size() === 0) return
    scheduled = true
    setImmediate(turn)
  }

  const lookAgain = (): void => {
    if (lookingAgain) return
    lookingAgain = true
    setTimeout(() => {
      lookingAgain = false
      schedule()
    }, lookAgainAfter).unref()
  }

  const turn = (): void => {
    scheduled = false
    const now = performance.now()
    while (size() > 0 && now - (waiting[front]?.since ?? now) > patience) take(false).giveUp()
    for (let begun = 0; begun < perTurn && size() > 0; begun++) {
      if (open() >= maxOpen && !dropSlowest()) {
        lookAgain()
        return
      }
      take(begun % 2 === 1).begin()
    }
    schedule()
  }

  return {
    /** False when too many wait: it has no turn and is not kept. */
    enter: (one: Waiting): boolean => {
      if (size() >= maxWaiting) return false
      waiting.push({ ...one, since: performance.now() })
      schedule()
      return true
    },
    size,
  }
}

import { fullJitter } from '../client/backoff.ts'

export interface AttemptsOptions {
  monotonic: () => number
  random: () => number
  /** The first bound of a wait, and the last; milliseconds. */
  bounds: () => { first: number; most: number }
}

/** When something that failed may be tried again: full jitter, and never sooner than the server asks. */
export const makeAttempts = ({ monotonic, random, bounds }: AttemptsOptions) => {
  let failures = 0
  let notBefore = Number.NEGATIVE_INFINITY
  return {
    ready: (): boolean => monotonic() >= notBefore,
    failures: (): number => failures,
    /** Answers the wait, milliseconds. */
    failed: (retryAfter = 0): number => {
      const { first, most } = bounds()
      const wait = retryAfter + fullJitter(failures, first, most, random)
      failures += 1
      notBefore = monotonic() + wait
      return wait
    },
    succeeded: (): void => {
      failures = 0
      notBefore = Number.NEGATIVE_INFINITY
    },
    /** The machine has slept or the network is back: waits are over, what was learnt is not. */
    hurry: (): void => {
      notBefore = Number.NEGATIVE_INFINITY
    },
  }
}
export type Attempts = ReturnType<typeof makeAttempts>

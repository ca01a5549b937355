import { currentDeadline } from './deadline.ts'
import { failureOf, storeUnavailable } from './failures.ts'

/**
 * Runs a write that does the same when it runs twice until it is surely done. A condition that does not hold is an
 * answer: undefined. Throws `store_unavailable` when the time of the work at hand is over.
 */
export const insist = async <T>(write: () => Promise<T>): Promise<T | undefined> => {
  // Taken once: outside of a request each look would find it as far away as before.
  const deadline = currentDeadline()
  for (let tries = 0; ; tries++) {
    try {
      return await write()
    } catch (error) {
      const { kind } = failureOf(error)
      if (kind === 'condition') return undefined
      const wait = Math.random() * Math.min(500, 20 * 2 ** tries)
      if (kind === 'refused' || deadline - performance.now() < wait + 5) throw storeUnavailable(error)
      await new Promise((resolve) => setTimeout(resolve, wait))
    }
  }
}

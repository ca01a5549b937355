import { AsyncLocalStorage } from 'node:async_hooks'
import { storeUnavailable } from './failures.ts'

/** On the clock of `performance.now()`. */
export interface Deadline {
  at: number
}

const deadlines = new AsyncLocalStorage<Deadline>()

/** What work outside of a request may take, milliseconds. */
const defaultBudget = 7000

/** Runs something with `milliseconds` for all its store calls together. */
export const withDeadline = <T>(milliseconds: number, run: () => Promise<T>): Promise<T> =>
  deadlines.run({ at: performance.now() + milliseconds }, run)

/** The same for callback style: everything that follows from `done` shares the budget. */
export const enterDeadline = (milliseconds: number, done: () => void): void =>
  deadlines.run({ at: performance.now() + milliseconds }, done)

/**
 * Goes on with what was left, after a wait that does not count. The work that waited is still told from all other work by
 * its `Deadline`; where it has been lost on the way, it is entered anew.
 */
export const resumeDeadline = (before: Deadline | undefined, milliseconds: number, done: () => void): void => {
  if (before !== undefined && before === deadlines.getStore()) {
    before.at = performance.now() + milliseconds
    done()
  } else enterDeadline(milliseconds, done)
}

/** What `resumeDeadline` needs. */
export const deadlineOfWork = (): Deadline | undefined => deadlines.getStore()

/** The moment by which the work at hand must be answered, on the clock of `performance.now()`. */
export const currentDeadline = (): number => deadlines.getStore()?.at ?? performance.now() + defaultBudget

/** Milliseconds until then; negative when it is over. */
export const timeLeft = (): number => currentDeadline() - performance.now()

/** Waits, though never past the deadline. */
export const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, Math.max(0, Math.min(milliseconds, timeLeft()))))

/** What `work` comes to, or `store_unavailable` at the deadline: for work that others started and that goes on without us. */
export const untilDeadline = async <T>(work: Promise<T>): Promise<T> => {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(storeUnavailable()), timeLeft())
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

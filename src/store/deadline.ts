import { AsyncLocalStorage } from 'node:async_hooks'
import { storeUnavailable } from './failures.ts'

const deadlines = new AsyncLocalStorage<number>()

/** What work outside of a request may take, milliseconds. */
const defaultBudget = 7000

/** Runs something with `milliseconds` for all its store calls together. */
export const withDeadline = <T>(milliseconds: number, run: () => Promise<T>): Promise<T> =>
  deadlines.run(performance.now() + milliseconds, run)

/** The same for callback style: everything that follows from `done` shares the budget. */
export const enterDeadline = (milliseconds: number, done: () => void): void =>
  deadlines.run(performance.now() + milliseconds, done)

/** The moment by which the work at hand must be answered, on the clock of `performance.now()`. */
export const currentDeadline = (): number => deadlines.getStore() ?? performance.now() + defaultBudget

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

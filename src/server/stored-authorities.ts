import { isDeepStrictEqual } from 'node:util'
import type { StoredAuthorities } from '../core/authority.ts'
import { ControlError } from '../core/errors.ts'
import { second } from '../core/time.ts'
import { untilDeadline } from '../store/deadline.ts'

export interface StoredAuthoritiesDeps {
  /** Reads the registry, outside of any request; throws when it does not answer in time. */
  read: () => Promise<StoredAuthorities>
  clock: () => number
  /** Something was read that differs from what was known. */
  onChange: () => void
  onFailure: (error: unknown) => void
}

/** Rows changed by hand are seen so. Milliseconds. */
const readEvery = 30 * second
const retryAfter = second

/**
 * What this process knows of the issuers in the registry, and how old that is. It is as fresh as the last read of the rows,
 * or as the last read of the feed that brought no news of them.
 */
export const makeStoredAuthorities = ({ read, clock, onChange, onFailure }: StoredAuthoritiesDeps) => {
  let known: StoredAuthorities = { issuers: [] }
  // On a clock that nobody sets, but that may stand still while a machine sleeps: the two make up for each other.
  let readAt = Number.NEGATIVE_INFINITY
  let readAtMonotonic = Number.NEGATIVE_INFINITY
  /** Grows with every change that is told; what was read is of `readEpoch`. */
  let epoch = 1
  let readEpoch = 0
  let reading: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let stopped = true

  const age = (): number => Math.max(clock() - readAt, performance.now() - readAtMonotonic)

  const readNow = async (): Promise<void> => {
    do {
      const [of, at, started] = [epoch, clock(), performance.now()]
      const found = await read()
      readEpoch = of
      readAt = at
      readAtMonotonic = started
      // Not by their text: the store hands out the attributes of a row in any order.
      if (isDeepStrictEqual(found, known)) continue
      known = found
      onChange()
      // Told of another change while it read, it reads again.
    } while (readEpoch < epoch)
  }
  const refresh = (): Promise<void> => {
    reading ??= readNow().finally(() => {
      reading = undefined
    })
    return reading
  }

  const turn = async (): Promise<void> => {
    clearTimeout(timer)
    timer = undefined
    const failed = await refresh().then(
      () => false,
      (error) => {
        onFailure(error)
        return true
      },
    )
    if (stopped) return
    clearTimeout(timer)
    timer = setTimeout(() => void turn(), failed ? retryAfter : readEvery)
  }

  return {
    /** The same object until something in it changes. */
    get: (): StoredAuthorities => known,
    /** Whether what is known is no older than so many milliseconds, and no change was told since. */
    isFresh: (milliseconds: number): boolean => readEpoch === epoch && age() <= milliseconds,
    /** Resolves when what is known is no older than so many milliseconds; throws `store_unavailable` otherwise. */
    demand: async (milliseconds: number): Promise<void> => {
      if (readEpoch === epoch && age() <= milliseconds) return
      try {
        await untilDeadline(refresh())
      } catch (cause) {
        throw new ControlError('store_unavailable', 'the registry does not say which issuers are trusted; try again', {
          cause,
          retryAfterSeconds: 1,
        })
      }
    },
    /** Somebody has changed an issuer, or may have. */
    changed: (): void => {
      epoch++
      if (!stopped) void turn()
    },
    /** The feed was read from `at` (on `performance.now()`: `started`) on, and all its news have been told. */
    confirm: (at: number, started: number): void => {
      if (readEpoch !== epoch || started < readAtMonotonic) return
      readAt = at
      readAtMonotonic = started
    },
    /** Resolves after the first attempt to read, whatever became of it. */
    start: (): Promise<void> => {
      stopped = false
      return turn()
    },
    stop: (): void => {
      stopped = true
      clearTimeout(timer)
    },
  }
}
export type StoredAuthoritiesView = ReturnType<typeof makeStoredAuthorities>

import { AsyncLocalStorage } from 'node:async_hooks'
import { ControlError } from '../core/errors.ts'
import {
  compareMarks,
  type HeldReason,
  heldReasons,
  type StoreMark,
  type TableIds,
  takesRightAway,
} from '../core/store-epoch.ts'
import { withDeadline } from '../store/deadline.ts'
import type { StoreEpochs } from '../store/epoch.ts'
import type { EpochMemory } from '../store/epoch-memory.ts'
import type { Log } from './log.ts'
import { advice, tellAgainEvery, usualTiming } from './store-guard-terms.ts'

export interface StoreGuardDeps {
  epochs: StoreEpochs
  /** Absent: nothing is remembered outside of the tables, and everybody is let in by restored ones. */
  memory: EpochMemory | undefined
  /** Nobody asked for this memory: one that cannot be used keeps nobody out, before it was used for the first time. */
  implied: boolean
  clock: () => number
  /** In [0, 1): jitter. */
  random: () => number
  log: Log
  /** Nothing that was decided counts any more, and nothing may stay open. */
  onHeld(): void
  /** Whether somebody waits for an answer to the work at hand. */
  isAnswering(): boolean
  timing?: Partial<typeof usualTiming>
}

/**
 * Keeps admission closed until these tables are known to be the ones that were there before, and closes it when they are
 * not: what was revoked since a restored copy was made must not get in.
 *
 * The mark is written to the tables first, then outside: a crash in between leaves tables that are ahead, which is no
 * restore. What has been answered is in the tables before the mark moves; so tables that lack an answered revocation lack
 * the mark that followed it as well.
 */
export const makeStoreGuard = (deps: StoreGuardDeps) => {
  const { epochs, memory, implied, clock, random, log, onHeld, isAnswering } = deps
  const timing = { ...usualTiming, ...deps.timing }
  let open = memory === undefined
  /** Never set back but by another epoch: this process remembers as well. */
  let known: StoreMark | undefined
  let tableIds: TableIds | undefined
  let written = true
  let unprotected = memory === undefined
  let stopped = false
  let told = { why: '', at: 0 }
  let timer: NodeJS.Timeout | undefined
  let soon: NodeJS.Timeout | undefined
  let dirty = false
  const opened = Promise.withResolvers<void>()
  /** Something is known of the tables, one way or the other. */
  const judged = Promise.withResolvers<void>()
  if (open) judged.resolve()

  /** Looks and moves follow each other, and none has the deadline of the request that set it off. */
  const outsideOfRequests = AsyncLocalStorage.snapshot()
  let tail: Promise<void> = Promise.resolve()
  const inTurn = <T>(task: () => Promise<T>): Promise<T> => {
    const running = tail.then(() => outsideOfRequests(() => withDeadline(timing.budget, task)))
    tail = running.then(
      () => undefined,
      () => undefined,
    )
    return running
  }

  const tell = (why: string, more: Record<string, unknown>): void => {
    const now = performance.now()
    if (told.why === why && now - told.at < tellAgainEvery) return
    told = { why, at: now }
    log.error({ event: 'admission_held', why, memory: memory?.name, ...more })
  }

  const hold = (why: HeldReason, inside?: StoreMark): void => {
    const was = open
    open = false
    if (was) onHeld()
    judged.resolve()
    tell(why, { reason: `${heldReasons[why]}; ${advice}`, ...(inside && { mark: inside.number }) })
  }

  const admitAll = (): void => {
    if (!open) log.info({ event: 'admission_open', memory: memory?.name, ...(known && { mark: known.number }) })
    open = true
    told = { why: '', at: 0 }
    opened.resolve()
    judged.resolve()
  }

  /**
   * Writes the mark outside; the memory of several processes holds the highest one, but for a moment. Never over one that
   * these tables cannot have made: they were restored, and this process, which has not looked for a while, moved them on.
   * False then, and admission is held.
   */
  const remember = async (to: EpochMemory, mark: StoreMark): Promise<boolean> => {
    try {
      let latest = mark
      const there = await to.read()
      if (there?.epoch === mark.epoch && there.number >= mark.number) {
        const inTables = await epochs.get()
        if (inTables?.epoch === mark.epoch) {
          const isOther = there.number === inTables.number && there.moved_at !== inTables.moved_at
          if (isOther || there.number > inTables.number) {
            hold('tables_older', inTables)
            return false
          }
          latest = inTables
        }
      }
      for (let tries = 0; tries < 3; tries++) {
        const { epoch, number, moved_at } = latest
        await to.write({ epoch, number, moved_at, ...(tableIds && { table_ids: tableIds }) })
        // Another process may have written a higher one before, which ours has replaced.
        const inTables = await epochs.get()
        if (inTables?.epoch !== epoch || inTables.number <= number) break
        latest = inTables
      }
      if (!mark.published) await epochs.publish(mark.epoch)
      if (!written) log.info({ event: 'store_epoch_written', memory: to.name })
      written = true
      return true
    } catch (error) {
      if (written) log.error({ event: 'store_epoch_unwritten', memory: to.name, reason: (error as Error).message })
      written = false
      throw error
    }
  }

  /** Moves the mark on in the tables, then outside. */
  const move = async (from?: number): Promise<void> => {
    if (memory === undefined || known === undefined || !open || unprotected) return
    dirty = false
    const before = known
    const mark = await epochs.advance(before.epoch, clock(), from)
    if (mark === undefined) {
      // Of another epoch, unless another process was quicker to make the regular move.
      if (from !== undefined) return
      dirty = true
      return look()
    }
    if (mark.number <= before.number) return hold('tables_older', mark)
    known = mark
    await remember(memory, mark)
  }

  const admitUnprotected = ({ message: reason }: Error): void => {
    if (!unprotected) log.warn({ event: 'store_epoch_off', memory: memory?.name, reason })
    unprotected = true
    admitAll()
  }

  /** Reads the memory first, then the tables, which never fall behind it. */
  const look = async (): Promise<void> => {
    if (memory === undefined) return
    const remembered = await memory.read().catch((error: Error) => error)
    if (remembered instanceof Error && remembered.name === 'MemoryUnreadable') return hold('memory_unreadable')
    let inside = await epochs.get()
    // Tables that were never published have lost nothing yet; of a memory that was asked for, nobody lets in without it.
    if (remembered instanceof Error) {
      if (!implied || inside?.published) throw remembered
      return admitUnprotected(remembered)
    }
    const first = compareMarks(inside, remembered)
    if (first.state === 'unmarked') {
      await epochs.create(clock())
      inside = await epochs.get()
    }
    const ids = await epochs.tableIds()
    tableIds = ids ?? remembered?.table_ids
    const verdict = compareMarks(inside, remembered, ids)
    if (verdict.state === 'held') return hold(verdict.why, inside)
    if (inside === undefined || verdict.state === 'unmarked') throw new Error('the tables could not be marked')
    if (known?.epoch === inside.epoch && inside.number < known.number) return hold('tables_older', inside)
    known = inside
    if (verdict.behind) {
      try {
        if (!(await remember(memory, inside))) return
      } catch (error) {
        if (!implied || inside.published) throw error
        return admitUnprotected(error as Error)
      }
    }
    unprotected = false
    const wasOpen = open
    admitAll()
    // Whatever was changed before a crash, and had not moved the mark yet, is covered from here on.
    if (!wasOpen || dirty) return move()
    if (clock() - inside.moved_at > timing.moveEvery * (0.8 + 0.2 * random())) await move(inside.number)
  }

  const lookOnce = async (): Promise<void> => {
    try {
      await inTurn(look)
    } catch (error) {
      // What was known stays known: an outage of the memory closes nothing that is open.
      const reason = (error as Error).message
      if (!open) tell('memory_unread', { reason: `nothing is known of the tables yet: ${reason}` })
      else log.warn({ event: 'store_epoch_unread', memory: memory?.name, reason })
    }
  }

  const turn = async (): Promise<void> => {
    await lookOnce()
    if (!stopped)
      timer = setTimeout(
        turn,
        open && written && !unprotected ? timing.lookEvery * (0.8 + 0.4 * random()) : timing.lookAgain,
      )
  }

  const tryAgain = (): void => {
    dirty = true
  }
  const moveSafely = (): Promise<void> => inTurn(() => move()).catch(tryAgain)

  let waiting: Promise<void> | undefined
  /** A move that begins after now: whoever asks before it has begun shares it. */
  const nextMove = (): Promise<void> => {
    waiting ??= inTurn(async () => {
      waiting = undefined
      await move()
    }).catch(tryAgain)
    return waiting
  }

  const later = (milliseconds: number): void => {
    soon ??= setTimeout(() => {
      soon = undefined
      if (dirty && !stopped) void moveSafely()
    }, milliseconds)
  }

  const patiently = async (work: Promise<void>): Promise<void> => {
    const late = Promise.withResolvers<void>()
    const limit = setTimeout(late.resolve, timing.patience)
    await Promise.race([work, late.promise]).finally(() => clearTimeout(limit))
  }

  /** Whom nobody has let in is told no more than the code. */
  const refusal = (): ControlError =>
    new ControlError('store_unavailable', 'the registry is not in use; try again later', { retryAfterSeconds: 10 })

  return {
    /** Whether anybody may be let in. */
    isOpen: (): boolean => open,
    /** Throws while nothing may be changed. */
    mustBeOpen: (): void => {
      if (!open) throw refusal()
    },
    /** Throws while nobody may be let in; who comes before the first look is over waits for it, not long. */
    opening: async (): Promise<void> => {
      await patiently(judged.promise)
      if (!open) throw refusal()
    },
    /** Looks now; whether anybody may be let in after that. */
    confirm: async (): Promise<boolean> => {
      if (memory !== undefined) await lookOnce()
      return open
    },
    /** Whether all is as it should be: open, and what was changed is remembered. */
    isWell: (): boolean => open && written,
    /** The actions were committed: the mark moves, before the answer where that is quick and a right was taken away. */
    afterCommit: async (actions: string[]): Promise<void> => {
      if (memory === undefined || unprotected) return
      dirty = true
      const taken = actions.some(takesRightAway)
      if (!memory.isQuick) {
        if (taken) later(timing.slowDelay * (0.5 + 0.5 * random()))
      } else if (taken && isAnswering()) await patiently(nextMove())
      else later(timing.quickDelay)
    },
    /** Resolves when somebody may be let in for the first time, or at `stop`. */
    start: async (): Promise<void> => {
      if (memory === undefined)
        return log.warn({
          event: 'store_epoch_off',
          reason:
            'restored tables would let in what was revoked since they were copied: set --store-epoch-file or --store-epoch-parameter',
        })
      void turn()
      await opened.promise
    },
    /** What is not remembered yet is written, if that is quick. */
    stop: async (): Promise<void> => {
      stopped = true
      clearTimeout(timer)
      clearTimeout(soon)
      opened.resolve()
      await patiently(dirty ? moveSafely() : tail)
    },
  }
}
export type StoreGuard = ReturnType<typeof makeStoreGuard>

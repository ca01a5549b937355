import type { Attribution } from '../core/audit.ts'
import { ControlError } from '../core/errors.ts'
import { timeOrderedId } from '../core/ids.ts'
import { AlreadyAnswered, type Once } from '../core/once.ts'
import { type Answers, answerItem } from './answers.ts'
import type { Audit } from './audit.ts'
import { type EventDraft, type EventRecord, eventItems, eventOf } from './audit-event.ts'
import type { ChainWriter } from './chain-writer.ts'
import type { Store, TransactItem } from './client.ts'
import { currentDeadline, pause, untilDeadline } from './deadline.ts'
import { failureOf, storeUnavailable } from './failures.ts'
import { type Change, type FeedRecord, feedItem } from './feed.ts'

export interface Write {
  item: TransactItem
  /** What a failed condition of this item means. Absent: what was read is stale, plan again. */
  refuse?: () => ControlError
}

/** What one transaction shall do, worked out from fresh reads. */
export interface Plan<T> {
  writes: Write[]
  /** At least one: every state change has its event, and the first proves that the transaction was committed. */
  events: [EventDraft, ...EventDraft[]]
  changes: Change[]
  answer: T
  /** What an Idempotency-Key gives again, where that is less than the answer: a secret is shown once. */
  kept?: unknown
}

export interface Operation<T> {
  attribution: Attribution
  once?: Once | undefined
  /** Operations of this process with the same name wait for each other instead of colliding in the store. */
  exclusive: string
  /** Reads, checks, and says what to write; throws the domain's refusals. Called again when its reads became stale. */
  plan: () => Promise<Plan<T> | { unchanged: T }>
}

export interface CommitDeps {
  store: Store
  audit: Audit
  answers: Answers
  /** Takes up the events of what was committed. */
  chain?: ChainWriter | undefined
  clock: () => number
  random: () => number
  /** Whether the caller is still connected: one that was cut off meanwhile has no effect any more. */
  callerIsThere: () => boolean
  /**
   * A record that is about to be written: its reader must leave it to `onCommitted`, until what this returns is called.
   * Else a poll in between would cut the caller off before it has its answer.
   */
  holdBack: (record: FeedRecord) => () => void
  /** Effects on this process, before the caller gets its answer. */
  onCommitted: (record: FeedRecord) => void
  /** Throws while nothing may be changed. */
  mustBeOpen?: () => void
  /** Told of the actions that were committed, before the answer. Never rejects. */
  afterCommit?: (actions: string[]) => Promise<void>
}

/** DynamoDB's limit of a transaction. */
export const maximumItems = 100

/** Runs the tasks of one name one after the other; one whose deadline passes while it waits is not run. */
const makeExclusive = () => {
  const tails = new Map<string, Promise<void>>()
  return async <T>(name: string, task: () => Promise<T>): Promise<T> => {
    const before = tails.get(name) ?? Promise.resolve()
    const running = untilDeadline(before).then(task)
    const tail = Promise.allSettled([before, running]).then(() => undefined)
    tails.set(name, tail)
    // Not before those ahead are done as well: one that gave up waiting must not open the way for the next.
    void tail.then(() => {
      if (tails.get(name) === tail) tails.delete(name)
    })
    return running
  }
}

/**
 * The one way to change the registry: effect, audit events, feed record and kept answer in one transaction.
 *
 * A crash before the transaction leaves nothing; after it, everything: the answer is found again by its Idempotency-Key.
 * An attempt whose fate is unknown is looked up by its first event before anything is concluded, so that a lost answer of
 * the store becomes neither a second effect nor a false refusal.
 */
export const makeCommit = (deps: CommitDeps) => {
  const { store, audit, answers, chain, clock, random, callerIsThere, holdBack, onCommitted } = deps
  const exclusively = makeExclusive()

  /** Throws the answer that is kept for this wish, when there is one. */
  const replayKept = async (once: Once | undefined): Promise<void> => {
    const stored = once && (await answers.find(once.key))
    if (stored === undefined) return
    if (stored.body_sha256 !== once?.body_sha256)
      throw new ControlError(
        'idempotency_key_reused',
        'this Idempotency-Key was used with another body; choose a new one',
      )
    throw new AlreadyAnswered(stored.status, stored.body)
  }

  const run = async <T>(operation: Operation<T>, releases: (() => void)[]): Promise<T> => {
    const { attribution, once } = operation
    await chain?.open()
    // Taken once: outside of a request each look would find it as far away as before.
    const deadline = currentDeadline()
    const eventIds: string[] = []
    const eventId = (position: number): string => {
      eventIds[position] ??= timeOrderedId(clock())
      return eventIds[position]
    }
    // The attempt of which nobody knows whether it was committed.
    let uncertain: { answer: T; record: FeedRecord | undefined; actions: string[] } | undefined
    releases.push(() => uncertain && chain?.uncertain(eventIds))

    /** That attempt, once it is seen to be committed. */
    const concluded = async (): Promise<{ answer: T } | undefined> => {
      if (uncertain === undefined || !(await audit.exists(eventId(0)))) return undefined
      if (uncertain.record) onCommitted(uncertain.record)
      if (once) once.kept = true
      await deps.afterCommit?.(uncertain.actions)
      return uncertain
    }

    for (let attempt = 0; ; attempt++) {
      if (deadline - performance.now() < 5) throw storeUnavailable()
      if (attempt > 0) await pause(random() * Math.min(200, 10 * 2 ** attempt))
      const before = await concluded()
      if (before) return before.answer
      let plan: Plan<T> | { unchanged: T }
      try {
        plan = await operation.plan()
      } catch (error) {
        // The refusal may be the mirror image of our own late commit, or of the same request that ran at once elsewhere.
        if (error instanceof ControlError && error.code !== 'store_unavailable') {
          const late = await concluded()
          if (late) return late.answer
          await replayKept(once)
        }
        throw error
      }
      if ('unchanged' in plan) return ((await concluded()) ?? { answer: plan.unchanged }).answer

      if (!callerIsThere()) throw new ControlError('request_timeout', 'the caller has gone, or was cut off')
      deps.mustBeOpen?.()
      const { writes, events, changes, answer, kept = answer } = plan
      const actions = events.map(({ action }) => action)
      const feed = changes.length === 0 ? undefined : feedItem(store, changes, clock())
      if (feed) releases.push(holdBack(feed.record))
      const ownItems = writes.map((write) => write.item)
      const markerPosition = ownItems.length
      const eventWrites = events.flatMap((draft, i) => eventItems(store, eventId(i), draft, attribution, chain?.name()))
      const items = [...ownItems, ...eventWrites, ...(feed ? [feed.item] : [])]
      const oncePosition = items.length
      if (once) items.push(answerItem(store, once, kept, clock()))
      if (items.length > maximumItems) throw new Error(`a transaction of ${items.length} items`)

      try {
        await store.transact(items)
      } catch (thrown) {
        const failure = thrown instanceof ControlError ? { kind: 'refused' as const } : failureOf(thrown)
        if (failure.kind === 'condition') {
          if (failure.positions.includes(markerPosition) && uncertain !== undefined) continue
          if (failure.positions.includes(oncePosition)) await replayKept(once)
          const refusal = failure.positions
            .map((position) => writes[position]?.refuse)
            .find((refuse) => refuse !== undefined)
          if (refusal) throw refusal()
          continue
        }
        if (failure.kind === 'conflict' || failure.kind === 'throttled') continue
        if (failure.kind === 'unknown') {
          uncertain = { answer, record: feed?.record, actions }
          continue
        }
        throw thrown instanceof ControlError ? thrown : storeUnavailable(thrown)
      }
      // No attempt before this one was committed, nor will be: its first event is there now.
      uncertain = undefined
      chain?.committed(events.map((draft, i): EventRecord => eventOf(eventId(i), draft, attribution)))
      if (feed) onCommitted(feed.record)
      if (once) once.kept = true
      await deps.afterCommit?.(actions)
      return answer
    }
  }

  return <T>(operation: Operation<T>): Promise<T> =>
    exclusively(operation.exclusive, async () => {
      const releases: (() => void)[] = []
      try {
        return await run(operation, releases)
      } finally {
        for (const release of releases) release()
      }
    })
}
export type Commit = ReturnType<typeof makeCommit>

import { noHash } from '../core/audit-chain.ts'
import { timeOrderedId } from '../core/ids.ts'
import { minute, second } from '../core/time.ts'
import { makeAuditChains } from './audit-chains.ts'
import type { EventRecord } from './audit-event.ts'
import { headAfter, type Link, linkOf, mostInLink, type OpenChain } from './audit-link.ts'
import type { Store } from './client.ts'
import { withDeadline } from './deadline.ts'
import { failureOf } from './failures.ts'

export interface ChainWriterDeps {
  store: Store
  clock: () => number
  onFailure: (error: unknown) => void
  /** Another server has taken this process for dead and closed its chain. */
  onLost?: (chain: string) => void
  times?: Partial<ChainTimes> | undefined
}

/** Milliseconds. */
export interface ChainTimes {
  /** How often committed events are linked. */
  linkEvery: number
  /** How often an idle process says that it is there. */
  heartbeatEvery: number
}

const usualTimes: ChainTimes = { linkEvery: second, heartbeatEvery: 20 * second }
/** A transaction whose answer was lost is committed within this time or never. */
const fateKnownAfter = minute
/** No request has an event's id made so long before its commit. */
export const longestCommit = 30 * second
/** Of more events than this that wait for the store only the ids are kept, and read again. */
const mostHeld = 20_000
const lookedUpAtOnce = 1000
const lastLook = 2 * second

/** Links the events of one process, after they were committed: no transaction waits for it. */
export interface ChainWriter {
  /** The chain of the events to come. */
  name(): string
  /** Makes the chain known, the first time; else nothing. Rejects when the store does not take it. */
  open(): Promise<void>
  committed(events: EventRecord[]): void
  /** Events of a transaction whose fate is not known: they are looked for, and linked once they are there. */
  uncertain(eventIds: string[]): void
  start(): void
  /** Links what there is, and says that this process is gone. */
  stop(): Promise<void>
  /** One round of its work, now: for tests, and the end. */
  round(): Promise<void>
}

/**
 * What a crash leaves: before a link, committed events that name the chain, which another server finds by that and links
 * (chain-adoption.ts); after it, everything. A link whose answer was lost is sent again as it was, until it is seen to stand.
 */
export const makeChainWriter = (deps: ChainWriterDeps): ChainWriter => {
  const { store, clock, onFailure, onLost } = deps
  const { linkEvery, heartbeatEvery } = { ...usualTimes, ...deps.times }
  const chains = makeAuditChains(store)
  let name = timeOrderedId(clock())
  let head: OpenChain | undefined
  let opening: Promise<void> | undefined
  /** Committed, and in no link yet. */
  let waiting: EventRecord[] = []
  /** To be looked up, with the time since when. */
  const unknown = new Map<string, number>()
  let sending: { link: Link; events: EventRecord[] } | undefined
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined

  const begin = async (chain: string): Promise<void> => {
    const now = clock()
    await chains.begin(chain, noHash, now)
    name = chain
    head = { chain, seq: 0, hash: noHash, at: now, alive_at: now, linked_until: now }
  }

  const lookUp = async (): Promise<void> => {
    if (unknown.size === 0 || waiting.length >= mostHeld) return
    const ids = [...unknown.keys()].slice(0, lookedUpAtOnce)
    const askedAt = clock()
    const found = await chains.eventsByIds(ids)
    for (const id of ids) {
      const event = found.get(id)
      if (event === undefined && askedAt - (unknown.get(id) ?? 0) < fateKnownAfter) continue
      unknown.delete(id)
      if (event !== undefined) waiting.push(event)
    }
  }

  /** Another has closed the chain: what it has linked is done with, the rest goes into a chain of our own. */
  const startAnew = async (lost: OpenChain): Promise<void> => {
    const since = Math.min(lost.at, lost.linked_until)
    const linked = new Set(
      (await chains.linksSince(lost.chain, since)).flatMap(({ entries }) => entries.map((entry) => entry.event_id)),
    )
    waiting = [...(sending?.events ?? []), ...waiting].filter((event) => !linked.has(event.event_id))
    for (const id of linked) unknown.delete(id)
    sending = undefined
    onLost?.(lost.chain)
    await begin(timeOrderedId(clock()))
  }

  /** All that was committed before this time is linked. */
  const linkedUntil = (now: number): number =>
    waiting.length + unknown.size + (sending?.events.length ?? 0) === 0
      ? now - longestCommit
      : (head as OpenChain).linked_until

  const advance = async (link: Link | undefined, more: { left_at?: number } = {}): Promise<boolean> => {
    const before = head as OpenChain
    const now = clock()
    const left = link === undefined ? 0 : waiting.length + unknown.size
    const set = {
      alive_at: now,
      linked_until: left === 0 && link !== undefined ? now - longestCommit : linkedUntil(now),
      ...more,
    }
    try {
      await chains.advance(before, link, set)
    } catch (error) {
      if (failureOf(error).kind !== 'condition') throw error
      const stored = await chains.get(before.chain)
      const after = link && headAfter(link)
      // Our own attempt from before, whose answer was lost.
      const done = after !== undefined && stored?.hash === after.hash && stored.seq === after.seq
      if (!done || stored?.closed) {
        await startAnew(before)
        return false
      }
    }
    head = { ...before, ...(link === undefined ? {} : headAfter(link)), ...set }
    return true
  }

  const work = async (): Promise<void> => {
    if (head === undefined) return
    await lookUp()
    while (sending !== undefined || waiting.length > 0) {
      if (sending === undefined) {
        const events = waiting.slice(0, mostInLink)
        waiting = waiting.slice(mostInLink)
        sending = { events, link: linkOf(head, events, clock()) }
      }
      if (await advance(sending.link)) sending = undefined
    }
    if (clock() - head.alive_at >= heartbeatEvery) await advance(undefined)
  }

  /** One at a time. */
  const round = async (): Promise<void> => {
    const before = running
    running = (async () => {
      await before
      await work().catch(onFailure)
    })()
    await running
  }

  return {
    name: () => name,
    open: () => {
      opening ??= begin(name).catch((error) => {
        opening = undefined
        throw error
      })
      return opening
    },
    committed: (events) => {
      if (waiting.length < mostHeld) waiting.push(...events)
      else for (const { event_id } of events) unknown.set(event_id, clock())
    },
    uncertain: (eventIds) => {
      for (const id of eventIds) unknown.set(id, clock())
    },
    start: () => {
      let busy = false
      timer = setInterval(() => {
        if (busy) return
        busy = true
        void round().finally(() => {
          busy = false
        })
      }, linkEvery)
    },
    round,
    stop: async () => {
      clearInterval(timer)
      await withDeadline(lastLook, async () => {
        await round()
        // It is not closed: what is committed even now is found by the server that closes it.
        if (head !== undefined) await advance(undefined, { left_at: clock() }).catch(onFailure)
      })
    },
  }
}

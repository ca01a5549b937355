import {
  dueAt,
  noteList,
  noteRevoked,
  noteSuperseded,
  nothingWaits,
  settling,
  type Waiting,
} from '../authority/crl/due.ts'
import type { PublishCrl, Published } from '../authority/crl/publish-crl.ts'
import type { Workshop } from '../authority/crl/workshop.ts'
import type { CrlHead } from '../core/crl.ts'
import { ControlError } from '../core/errors.ts'
import { makeOnceMore } from '../core/once-more.ts'
import { minute, second } from '../core/time.ts'
import type { Issuer } from '../pki/issuer.ts'
import type { CrlFiles } from '../store/crl-files.ts'
import type { Log } from './log.ts'

/** A list as it is given out. */
export interface HeldCrl {
  head: CrlHead
  der: Buffer
}

export interface CrlsDeps {
  /** False while it is not known whether the tables were restored: nothing is built then. */
  isOpen: () => boolean
  /** Those that are trusted now; only those whose key this process has get lists from it. */
  issuers: () => Issuer[]
  /** Those and the ones that were removed: each of their lists is a last one, until another certificate of theirs is revoked. */
  everKnown: () => Issuer[]
  files: Pick<CrlFiles, 'heads' | 'readChunks'>
  workshop: Workshop
  /** Given what to do with an own list, the verb. */
  publish: (onPublished: (published: Published) => void) => PublishCrl
  clock: () => number
  log: Log
  observeBuild: (seconds: number) => void
}

/** Milliseconds. */
const tickEvery = second
const lookEvery = 10 * second
/** After a failure, doubled by each one more. */
const firstBackoff = 5 * second
const longestBackoff = minute
/** Another server is building, or was faster. */
const yieldTime = 2 * second

/** The lists of one process: what it gives out, and what it builds when it is due and its turn. */
export const makeCrls = (deps: CrlsDeps) => {
  const { isOpen, issuers, everKnown, files, workshop, clock, log } = deps
  const heads = new Map<string, CrlHead>()
  const held = new Map<string, HeldCrl>()
  const waiting = new Map<string, Waiting>()
  const notBefore = new Map<string, number>()
  const failures = new Map<string, number>()
  const timers: NodeJS.Timeout[] = []
  const startedAt = clock()
  let running = false

  /** What was changed before this process looked at an issuer for the first time, it cannot know: a list since then is needed. */
  const waitingFor = (issuerId: string): Waiting => {
    const known = waiting.get(issuerId)
    if (known !== undefined) return known
    const made = nothingWaits()
    noteRevoked(made, clock())
    waiting.set(issuerId, made)
    return made
  }
  const own = (): Issuer[] => everKnown().filter((issuer) => issuer.signer !== undefined)
  const isRemoved = (issuerId: string): boolean => !issuers().some(({ issuer_id }) => issuer_id === issuerId)
  const each = (note: (waits: Waiting) => void): void => {
    // Who builds none would remember for ever.
    if (running) for (const { issuer_id } of own()) note(waitingFor(issuer_id))
  }

  const noteHead = (head: CrlHead, margin = settling): void => {
    const known = heads.get(head.issuer_id)
    if (known !== undefined && known.number > head.number) return
    heads.set(head.issuer_id, head)
    noteList(waitingFor(head.issuer_id), head, margin)
  }

  const publishNow = deps.publish((published) => {
    const { head, der, unreadable } = published
    noteHead(head, 0)
    held.set(head.issuer_id, { head, der })
    deps.observeBuild(head.build_ms / second)
    const { issuer_id, number, entries, size, build_ms, final } = head
    log.info({ event: 'crl_published', issuer_id, number, entries, size, build_ms, ...(final && { final }) })
    if (unreadable > 0) log.warn({ event: 'crl_records_unreadable', issuer_id, records: unreadable })
  })

  /** Takes over what others have published. */
  const lookOnce = async (): Promise<void> => {
    let gone: string[] = ['']
    for (let tries = 0; gone.length > 0 && tries < 3; tries++) {
      gone = []
      for (const head of await files.heads()) {
        noteHead(head)
        const current = held.get(head.issuer_id)
        if (current !== undefined && (current.head.build_id === head.build_id || current.head.number > head.number))
          continue
        // A small one costs less here than a thread.
        const der = head.chunks === 1 ? await files.readChunks(head) : (await workshop.run('read', head)).der
        if (der === undefined) gone.push(head.issuer_id)
        else held.set(head.issuer_id, { head, der: Buffer.from(der) })
      }
    }
    // Not because of a newer one: they are lost, and another list has to take their place.
    for (const issuerId of gone) noteRevoked(waitingFor(issuerId), clock())
  }
  const { ask: look } = makeOnceMore(
    () => lookOnce().catch((error: Error) => log.debug({ event: 'crl_not_read', reason: error.message })),
    () => running,
  )

  const building = new Map<string, Promise<Published | undefined>>()
  /** One list of an issuer at a time. */
  const build = (issuer: Issuer, order: Partial<Parameters<PublishCrl>[0]>): Promise<Published | undefined> => {
    const before = building.get(issuer.issuer_id) ?? Promise.resolve(undefined)
    const built = before.catch(() => undefined).then(() => publishNow({ ...order, issuer }))
    building.set(issuer.issuer_id, built)
    return built.finally(() => {
      if (building.get(issuer.issuer_id) === built) building.delete(issuer.issuer_id)
    })
  }

  const isDue = (issuerId: string, head: CrlHead | undefined): boolean =>
    dueAt(head, waitingFor(issuerId), isRemoved(issuerId)) <= clock()

  const tick = (): void => {
    if (!isOpen()) return
    for (const issuer of own()) {
      const { issuer_id } = issuer
      if (building.has(issuer_id) || (notBefore.get(issuer_id) ?? 0) > performance.now()) continue
      if (!isDue(issuer_id, heads.get(issuer_id))) continue
      const stillDue = (newest: CrlHead | undefined): boolean => {
        if (newest !== undefined) noteHead(newest)
        return isDue(issuer_id, newest)
      }
      build(issuer, { stillDue, final: isRemoved(issuer_id) }).then(
        (published) => {
          failures.delete(issuer_id)
          if (published === undefined) notBefore.set(issuer_id, performance.now() + yieldTime)
          if (published === undefined) void look()
        },
        (error: Error) => {
          if (!running) return
          const failed = (failures.get(issuer_id) ?? 0) + 1
          failures.set(issuer_id, failed)
          notBefore.set(issuer_id, performance.now() + Math.min(longestBackoff, firstBackoff * 2 ** (failed - 1)))
          const cause = error.cause instanceof Error ? `: ${error.cause.message}` : ''
          log.warn({ event: 'crl_failed', issuer_id, reason: `${error.message}${cause}` })
        },
      )
    }
  }

  return {
    /** The newest list that this process has; `pending` when there will be one soon, undefined for an unknown issuer. */
    get: (issuerId: string): HeldCrl | 'pending' | undefined =>
      held.get(issuerId) ??
      (heads.has(issuerId) || own().some((issuer) => issuer.issuer_id === issuerId) ? 'pending' : undefined),

    /** Certificates were revoked, or a time went by of which this process knows nothing. */
    revoked: (): void => each((waits) => noteRevoked(waits, clock())),
    /** A certificate will count as superseded from `at` on, Unix milliseconds. */
    superseded: (at: number): void => each((waits) => noteSuperseded(waits, at)),
    /** Another server has published one. */
    published: (): void => void look(),

    /** Publishes a list at once, whether one is due or not; waits for its turn for 10 s at the longest. */
    publish: async (issuerId: string, { final = false }: { final?: boolean } = {}): Promise<CrlHead> => {
      const issuer = everKnown().find((one) => one.issuer_id === issuerId)
      if (issuer === undefined) throw new ControlError('not_found', 'there is no issuer of this id')
      for (const until = performance.now() + lookEvery; performance.now() < until; ) {
        const published = await build(issuer, { final })
        if (published !== undefined) return published.head
        await new Promise((resolve) => setTimeout(resolve, second / 2))
      }
      throw new ControlError('store_unavailable', 'another server is publishing a list of this issuer; try again')
    },

    /** What alarms are made of, by issuer: seconds since the newest list, or since the start when there is none. */
    ages: (): { issuer: string; age_seconds: number; entries: number }[] =>
      issuers().flatMap(({ issuer_id, signer }) => {
        const head = heads.get(issuer_id)
        if (head?.final || (head === undefined && signer === undefined)) return []
        const age_seconds = Math.max(0, clock() - (head?.this_update ?? startedAt)) / second
        return [{ issuer: issuer_id, age_seconds, entries: head?.entries ?? 0 }]
      }),

    start: async (): Promise<void> => {
      running = true
      each(() => undefined)
      await look()
      if (!running) return
      tick()
      timers.push(
        setInterval(tick, tickEvery),
        setInterval(() => void look(), lookEvery),
      )
    },
    stop: async (): Promise<void> => {
      running = false
      for (const timer of timers) clearInterval(timer)
      await workshop.stop()
    },
  }
}
export type Crls = ReturnType<typeof makeCrls>

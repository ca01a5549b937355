import { lowestIdAt, timeOrderedId } from '../core/ids.ts'
import { hour, hourOf, minute, second } from '../core/time.ts'
import type { Item, Store, TransactItem } from './client.ts'
import { withDeadline } from './deadline.ts'
import { insist } from './persist.ts'
import { controlKey } from './schema.ts'

/** A change of rights, as every server has to learn of it. Times in Unix milliseconds. */
export type Change =
  | { type: 'certificates_revoked'; principal_id: string; serial_numbers: string[] }
  | { type: 'certificate_superseded'; principal_id: string; serial_number: string; superseded_at: number }
  | {
      type: 'principal_suspended' | 'principal_activated' | 'principal_deleted' | 'principal_updated'
      principal_id: string
    }
  | { type: 'revocation_started'; revocation_id: string }
  | { type: 'authorities_changed' }
  /** Holders of an issuer's certificates are asked to renew by `renew_until` (Unix ms). */
  | { type: 'issuer_retired'; issuer_id: string; renew_until: number }
  | { type: 'crl_published'; issuer_id: string }
  | { type: 'command_created'; principal_id: string; command_id: string }
  | {
      /** The event stream `stream_id` ends: its certificate has begun another one, elsewhere. */
      type: 'stream_replaced'
      principal_id: string
      serial_number: string
      stream_id: string
      /** Of the new one. */
      instance: string
      remote_address: string
      request_id: string
    }

/** One record of the feed: what a transaction changed, and when its writer accepted it. */
export interface FeedRecord {
  id: string
  at: number
  changes: Change[]
}

/** Clocks differ and commits finish out of order: what was read is read again this far back. Milliseconds. */
const overlap = 10 * second
/** A reader that saw nothing for so long knows nothing any more. Milliseconds. */
export const feedGap = 30 * second
const lifeOfRecord = hour
/** What DynamoDB takes in one call. */
const keysPerRead = 100
/** A clock further off the store's than this decides wrongly about expiry, and reads and writes feed keys out of order. */
export const largestSkew = 3 * second

/** The item of a transaction that tells the other servers; each attempt needs a new one. */
export const feedItem = (store: Store, changes: Change[], now: number): { item: TransactItem; record: FeedRecord } => {
  const id = timeOrderedId(now)
  const record = { id, at: now, changes }
  return {
    record,
    item: {
      Put: {
        TableName: store.tables.control,
        Item: { ...controlKey.feed(hourOf(now), id), at: now, changes, ttl: Math.floor((now + lifeOfRecord) / 1000) },
      },
    },
  }
}

/** Tells every server of something that no transaction has written; own effects come first, as with a transaction. */
export const makeFeedWriter =
  (deps: { store: Store; clock: () => number; onCommitted: (record: FeedRecord) => void }) =>
  async (changes: Change[]): Promise<void> => {
    const { item, record } = feedItem(deps.store, changes, deps.clock())
    deps.onCommitted(record)
    const { Put } = item
    if (Put !== undefined) await insist(() => deps.store.put(Put))
  }

export interface FeedReaderDeps {
  store: Store
  clock: () => number
  /** Milliseconds between reads. */
  interval: number
  onRecord: (record: FeedRecord) => void
  /** Nothing was read for over 30 s: whatever was decided before may be wrong. */
  onGap: () => void
  onFailure: (error: unknown) => void
  /** Told when that read began: on the clock, and on that of `performance.now()`. */
  onSuccess?: (at: number, started: number) => void
}

/** Reads what is new in the feed, again and again, strongly consistent. */
export const makeFeedReader = ({ store, clock, interval, onRecord, onGap, onFailure, onSuccess }: FeedReaderDeps) => {
  const known = new Map<string, number>()
  const heldBack = new Map<string, Change[]>()
  let lastSuccess = 0
  // On a clock that nobody sets, but that may stand still while a machine sleeps: the two make up for each other.
  let succeededAt = 0
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  const isKnown = (id: string): boolean => known.has(id) || heldBack.has(id)

  const take = (item: Item): void => {
    const id = String(item['sk'])
    if (isKnown(id)) return
    known.set(id, performance.now())
    onRecord({ id, at: Number(item['at']), changes: (item['changes'] ?? []) as Change[] })
  }

  const pagesOf = async (bucket: string, from: string, more: object, each: (items: Item[]) => void): Promise<void> => {
    let startKey: Item | undefined
    do {
      const page = await store.query({
        TableName: store.tables.control,
        KeyConditionExpression: '#pk = :pk AND #sk >= :from',
        ExpressionAttributeNames: { '#pk': 'pk', '#sk': 'sk' },
        ExpressionAttributeValues: { ':pk': controlKey.feed(bucket, '').pk, ':from': from },
        ConsistentRead: true,
        ...more,
        ...(startKey === undefined ? {} : { ExclusiveStartKey: startKey }),
      })
      each(page.Items ?? [])
      startKey = page.LastEvaluatedKey
    } while (startKey !== undefined)
  }

  const readHour = (bucket: string, from: string): Promise<void> =>
    pagesOf(bucket, from, {}, (items) => {
      for (const item of items) take(item)
    })

  /**
   * The same, of which nearly all is known: their ids, then the records that are new. A record is never changed, and its
   * id never used again (`feedItem`), so one that is known is known whole.
   */
  const readNews = async (bucket: string, from: string): Promise<void> => {
    const ids: string[] = []
    await pagesOf(bucket, from, { ProjectionExpression: '#sk' }, (items) => {
      for (const item of items) if (!isKnown(String(item['sk']))) ids.push(String(item['sk']))
    })
    const table = store.tables.control
    for (let at = 0; at < ids.length; at += keysPerRead) {
      const some = ids.slice(at, at + keysPerRead)
      const found = await store.batchGet([{ table, keys: some.map((id) => controlKey.feed(bucket, id)) }])
      const byId = new Map((found.get(table) ?? []).map((item) => [String(item['sk']), item]))
      // In the order of the feed. One that is no longer there is asked for again, as long as it is listed.
      for (const id of some) {
        const item = byId.get(id)
        if (item !== undefined) take(item)
      }
    }
  }

  const poll = async (): Promise<void> => {
    const now = clock()
    const started = performance.now()
    const silence = lastSuccess === 0 ? 0 : Math.max(now - lastSuccess, started - succeededAt)
    if (silence > feedGap) onGap()
    const from = now - Math.min(silence, lifeOfRecord) - overlap
    // A writer's clock may be ahead by what readiness allows: its hour is read as well.
    const buckets = new Set([hourOf(from), hourOf(now), hourOf(now + overlap)])
    for (let at = from; at < now; at += hour) buckets.add(hourOf(at))
    // After a silence most is new, and read in whole pages.
    const read = lastSuccess === 0 || silence > overlap ? readHour : readNews
    await withDeadline(5 * second, async () => {
      for (const bucket of buckets) await read(bucket, lowestIdAt(from))
    })
    // By a clock that is ahead, all that others write lies in the past: nothing new is no news.
    if (store.clockSkew() > largestSkew) throw new Error('the clock differs from that of the store')
    lastSuccess = now
    succeededAt = started
    onSuccess?.(now, started)
    for (const [id, seenAt] of known) {
      if (started - seenAt < minute) break
      known.delete(id)
    }
  }

  const turn = async (): Promise<void> => {
    const started = performance.now()
    await poll().catch(onFailure)
    if (!stopped) timer = setTimeout(turn, Math.max(0, interval - (performance.now() - started)))
  }

  return {
    /** Resolves after the first attempt to read, whatever became of it. */
    start: async (): Promise<void> => {
      stopped = false
      await turn()
    },
    stop: (): void => {
      stopped = true
      clearTimeout(timer)
    },
    /** This process wrote the record itself, and has acted on it. */
    noteOwn: (id: string): void => {
      known.set(id, performance.now())
    },
    /**
     * This process is writing the record and acts on it itself when it is there; what is returned ends the wait. The
     * overlap outlasts any attempt to write, so a record that nobody has acted on by then is read after all.
     */
    holdBack: ({ id, changes }: Pick<FeedRecord, 'id' | 'changes'>): (() => void) => {
      heldBack.set(id, changes)
      return () => heldBack.delete(id)
    },
    /** True while this process is writing a record about the principal. */
    isWriting: (principalId: string): boolean => {
      const concerns = (change: Change) => 'principal_id' in change && change.principal_id === principalId
      return [...heldBack.values()].some((changes) => changes.some(concerns))
    },
    /** Unix milliseconds of the last read that succeeded, 0 before the first. */
    lastSuccessAt: (): number => lastSuccess,
  }
}
export type FeedReader = ReturnType<typeof makeFeedReader>

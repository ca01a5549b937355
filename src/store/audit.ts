import type { Attribution } from '../core/audit.ts'
import { auditDaysKept, type PlainEvent } from '../core/audit-chain.ts'
import { ControlError } from '../core/errors.ts'
import { lowestIdAt, timeOfId, timeOrderedId } from '../core/ids.ts'
import { day, dayOf, toRfc3339 } from '../core/time.ts'
import type { ChainWriter } from './chain-writer.ts'
import type { Item, Store, TransactItem } from './client.ts'
import { failureOf } from './failures.ts'
import { decodePageToken, encodePageToken, type Page } from './pages.ts'
import { auditShards, controlKey } from './schema.ts'

/** What a verb says of its own effect; `before` and `after` hold the changed fields only. */
export interface EventDraft {
  action: string
  target: string
  outcome?: 'success' | 'denied'
  code?: string
  before?: Item
  after?: Item
}

export interface EventRecord extends EventDraft, Attribution {
  event_id: string
  at: number
  outcome: 'success' | 'denied'
}

const daysKept = auditDaysKept
/** How many days a page looks through before it is given out short. */
const daysPerPage = 40

const shardOf = (eventId: string): number => Number.parseInt(eventId.slice(-2), 16) % auditShards

export const keyOfEvent = (eventId: string) => controlKey.audit(dayOf(timeOfId(eventId)), shardOf(eventId), eventId)

/** An event as it will stand in the table. */
export const eventOf = (eventId: string, draft: EventDraft, attribution: Attribution): EventRecord => {
  const { actor, request_id, remote_address } = attribution
  const at = timeOfId(eventId)
  return { outcome: 'success', ...draft, event_id: eventId, at, actor, request_id, remote_address }
}

/** The same as the API and an export show it, and as its hash is made over it. */
export const plainEvent = ({ at, code, before, after, ...event }: EventRecord): PlainEvent => ({
  event_id: event.event_id,
  at: toRfc3339(at),
  actor: event.actor,
  action: event.action,
  target: event.target,
  outcome: event.outcome,
  ...(code === undefined ? {} : { code }),
  request_id: event.request_id,
  remote_address: event.remote_address,
  ...(before === undefined ? {} : { before }),
  ...(after === undefined ? {} : { after }),
})

/**
 * The two items of an event: by day, and by target. The first is refused when the event is there already; it also says
 * by which process's `chain` the event will be linked, for those who clean up after a crash.
 */
export const eventItems = (
  store: Store,
  eventId: string,
  draft: EventDraft,
  attribution: Attribution,
  chain?: string,
): TransactItem[] => {
  const event = eventOf(eventId, draft, attribution)
  const ttl = Math.floor((event.at + daysKept * day) / 1000)
  const TableName = store.tables.control
  return [
    {
      Put: {
        TableName,
        Item: { ...keyOfEvent(eventId), ...event, chain, ttl },
        ConditionExpression: 'attribute_not_exists(#pk)',
        ExpressionAttributeNames: { '#pk': 'pk' },
      },
    },
    { Put: { TableName, Item: { ...controlKey.target(draft.target, eventId), ...event, ttl } } },
  ]
}

/** Key, expiry and chain are the table's own. */
export const eventFromItem = ({ pk: _pk, sk: _sk, ttl: _ttl, chain: _chain, ...event }: Item): EventRecord =>
  event as unknown as EventRecord

/** Times in Unix milliseconds. */
export interface EventQuery {
  since: number
  /** Nobody asked for this `since`: another one on the next page is no other filter, and the first holds. */
  since_by_default?: boolean
  until?: number
  target?: string
  actor?: string
  action?: string
  limit: number
  page_token?: string
}

/** `chain` takes up the events that were committed. */
export const makeAudit = (store: Store, chain?: ChainWriter) => {
  const table = store.tables.control

  const readDown = async (pk: string, from: string, before: string, limit: number): Promise<EventRecord[]> => {
    const items: Item[] = []
    let startKey: Item | undefined
    // One answer holds 1 MB at most, which may be fewer events than were asked for.
    do {
      const page = await store.query({
        TableName: table,
        KeyConditionExpression: '#pk = :pk AND #sk BETWEEN :from AND :before',
        ExpressionAttributeNames: { '#pk': 'pk', '#sk': 'sk' },
        ExpressionAttributeValues: { ':pk': pk, ':from': from, ':before': before },
        ScanIndexForward: false,
        Limit: limit + 1 - items.length,
        ...(startKey === undefined ? {} : { ExclusiveStartKey: startKey }),
      })
      items.push(...(page.Items ?? []))
      startKey = page.LastEvaluatedKey
    } while (startKey !== undefined && items.length <= limit)
    return items
      .map(eventFromItem)
      .filter((event) => event.event_id !== before)
      .slice(0, limit)
  }

  return {
    /** Whether an event, and with it the transaction that wrote it, was committed. Strongly consistent. */
    exists: async (eventId: string): Promise<boolean> =>
      (await store.get({ TableName: table, Key: keyOfEvent(eventId), ProjectionExpression: 'pk' })) !== undefined,

    /** Records what changed nothing: a denial. */
    record: async (draft: EventDraft, attribution: Attribution, now: number): Promise<void> => {
      await chain?.open()
      const id = timeOrderedId(now)
      try {
        await store.transact(eventItems(store, id, draft, attribution, chain?.name()))
      } catch (error) {
        if (failureOf(error).kind === 'unknown') chain?.uncertain([id])
        throw error
      }
      chain?.committed([eventOf(id, draft, attribution)])
    },

    /** Newest first. */
    list: async (query: EventQuery): Promise<Page<EventRecord>> => {
      const { target, actor, action, limit } = query
      const filters = {
        list: 'audit',
        target,
        actor,
        action,
        since: query.since_by_default ? undefined : query.since,
        until: query.until,
      }
      const position = query.page_token === undefined ? undefined : decodePageToken(filters, query.page_token)
      const since = Number(position?.['s'] ?? query.since)
      const before = String(position?.['b'] ?? lowestIdAt((query.until ?? Date.now() + day) + 1))
      if (!Number.isSafeInteger(since) || !/^[0-9a-f]{12,32}$/.test(before))
        throw new ControlError('invalid_request', 'page_token is not one that a list has given out')
      const from = lowestIdAt(since)
      const wanted = (event: EventRecord) =>
        (actor === undefined || event.actor === actor) && (action === undefined || event.action === action)
      const pageFrom = (events: EventRecord[], next: string | undefined): Page<EventRecord> => ({
        items: events.filter(wanted),
        ...(next === undefined || next <= from
          ? {}
          : { next_page_token: encodePageToken(filters, { s: since, b: next }) }),
      })

      if (target !== undefined) {
        const events = await readDown(controlKey.target(target, '').pk, from, before, limit)
        return pageFrom(events, events.length === limit ? events.at(-1)?.event_id : undefined)
      }
      const found: EventRecord[] = []
      const oldest = Math.floor(Math.max(since, timeOfId(before) - daysKept * day) / day) * day
      let at = Math.floor(Math.min(timeOfId(before), Date.now() + day) / day) * day
      for (let days = 0; at >= oldest; at -= day, days++) {
        if (days === daysPerPage) return pageFrom(found, lowestIdAt(at + day))
        const shards = await Promise.all(
          Array.from({ length: auditShards }, (_, shard) =>
            readDown(controlKey.audit(dayOf(at), shard, '').pk, from, before, limit),
          ),
        )
        const events = shards.flat().sort((a, b) => (a.event_id < b.event_id ? 1 : -1))
        for (const event of events) {
          if (found.length === limit) return pageFrom(found, found.at(-1)?.event_id)
          found.push(event)
        }
        if (found.length === limit) return pageFrom(found, found.at(-1)?.event_id)
      }
      return pageFrom(found, undefined)
    },
  }
}
export type Audit = ReturnType<typeof makeAudit>

import type { Attribution } from '../core/audit.ts'
import { ControlError } from '../core/errors.ts'
import { lowestIdAt, timeOfId, timeOrderedId } from '../core/ids.ts'
import { day, dayOf } from '../core/time.ts'
import type { Item, Store, TransactItem } from './client.ts'
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

const daysKept = 400
/** How many days a page looks through before it is given out short. */
const daysPerPage = 40

const shardOf = (eventId: string): number => Number.parseInt(eventId.slice(-2), 16) % auditShards

const keyOfEvent = (eventId: string) => controlKey.audit(dayOf(timeOfId(eventId)), shardOf(eventId), eventId)

/** The two items of an event: by day, and by target. The first is refused when the event is there already. */
export const eventItems = (
  store: Store,
  eventId: string,
  draft: EventDraft,
  attribution: Attribution,
): TransactItem[] => {
  const at = timeOfId(eventId)
  const { actor, request_id, remote_address } = attribution
  const event: EventRecord = { outcome: 'success', ...draft, event_id: eventId, at, actor, request_id, remote_address }
  const ttl = Math.floor((at + daysKept * day) / 1000)
  const TableName = store.tables.control
  return [
    {
      Put: {
        TableName,
        Item: { ...keyOfEvent(eventId), ...event, ttl },
        ConditionExpression: 'attribute_not_exists(#pk)',
        ExpressionAttributeNames: { '#pk': 'pk' },
      },
    },
    { Put: { TableName, Item: { ...controlKey.target(draft.target, eventId), ...event, ttl } } },
  ]
}

const eventFromItem = ({ pk: _pk, sk: _sk, ttl: _ttl, ...event }: Item): EventRecord => event as unknown as EventRecord

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

export const makeAudit = (store: Store) => {
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
      await store.transact(eventItems(store, timeOrderedId(now), draft, attribution))
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

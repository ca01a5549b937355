import type { Attribution } from '../core/audit.ts'
import { auditDaysKept } from '../core/audit-chain.ts'
import { ControlError } from '../core/errors.ts'
import { lowestIdAt, timeOfId, timeOrderedId } from '../core/ids.ts'
import { day, dayOf } from '../core/time.ts'
import { type EventDraft, type EventRecord, eventFromItem, eventItems, eventOf, keyOfEvent } from './audit-event.ts'
import type { ChainWriter } from './chain-writer.ts'
import type { Item, Store } from './client.ts'
import { failureOf } from './failures.ts'
import { decodePageToken, encodePageToken, type Page } from './pages.ts'
import { auditShards, controlKey } from './schema.ts'

/** How many days a page looks through before it is given out short. */
const daysPerPage = 40

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
      const oldest = Math.floor(Math.max(since, timeOfId(before) - auditDaysKept * day) / day) * day
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

import type { Attribution } from '../core/audit.ts'
import { auditDaysKept, type PlainEvent } from '../core/audit-chain.ts'
import { timeOfId } from '../core/ids.ts'
import { day, dayOf, toRfc3339 } from '../core/time.ts'
import type { Item, Store, TransactItem } from './client.ts'
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
  const ttl = Math.floor((event.at + auditDaysKept * day) / 1000)
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

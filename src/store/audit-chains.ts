import { lowestIdAt } from '../core/ids.ts'
import { day, dayOf } from '../core/time.ts'
import { type EventRecord, eventFromItem, keyOfEvent } from './audit-event.ts'
import { headAfter, type Link, linkFromItem, type OpenChain, openFromItem, ttlAt } from './audit-link.ts'
import type { Item, Store } from './client.ts'
import { updateItem } from './expression.ts'
import { insist } from './persist.ts'
import { auditShards, controlKey } from './schema.ts'

/** The chains over audit events, as they stand in the control table. */
export const makeAuditChains = (store: Store) => {
  const table = store.tables.control

  const queryAll = async (pk: string, from: string, to: string, more: Item = {}): Promise<Item[]> => {
    const items: Item[] = []
    let startKey: Item | undefined
    do {
      const page = await store.query({
        TableName: table,
        KeyConditionExpression: '#pk = :pk AND #sk BETWEEN :from AND :to',
        ConsistentRead: true,
        ...more,
        ExpressionAttributeNames: { '#pk': 'pk', '#sk': 'sk', ...(more['ExpressionAttributeNames'] as Item) },
        ExpressionAttributeValues: {
          ':pk': pk,
          ':from': from,
          ':to': to,
          ...(more['ExpressionAttributeValues'] as Item),
        },
        ...(startKey === undefined ? {} : { ExclusiveStartKey: startKey }),
      } as Parameters<Store['query']>[0])
      items.push(...(page.Items ?? []))
      startKey = page.LastEvaluatedKey
    } while (startKey !== undefined)
    return items
  }

  /** Strongly consistent; in no order; what is not there is left out. */
  const eventsByIds = async (ids: string[]): Promise<Map<string, EventRecord>> => {
    const found = new Map<string, EventRecord>()
    for (let at = 0; at < ids.length; at += 100) {
      const answer = await store.batchGet([{ table, keys: ids.slice(at, at + 100).map(keyOfEvent) }])
      for (const event of (answer.get(table) ?? []).map(eventFromItem)) found.set(event.event_id, event)
    }
    return found
  }

  return {
    eventsByIds,

    /** Makes a chain known, before any event names it. Repeated, it does nothing. */
    begin: async (chain: string, hash: string, now: number): Promise<void> => {
      const row = { seq: 0, hash, at: now, alive_at: now, linked_until: now }
      const condition = { ConditionExpression: 'attribute_not_exists(#pk)', ExpressionAttributeNames: { '#pk': 'pk' } }
      // The list first: a chain that is listed and has no events harms nobody.
      const listed = { ...controlKey.auditChain(chain), began_at: now }
      await insist(() => store.put({ TableName: table, Item: listed, ...condition }))
      await insist(() =>
        store.put({ TableName: table, Item: { ...controlKey.openAuditChain(chain), ...row }, ...condition }),
      )
    },

    /**
     * Adds a link, moves the end of the chain, or closes it: in one transaction, refused when the chain has another end
     * or is closed. So it never forks, whoever writes, and however late.
     */
    advance: async (
      head: OpenChain,
      link: Link | undefined,
      set: Pick<OpenChain, 'alive_at' | 'linked_until'> & Partial<Pick<OpenChain, 'left_at' | 'closed'>>,
    ): Promise<void> => {
      const { chain } = head
      const after = link === undefined ? { seq: head.seq, hash: head.hash, at: head.at } : headAfter(link)
      await store.transact([
        updateItem({
          table,
          key: controlKey.openAuditChain(chain),
          set: { ...after, ...set },
          condition: '#seq = :before AND #hash = :hash_before AND attribute_not_exists(#closed)',
          values: { ':before': head.seq, ':hash_before': head.hash },
        }),
        ...(link === undefined
          ? []
          : [
              {
                Put: {
                  TableName: table,
                  Item: {
                    ...controlKey.auditLink(chain, link.at),
                    at: link.at,
                    first_seq: link.first_seq,
                    prev_hash: link.prev_hash,
                    entries: link.entries.map(({ event_id, hash }) => `${event_id} ${hash}`).join('\n'),
                    ...(link.recovered ? { recovered: true } : {}),
                    ttl: ttlAt(link.at),
                  },
                  ConditionExpression: 'attribute_not_exists(#pk)',
                  ExpressionAttributeNames: { '#pk': 'pk' },
                },
              },
            ]),
        ...(set.closed
          ? [
              updateItem({
                table,
                key: controlKey.auditChain(chain),
                set: { closed_at: set.alive_at, ttl: ttlAt(set.alive_at) },
              }),
            ]
          : []),
      ])
    },

    /** Strongly consistent. */
    get: async (chain: string): Promise<OpenChain | undefined> => {
      const item = await store.get({ TableName: table, Key: controlKey.openAuditChain(chain) })
      return item && openFromItem(item)
    },

    /** All that are open, and those closed that no checkpoint has taken up; strongly consistent, by name. */
    open: async (): Promise<OpenChain[]> =>
      (await queryAll(controlKey.openAuditChain('').pk, '0', 'g')).map(openFromItem),

    /** Lets go of a chain that is closed and under a checkpoint. */
    forget: async ({ chain, seq }: Pick<OpenChain, 'chain' | 'seq'>): Promise<void> => {
      await store.transact([
        {
          Delete: {
            TableName: table,
            Key: controlKey.openAuditChain(chain),
            ConditionExpression: 'attribute_not_exists(#pk) OR (#closed = :true AND #seq = :seq)',
            ExpressionAttributeNames: { '#pk': 'pk', '#closed': 'closed', '#seq': 'seq' },
            ExpressionAttributeValues: { ':true': true, ':seq': seq },
          },
        },
      ])
    },

    /** Links of a chain made since a time, oldest first; strongly consistent. */
    linksSince: async (chain: string, since: number): Promise<Link[]> => {
      const { pk, sk } = controlKey.auditLink(chain, since)
      return (await queryAll(pk, sk, 'g')).map(linkFromItem)
    },

    /** Events that a process has written between two times, linked or not, oldest first; strongly consistent. */
    writtenBy: async (chain: string, from: number, to: number): Promise<EventRecord[]> => {
      const days: number[] = []
      for (let at = Math.floor(from / day) * day; at <= to; at += day) days.push(at)
      const found: EventRecord[] = []
      for (const at of days)
        for (let shard = 0; shard < auditShards; shard++) {
          const items = await queryAll(
            controlKey.audit(dayOf(at), shard, '').pk,
            lowestIdAt(from),
            lowestIdAt(to + 1),
            {
              FilterExpression: '#chain = :chain',
              ExpressionAttributeNames: { '#chain': 'chain' },
              ExpressionAttributeValues: { ':chain': chain },
            },
          )
          found.push(...items.map(eventFromItem))
        }
      return found.sort((a, b) => (a.event_id < b.event_id ? -1 : 1))
    },
  }
}
export type AuditChains = ReturnType<typeof makeAuditChains>

import { ControlError } from '../core/errors.ts'
import type { AuditChains } from './audit-chains.ts'
import { plainEvent } from './audit-event.ts'
import { type Linked, linkFromItem } from './audit-link.ts'
import type { Item, Store } from './client.ts'
import { decodePageToken, encodePageToken, type Page } from './pages.ts'
import { controlKey } from './schema.ts'

/** What an export reads of the chains, page by page. */
export const makeAuditChainPages = (store: Store, { eventsByIds }: Pick<AuditChains, 'eventsByIds'>) => {
  const table = store.tables.control

  return {
    /** One page of all chains, the oldest first. */
    list: async (query: {
      limit: number
      page_token?: string
    }): Promise<Page<{ chain: string; began_at: number; closed_at?: number }>> => {
      const filters = { list: 'audit-chains' }
      const position = query.page_token === undefined ? {} : decodePageToken(filters, query.page_token)
      const page = await store.query({
        TableName: table,
        KeyConditionExpression: '#pk = :pk AND #sk > :after',
        ExpressionAttributeNames: { '#pk': 'pk', '#sk': 'sk' },
        ExpressionAttributeValues: { ':pk': controlKey.auditChain('').pk, ':after': String(position['a'] ?? '0') },
        ConsistentRead: true,
        Limit: query.limit,
      })
      const items = (page.Items ?? []).map((item) => ({
        chain: String(item['sk']),
        began_at: Number(item['began_at']),
        ...(item['closed_at'] === undefined ? {} : { closed_at: Number(item['closed_at']) }),
      }))
      const last = items.at(-1)
      return {
        items,
        ...(page.LastEvaluatedKey === undefined || last === undefined
          ? {}
          : { next_page_token: encodePageToken(filters, { a: last.chain }) }),
      }
    },

    /** One page of a chain's events in their order, from those linked after a time on. */
    events: async (query: {
      chain: string
      after?: number
      limit: number
      page_token?: string
    }): Promise<Page<Linked>> => {
      const { chain, after, limit } = query
      const filters = { list: 'audit-chain', chain, after }
      const position =
        query.page_token === undefined ? { k: (after ?? -1) + 1, i: 0 } : decodePageToken(filters, query.page_token)
      const from = Number(position['k'])
      let skip = Number(position['i'])
      if (!Number.isSafeInteger(from) || from < 0 || !Number.isSafeInteger(skip) || skip < 0)
        throw new ControlError('invalid_request', 'page_token is not one that a list has given out')
      const { pk, sk } = controlKey.auditLink(chain, from)
      const places: Omit<Linked, 'event'>[] = []
      let next: { k: number; i: number } | undefined
      let startKey: Item | undefined
      read: do {
        const page = await store.query({
          TableName: table,
          KeyConditionExpression: '#pk = :pk AND #sk >= :from',
          ExpressionAttributeNames: { '#pk': 'pk', '#sk': 'sk' },
          ExpressionAttributeValues: { ':pk': pk, ':from': sk },
          ConsistentRead: true,
          // A quiet process makes links of one event each.
          Limit: limit,
          ...(startKey === undefined ? {} : { ExclusiveStartKey: startKey }),
        })
        for (const link of (page.Items ?? []).map(linkFromItem)) {
          let prev_hash = link.prev_hash
          for (const [i, { event_id, hash }] of link.entries.entries()) {
            if (places.length === limit) {
              next = { k: link.at, i }
              break read
            }
            if (i >= skip) places.push({ chain, seq: link.first_seq + i, prev_hash, event_id, hash })
            prev_hash = hash
          }
          skip = 0
        }
        startKey = page.LastEvaluatedKey
      } while (startKey !== undefined)
      const events = await eventsByIds(places.map(({ event_id }) => event_id))
      return {
        items: places.map((place) => {
          const event = events.get(place.event_id)
          return { ...place, ...(event === undefined ? {} : { event: plainEvent(event) }) }
        }),
        ...(next === undefined ? {} : { next_page_token: encodePageToken(filters, next) }),
      }
    },
  }
}
export type AuditChainPages = ReturnType<typeof makeAuditChainPages>

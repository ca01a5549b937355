import type { RevocationRecord } from '../core/revocation.ts'
import { day } from '../core/time.ts'
import type { Item, Store, TransactItem } from './client.ts'
import { updateItem, updateOf } from './expression.ts'
import { failureOf } from './failures.ts'
import { controlKey } from './schema.ts'

const fromItem = ({ pk: _pk, sk: _sk, ttl: _ttl, ...record }: Item): RevocationRecord =>
  record as unknown as RevocationRecord

/** Mass revocations: one record each, and one entry in the list of open ones. */
export const makeRevocations = (store: Store) => {
  const table = store.tables.control
  return {
    get: async (id: string): Promise<RevocationRecord | undefined> => {
      const item = await store.get({ TableName: table, Key: controlKey.revocation(id) })
      return item && fromItem(item)
    },

    create: (record: RevocationRecord): TransactItem[] => [
      {
        Put: {
          TableName: table,
          Item: {
            ...controlKey.revocation(record.revocation_id),
            ...record,
            ttl: Math.floor((record.created_at + 400 * day) / 1000),
          },
          ConditionExpression: 'attribute_not_exists(#pk)',
          ExpressionAttributeNames: { '#pk': 'pk' },
        },
      },
      { Put: { TableName: table, Item: { ...controlKey.openRevocation(record.revocation_id) } } },
    ],

    /** Ids of the unfinished ones, oldest first. */
    open: async (): Promise<string[]> => {
      const page = await store.query({
        TableName: table,
        KeyConditionExpression: '#pk = :pk',
        ExpressionAttributeNames: { '#pk': 'pk' },
        ExpressionAttributeValues: { ':pk': controlKey.openRevocation('').pk },
        ConsistentRead: true,
        Limit: 100,
      })
      return (page.Items ?? []).map((item) => String(item['sk']))
    },

    /** Takes a revocation over until `until` (Unix ms): undefined while another server works on it. */
    lease: async (id: string, owner: string, now: number, until: number): Promise<RevocationRecord | undefined> => {
      try {
        const item = await store.update({
          ...updateOf({
            table,
            key: controlKey.revocation(id),
            set: { state: 'running', lease_owner: owner, lease_until: until },
            condition:
              'attribute_exists(#state) AND #state <> :completed AND (attribute_not_exists(#lease_until) OR #lease_until < :now OR #lease_owner = :owner)',
            values: { ':completed': 'completed', ':now': now, ':owner': owner },
          }),
          ReturnValues: 'ALL_NEW',
        })
        return item && fromItem(item)
      } catch (error) {
        if (failureOf(error).kind === 'condition') return undefined
        throw error
      }
    },

    /** Counts what a transaction of the lease's owner revokes; refused when the lease went to another. */
    count: (id: string, owner: string, by: { matched: number; revoked: number }): TransactItem => ({
      Update: {
        TableName: table,
        Key: controlKey.revocation(id),
        UpdateExpression: 'ADD #matched :matched, #revoked :revoked',
        ConditionExpression: '#lease_owner = :owner',
        ExpressionAttributeNames: { '#matched': 'matched', '#revoked': 'revoked', '#lease_owner': 'lease_owner' },
        ExpressionAttributeValues: { ':matched': by.matched, ':revoked': by.revoked, ':owner': owner },
      },
    }),

    /** Notes that nothing was found any more, the first time; refused when the lease went to another. */
    quiet: async (id: string, owner: string, at: number): Promise<void> => {
      try {
        await store.update(
          updateOf({
            table,
            key: controlKey.revocation(id),
            set: { quiet_at: at },
            condition: '#lease_owner = :owner AND attribute_not_exists(#quiet_at)',
            values: { ':owner': owner },
          }),
        )
      } catch (error) {
        if (failureOf(error).kind !== 'condition') throw error
      }
    },

    complete: (
      id: string,
      owner: string,
      set: { matched: number; revoked: number; completed_at: number },
    ): TransactItem[] => [
      updateItem({
        table,
        key: controlKey.revocation(id),
        set: { ...set, state: 'completed' },
        condition: '#lease_owner = :owner AND #state = :running',
        values: { ':owner': owner, ':running': 'running' },
      }),
      { Delete: { TableName: table, Key: controlKey.openRevocation(id) } },
    ],
  }
}
export type Revocations = ReturnType<typeof makeRevocations>

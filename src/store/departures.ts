import type { Item, Store, TransactItem } from './client.ts'
import { controlKey } from './schema.ts'

/** A principal that is to be deleted once nothing it holds is good any more. Times in Unix milliseconds. */
export interface Departure {
  principal_id: string
  due_at: number
  /** How long after the end of its last certificate. */
  delete_after_expiry_seconds: number
}

/** Principals of tasks and runs that will be over: when to look whether they are. */
export const makeDepartures = (store: Store) => {
  const table = store.tables.control
  const keyOf = ({ due_at, principal_id }: Departure) => controlKey.departure(due_at, principal_id)
  return {
    schedule: (departure: Departure): TransactItem => ({
      Put: { TableName: table, Item: { ...keyOf(departure), ...departure } as Item },
    }),

    /** Forgets one; done again, nothing changes. */
    drop: async (departure: Departure): Promise<void> => {
      await store.transact([{ Delete: { TableName: table, Key: keyOf(departure) } }])
    },

    /** Puts one off to another time. */
    move: async (departure: Departure, dueAt: number): Promise<void> => {
      const later = { ...departure, due_at: dueAt }
      await store.transact([
        { Delete: { TableName: table, Key: keyOf(departure) } },
        { Put: { TableName: table, Item: { ...keyOf(later), ...later } as Item } },
      ])
    },

    /** Those that are due at `now`, the longest due first; at most 100. */
    due: async (now: number): Promise<Departure[]> => {
      const page = await store.query({
        TableName: table,
        KeyConditionExpression: '#pk = :pk AND #sk < :before',
        ExpressionAttributeNames: { '#pk': 'pk', '#sk': 'sk' },
        ExpressionAttributeValues: {
          ':pk': controlKey.departure(0, '').pk,
          ':before': controlKey.departure(now + 1, '').sk,
        },
        ConsistentRead: true,
        Limit: 100,
      })
      return (page.Items ?? []).map(({ pk: _pk, sk: _sk, ...departure }) => departure as unknown as Departure)
    },
  }
}
export type Departures = ReturnType<typeof makeDepartures>

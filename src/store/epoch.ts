import { randomBytes } from 'node:crypto'
import { DescribeTableCommand } from '@aws-sdk/client-dynamodb'
import type { StoreMark, TableIds } from '../core/store-epoch.ts'
import type { Item, Store, TransactItem } from './client.ts'
import { updateOf } from './expression.ts'
import { failureOf } from './failures.ts'
import { insist } from './persist.ts'
import { controlKey } from './schema.ts'

const fromItem = (item: Item): StoreMark => ({
  epoch: String(item['epoch']),
  number: Number(item['number']),
  moved_at: Number(item['moved_at']),
  published: item['published'] === true,
})

/** Describing is the store's slow side: it is not waited for as long as for rows. Milliseconds. */
const describePatience = 2500

/** The mark by which tables are known again, and told from restored ones. */
export const makeStoreEpochs = (store: Store) => {
  const table = store.tables.control
  const key = controlKey.storeEpoch()
  const fresh = (now: number): Item => ({
    ...key,
    epoch: randomBytes(16).toString('hex'),
    number: 1,
    moved_at: now,
    published: false,
  })

  return {
    /** Strongly consistent. */
    get: async (): Promise<StoreMark | undefined> => {
      const item = await store.get({ TableName: table, Key: key })
      return item && fromItem(item)
    },

    /** Marks tables that carry no mark; of several at once, the first one's mark stays. */
    create: async (now: number): Promise<void> => {
      await insist(() =>
        store.put({
          TableName: table,
          Item: fresh(now),
          ConditionExpression: 'attribute_not_exists(#pk)',
          ExpressionAttributeNames: { '#pk': 'pk' },
        }),
      )
    },

    /**
     * Moves the mark on and answers what it is now; undefined when the tables are of another epoch, or, with `from`, when
     * somebody else has moved it. An attempt whose answer is lost has moved it all the same, which does no harm.
     */
    advance: async (epoch: string, now: number, from?: number): Promise<StoreMark | undefined> => {
      try {
        const item = await store.update({
          TableName: table,
          Key: key,
          UpdateExpression: 'SET #moved_at = :now ADD #number :one',
          ConditionExpression: `#epoch = :epoch${from === undefined ? '' : ' AND #number = :from'}`,
          ExpressionAttributeNames: { '#epoch': 'epoch', '#number': 'number', '#moved_at': 'moved_at' },
          ExpressionAttributeValues: {
            ':epoch': epoch,
            ':now': now,
            ':one': 1,
            ...(from === undefined ? {} : { ':from': from }),
          },
          ReturnValues: 'ALL_NEW',
        })
        return item && fromItem(item)
      } catch (error) {
        if (failureOf(error).kind === 'condition') return undefined
        throw error
      }
    },

    /** Notes that the memory outside has been written. */
    publish: async (epoch: string): Promise<void> => {
      const set = { published: true }
      await insist(() =>
        store.update(updateOf({ table, key, set, condition: '#epoch = :epoch', values: { ':epoch': epoch } })),
      )
    },

    /** Begins another epoch in the place of the one that was read; refused when it is another by now. */
    begin: (read: StoreMark | undefined, now: number): { mark: StoreMark; item: TransactItem } => {
      const Item = fresh(now)
      const condition =
        read === undefined
          ? { ConditionExpression: 'attribute_not_exists(#pk)', ExpressionAttributeNames: { '#pk': 'pk' } }
          : {
              ConditionExpression: '#epoch = :epoch',
              ExpressionAttributeNames: { '#epoch': 'epoch' },
              ExpressionAttributeValues: { ':epoch': read.epoch },
            }
      return { mark: fromItem(Item), item: { Put: { TableName: table, Item, ...condition } } }
    },

    /** What the store calls the tables; undefined where it does not say, or not to us. Rejects when it does not answer. */
    tableIds: async (): Promise<TableIds | undefined> => {
      const idOf = async (TableName: string): Promise<string> => {
        const abortSignal = AbortSignal.timeout(describePatience)
        try {
          const { Table } = await store.documents.send(new DescribeTableCommand({ TableName }), { abortSignal })
          return Table?.TableId ?? ''
        } catch (error) {
          if (failureOf(error).kind === 'refused') return ''
          throw error
        }
      }
      const { principals, certificates, control } = store.tables
      const [one, two, three] = await Promise.all([principals, certificates, control].map(idOf))
      return one && two && three ? { principals: one, certificates: two, control: three } : undefined
    },
  }
}
export type StoreEpochs = ReturnType<typeof makeStoreEpochs>

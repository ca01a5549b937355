import { auditDaysKept, type Checkpoint, hashOfCheckpoint } from '../core/audit-chain.ts'
import { canonicalJson } from '../core/canonical.ts'
import { ControlError } from '../core/errors.ts'
import { day } from '../core/time.ts'
import type { Item, Store } from './client.ts'
import { decodePageToken, encodePageToken, type Page } from './pages.ts'
import { controlKey } from './schema.ts'

/** The newest checkpoint. */
export interface LastCheckpoint {
  n: number
  /** Unix milliseconds. */
  at: number
  hash: string
  /** The last one that is in the bucket too; 0: none. */
  kept_n: number
  /** When that one was made, Unix milliseconds. */
  kept_at: number
}

const documentOf = (item: Item): Checkpoint => JSON.parse(String(item['document'])) as Checkpoint

/** Signed checkpoints over all chains; each follows the one before, and no two have the same number. */
export const makeAuditCheckpoints = (store: Store) => {
  const table = store.tables.control
  const { pk } = controlKey.auditCheckpoint(0)

  const read = async (from: number, limit: number, backwards = false): Promise<Item[]> => {
    const { sk } = controlKey.auditCheckpoint(from)
    const page = await store.query({
      TableName: table,
      KeyConditionExpression: `#pk = :pk AND #sk ${backwards ? '<=' : '>='} :from`,
      ExpressionAttributeNames: { '#pk': 'pk', '#sk': 'sk' },
      ExpressionAttributeValues: { ':pk': pk, ':from': sk },
      ConsistentRead: true,
      ScanIndexForward: !backwards,
      Limit: limit,
    })
    return page.Items ?? []
  }

  return {
    /** Strongly consistent. */
    last: async (): Promise<LastCheckpoint | undefined> => {
      const item = await store.get({ TableName: table, Key: controlKey.lastAuditCheckpoint() })
      if (item === undefined) return undefined
      const { n, at, hash, kept_n, kept_at } = item
      return {
        n: Number(n),
        at: Number(at),
        hash: String(hash),
        kept_n: Number(kept_n ?? 0),
        kept_at: Number(kept_at ?? 0),
      }
    },

    /** Throws what the SDK throws: a failed condition when another server has made this number. */
    put: async (checkpoint: Checkpoint): Promise<void> => {
      const { n } = checkpoint
      const at = Date.parse(checkpoint.at)
      await store.transact([
        {
          Update: {
            TableName: table,
            Key: controlKey.lastAuditCheckpoint(),
            UpdateExpression: 'SET #n = :n, #at = :at, #hash = :hash',
            ConditionExpression: n === 1 ? 'attribute_not_exists(#pk)' : '#n = :before',
            ExpressionAttributeNames: { '#n': 'n', '#at': 'at', '#hash': 'hash', ...(n === 1 ? { '#pk': 'pk' } : {}) },
            ExpressionAttributeValues: {
              ':n': n,
              ':at': at,
              ':hash': hashOfCheckpoint(checkpoint),
              ...(n === 1 ? {} : { ':before': n - 1 }),
            },
          },
        },
        {
          Put: {
            TableName: table,
            Item: {
              ...controlKey.auditCheckpoint(at),
              n,
              document: canonicalJson(checkpoint),
              ttl: Math.floor((at + auditDaysKept * day) / 1000),
            },
            ConditionExpression: 'attribute_not_exists(#pk)',
            ExpressionAttributeNames: { '#pk': 'pk' },
          },
        },
      ])
    },

    /** Notes up to where the bucket has them. */
    kept: async (n: number, at: number): Promise<void> => {
      await store.update({
        TableName: table,
        Key: controlKey.lastAuditCheckpoint(),
        UpdateExpression: 'SET #kept_n = :n, #kept_at = :at',
        ExpressionAttributeNames: { '#kept_n': 'kept_n', '#kept_at': 'kept_at' },
        ExpressionAttributeValues: { ':n': n, ':at': at },
      })
    },

    /** So many from a time on, oldest first; strongly consistent. */
    since: async (at: number, limit: number): Promise<Checkpoint[]> => (await read(at, limit)).map(documentOf),

    /** One page, oldest first; it begins with the last one that is not younger than `since`, on which the rest stands. */
    list: async (query: {
      since: number
      until?: number
      limit: number
      page_token?: string
    }): Promise<Page<Checkpoint>> => {
      const { since, until = Number.MAX_SAFE_INTEGER, limit } = query
      const filters = { list: 'audit-checkpoints', since, until: query.until }
      let from = since
      if (query.page_token !== undefined) from = Number(decodePageToken(filters, query.page_token)['a'])
      else {
        const [base] = await read(since, 1, true)
        if (base !== undefined) from = Number(base['sk'])
      }
      if (!Number.isSafeInteger(from) || from < 0)
        throw new ControlError('invalid_request', 'page_token is not one that a list has given out')
      const found = await read(from, limit)
      const items = found.map(documentOf).filter(({ at }) => Date.parse(at) <= until)
      const last = items.at(-1)
      return {
        items,
        ...(found.length < limit || items.length < found.length || last === undefined
          ? {}
          : { next_page_token: encodePageToken(filters, { a: Date.parse(last.at) + 1 }) }),
      }
    },
  }
}
export type AuditCheckpoints = ReturnType<typeof makeAuditCheckpoints>

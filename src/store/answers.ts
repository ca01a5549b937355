import type { Once } from '../core/once.ts'
import type { Store, TransactItem } from './client.ts'
import { failureOf, storeUnavailable } from './failures.ts'
import { controlKey } from './schema.ts'

/** The answer that was given to an Idempotency-Key. */
export interface StoredAnswer {
  status: number
  body: unknown
  body_sha256: string
}

/** How long an answer is kept, seconds. */
const lifeOfAnswer = 24 * 3600

const answerPut = (store: Store, once: Once, body: unknown, now: number) => {
  const nowSeconds = Math.floor(now / 1000)
  return {
    TableName: store.tables.control,
    Item: {
      ...controlKey.answer(once.key),
      status: once.status,
      body: JSON.stringify(body),
      body_sha256: once.body_sha256,
      ttl: once.keep_until === undefined ? nowSeconds + lifeOfAnswer : Math.ceil(once.keep_until / 1000),
    },
    // TTL deletes late: an answer past its time counts as none.
    ConditionExpression: 'attribute_not_exists(#pk) OR #ttl <= :now',
    ExpressionAttributeNames: { '#pk': 'pk', '#ttl': 'ttl' },
    ExpressionAttributeValues: { ':now': nowSeconds },
  }
}

/** The item that stores an answer in the same transaction as its effect. */
export const answerItem = (store: Store, once: Once, body: unknown, now: number): TransactItem => ({
  Put: answerPut(store, once, body, now),
})

export const makeAnswers = (store: Store, clock: () => number) => {
  const find = async (key: string): Promise<StoredAnswer | undefined> => {
    const item = await store.get({ TableName: store.tables.control, Key: controlKey.answer(key) })
    if (item === undefined || Number(item['ttl']) * 1000 <= clock()) return undefined
    return {
      status: Number(item['status']),
      body: JSON.parse(String(item['body'])),
      body_sha256: String(item['body_sha256']),
    }
  }
  return {
    find,
    /** Keeps the answer of a request that changed nothing; when another was first, that one is returned. */
    keep: async (once: Once, body: unknown): Promise<StoredAnswer | undefined> => {
      try {
        await store.put(answerPut(store, once, body, clock()))
        once.kept = true
        return undefined
      } catch (error) {
        if (failureOf(error).kind === 'condition') return find(once.key)
        throw storeUnavailable(error)
      }
    },
  }
}
export type Answers = ReturnType<typeof makeAnswers>

import type { Store, TransactItem } from './client.ts'
import { controlKey } from './schema.ts'

/** Proofs that were used, for as long as they could be used again. */
export const makeUsedProofs = (store: Store) => {
  const table = store.tables.control
  return {
    /** Whether it was used and is remembered at `now` (Unix ms). Strongly consistent. */
    has: async (proofId: string, now: number): Promise<boolean> => {
      const item = await store.get({ TableName: table, Key: controlKey.usedProof(proofId) })
      return item !== undefined && Number(item['keep_until']) > now
    },

    /** Remembers a use until `keepUntil` (Unix ms); refused when it is remembered already. */
    use: (proofId: string, keepUntil: number, now: number): TransactItem => ({
      Put: {
        TableName: table,
        Item: {
          ...controlKey.usedProof(proofId),
          used_at: now,
          keep_until: keepUntil,
          ttl: Math.ceil(keepUntil / 1000),
        },
        // TTL deletes late: one past its time counts as none.
        ConditionExpression: 'attribute_not_exists(#pk) OR #keep_until <= :now',
        ExpressionAttributeNames: { '#pk': 'pk', '#keep_until': 'keep_until' },
        ExpressionAttributeValues: { ':now': now },
      },
    }),
  }
}
export type UsedProofs = ReturnType<typeof makeUsedProofs>

import type { Item, Store, TransactItem } from './client.ts'
import { conditionItem } from './expression.ts'
import { controlKey } from './schema.ts'

/** What is known of a public key. */
export interface KeyRecord {
  principal_id: string
  compromised_at?: number
}

export const makeKeys = (store: Store) => {
  const table = store.tables.control
  return {
    get: async (spkiSha256: string): Promise<KeyRecord | undefined> =>
      (await store.get({ TableName: table, Key: controlKey.key(spkiSha256) })) as KeyRecord | undefined,

    /** Binds a key to a principal; refused when it is another's, or was compromised. `ttl` in Unix seconds. */
    bind: (spkiSha256: string, principalId: string, ttl: number): TransactItem => ({
      Update: {
        TableName: table,
        Key: controlKey.key(spkiSha256),
        UpdateExpression: 'SET #principal_id = :principal, #ttl = :ttl',
        ConditionExpression:
          'attribute_not_exists(#pk) OR (#principal_id = :principal AND attribute_not_exists(#compromised_at))',
        ExpressionAttributeNames: {
          '#pk': 'pk',
          '#principal_id': 'principal_id',
          '#ttl': 'ttl',
          '#compromised_at': 'compromised_at',
        },
        ExpressionAttributeValues: { ':principal': principalId, ':ttl': ttl },
      },
    }),

    /** A key must be nobody's, and never have been burnt. */
    mustBeFree: (spkiSha256: string): TransactItem =>
      conditionItem({ table, key: controlKey.key(spkiSha256), condition: 'attribute_not_exists(#pk)' }),

    /** Burns a key for good: the record loses its TTL. */
    burn: (spkiSha256: string, principalId: string, at: number): TransactItem => ({
      Update: {
        TableName: table,
        Key: controlKey.key(spkiSha256),
        UpdateExpression: 'SET #principal_id = :principal, #compromised_at = :at REMOVE #ttl',
        ExpressionAttributeNames: {
          '#principal_id': 'principal_id',
          '#ttl': 'ttl',
          '#compromised_at': 'compromised_at',
        },
        ExpressionAttributeValues: { ':principal': principalId, ':at': at } as Item,
      },
    }),
  }
}
export type Keys = ReturnType<typeof makeKeys>

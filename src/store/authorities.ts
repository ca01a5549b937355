import { X509Certificate } from 'node:crypto'
import type { AuthorityRecord, StoredAuthorities } from '../core/authority.ts'
import type { Item, Store, TransactItem } from './client.ts'
import { putNew } from './expression.ts'
import { insist } from './persist.ts'
import { controlKey } from './schema.ts'

/** Beside the issuers in their partition; no issuer_id is like it. */
const pointerKey = controlKey.authority('ACTIVE')

const fromItem = ({ pk: _pk, sk, ...record }: Item): AuthorityRecord => ({
  ...(record as unknown as AuthorityRecord),
  issuer_id: String(sk),
  version: Number(record['version'] ?? 1),
})

/** A row that somebody has damaged is none. */
const isReadable = ({ certificate_der }: AuthorityRecord): boolean => {
  try {
    return new X509Certificate(certificate_der).raw.length > 0
  } catch {
    return false
  }
}

/** The issuers that the registry knows of, and which of them signs; and what each version of the trust bundle held. */
export const makeAuthorityRecords = (store: Store) => {
  const table = store.tables.control
  const itemOf = (record: AuthorityRecord): Item => ({ ...controlKey.authority(record.issuer_id), ...record })

  return {
    /** Strongly consistent. */
    read: async (): Promise<StoredAuthorities> => {
      const items: Item[] = []
      let startKey: Item | undefined
      do {
        const page = await store.query({
          TableName: table,
          KeyConditionExpression: '#pk = :pk',
          ExpressionAttributeNames: { '#pk': 'pk' },
          ExpressionAttributeValues: { ':pk': pointerKey.pk },
          ConsistentRead: true,
          ...(startKey === undefined ? {} : { ExclusiveStartKey: startKey }),
        })
        items.push(...(page.Items ?? []))
        startKey = page.LastEvaluatedKey
      } while (startKey !== undefined)
      const pointer = items.find(({ sk }) => sk === pointerKey.sk)
      return {
        issuers: items
          .filter((item) => item !== pointer)
          .map(fromItem)
          .filter(isReadable),
        ...(pointer && {
          active: {
            issuer_id: String(pointer['issuer_id']),
            version: Number(pointer['version'] ?? 0),
            ...(pointer['adopted'] === true ? { adopted: true } : {}),
          },
        }),
      }
    },

    create: (record: AuthorityRecord): TransactItem => putNew(table, itemOf(record), 'pk'),

    /** Replaces the record that was read; refused when it has changed since. */
    replace: (read: AuthorityRecord, record: AuthorityRecord): TransactItem => ({
      Put: {
        TableName: table,
        Item: itemOf(record),
        ConditionExpression: '#version = :version',
        ExpressionAttributeNames: { '#version': 'version' },
        ExpressionAttributeValues: { ':version': read.version },
      },
    }),

    /** Forgets a record that was read; refused when it has changed since. */
    forget: (read: AuthorityRecord): TransactItem => ({
      Delete: {
        TableName: table,
        Key: controlKey.authority(read.issuer_id),
        ConditionExpression: '#version = :version',
        ExpressionAttributeNames: { '#version': 'version' },
        ExpressionAttributeValues: { ':version': read.version },
      },
    }),

    /**
     * Part of every change of an issuer: says which one signs, and is refused when anything has changed since `read`.
     * So all changes come one after the other, each decided by what the one before has left.
     */
    point: (
      read: StoredAuthorities,
      { issuer_id, adopted }: { issuer_id: string; adopted?: boolean },
    ): TransactItem => {
      const version = (read.active?.version ?? 0) + 1
      const Item = { ...pointerKey, issuer_id, version, ...(adopted ? { adopted } : {}) }
      if (read.active === undefined) return putNew(table, Item, 'pk')
      return {
        Put: {
          TableName: table,
          Item,
          ConditionExpression: '#version = :version',
          ExpressionAttributeNames: { '#version': 'version' },
          ExpressionAttributeValues: { ':version': read.active.version },
        },
      }
    },

    /** Writes down which roots (SHA-256 of the DER, hex) a version of the trust bundle holds. */
    keepBundle: async ({ version, sha256 }: { version: string; sha256: string[] }): Promise<void> => {
      await insist(() => store.put({ TableName: table, Item: { ...controlKey.trust(version), sha256 } }))
    },

    /** The roots of a version of the trust bundle; undefined when no server has had it. */
    rootsOf: async (version: string): Promise<string[] | undefined> => {
      const item = await store.get({ TableName: table, Key: controlKey.trust(version) })
      return item && (item['sha256'] as string[])
    },
  }
}
export type AuthorityRecords = ReturnType<typeof makeAuthorityRecords>

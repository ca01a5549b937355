import type { RevocationReason } from '../core/certificate.ts'
import { ttlOfCertificate } from './certificates.ts'
import type { Item, Store, TransactItem } from './client.ts'
import { controlKey } from './schema.ts'

export interface CrlEntry {
  issuer_id: string
  serial_number: string
  /** When it counts from, Unix milliseconds. Of one that was superseded: the end of its grace, which may lie ahead. */
  revoked_at: number
  reason: RevocationReason
  /** Of one that was superseded by the use of its successor, and not revoked: when that was. */
  superseded_at?: number
  expires_at: number
}

/** Two hex digits each. */
const shards = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, '0'))
/** More would not be faster, and keep a store that answers one at a time from everybody else. */
const readAtOnce = 4

/** The record from which CRLs are built, written with every revocation and every supersession; the last one counts. */
export const makeCrlEntries = (store: Store) => ({
  put: ({ issuer_id, serial_number, ...entry }: CrlEntry): TransactItem => ({
    Put: {
      TableName: store.tables.control,
      Item: {
        // Nothing that the key says already: all of them are read for each list.
        ...controlKey.crl(issuer_id, serial_number),
        ...entry,
        ttl: ttlOfCertificate(entry.expires_at),
      },
    },
  }),

  /** Whether there is a record of a certificate. Strongly consistent. */
  has: async (issuerId: string, serialNumber: string): Promise<boolean> =>
    (await store.get({ TableName: store.tables.control, Key: controlKey.crl(issuerId, serialNumber) })) !== undefined,

  /** Reads all records of an issuer, strongly consistent, in no order; a page of them at a time. */
  readAll: async (issuerId: string, onPage: (records: Omit<CrlEntry, 'issuer_id'>[]) => void): Promise<void> => {
    const readShard = async (shard: string): Promise<void> => {
      let startKey: Item | undefined
      do {
        const page = await store.query({
          TableName: store.tables.control,
          KeyConditionExpression: '#pk = :pk',
          ExpressionAttributeNames: { '#pk': 'pk' },
          ExpressionAttributeValues: { ':pk': controlKey.crl(issuerId, shard).pk },
          ConsistentRead: true,
          ...(startKey === undefined ? {} : { ExclusiveStartKey: startKey }),
        })
        onPage(
          (page.Items ?? []).map(({ sk, ...rest }) => ({ ...rest, serial_number: sk }) as Omit<CrlEntry, 'issuer_id'>),
        )
        startKey = page.LastEvaluatedKey
      } while (startKey !== undefined)
    }
    const left = [...shards]
    const lane = async (): Promise<void> => {
      for (let shard = left.pop(); shard !== undefined; shard = left.pop()) await readShard(shard)
    }
    try {
      await Promise.all(Array.from({ length: readAtOnce }, lane))
    } finally {
      // One lane has failed: what the others would read is of no use.
      left.length = 0
    }
  },
})
export type CrlEntries = ReturnType<typeof makeCrlEntries>

import { sha256Hex } from '../core/bytes.ts'
import type { CrlHead } from '../core/crl.ts'
import { day } from '../core/time.ts'
import type { Item, Store } from './client.ts'
import { updateOf } from './expression.ts'
import { insist } from './persist.ts'
import { controlKey } from './schema.ts'

/** Octets of a chunk: with its keys and as Base64, well below the 400 KB of an item and the 1 MB of a page. */
export const chunkSize = 256 * 1024

/** Chunks that nobody removed, as those of a builder that crashed, go so long after their list has ended. */
const ttlOf = (nextUpdate: number): number => Math.floor((nextUpdate + 30 * day) / 1000)

const headFromItem = ({ pk: _pk, sk, ...head }: Item): CrlHead => ({ ...head, issuer_id: sk }) as CrlHead

/** The published lists: a head for each issuer, which says what counts, and the octets in chunks below other keys. */
export const makeCrlFiles = (store: Store) => {
  const table = store.tables.control
  const query = async (pk: string, names?: string): Promise<Item[]> => {
    const items: Item[] = []
    let startKey: Item | undefined
    do {
      const page = await store.query({
        TableName: table,
        KeyConditionExpression: '#pk = :pk',
        ...(names === undefined ? {} : { ProjectionExpression: names }),
        ExpressionAttributeNames: { '#pk': 'pk', ...(names === undefined ? {} : { '#sk': 'sk' }) },
        ExpressionAttributeValues: { ':pk': pk },
        ConsistentRead: true,
        ...(startKey === undefined ? {} : { ExclusiveStartKey: startKey }),
      })
      items.push(...(page.Items ?? []))
      startKey = page.LastEvaluatedKey
    } while (startKey !== undefined)
    return items
  }
  return {
    /** Those of all issuers, removed ones too. Strongly consistent. */
    heads: async (): Promise<CrlHead[]> => (await query(controlKey.crlHead('').pk)).map(headFromItem),

    head: async (issuerId: string): Promise<CrlHead | undefined> => {
      const item = await store.get({ TableName: table, Key: controlKey.crlHead(issuerId) })
      return item && headFromItem(item)
    },

    /** Keeps the octets under a build's name: until a head names it, nobody looks there. */
    writeChunks: async (issuerId: string, buildId: string, der: Buffer, nextUpdate: number): Promise<number> => {
      const chunks = Math.ceil(der.length / chunkSize)
      for (let i = 0; i < chunks; i++) {
        const Item = {
          ...controlKey.crlChunk(issuerId, buildId, i),
          octets: der.subarray(i * chunkSize, (i + 1) * chunkSize),
          ttl: ttlOf(nextUpdate),
        }
        await insist(() => store.put({ TableName: table, Item }))
      }
      return chunks
    },

    /** The octets of a list; undefined when they are no longer there, since a newer one has come. */
    readChunks: async ({ issuer_id, build_id, chunks, sha256 }: CrlHead): Promise<Buffer | undefined> => {
      const found: Buffer[] = []
      for (let i = 0; i < chunks; i++) {
        const item = await store.get({ TableName: table, Key: controlKey.crlChunk(issuer_id, build_id, i) })
        if (item === undefined) return undefined
        found.push(Buffer.from(item['octets'] as Uint8Array))
      }
      const der = Buffer.concat(found)
      return sha256Hex(der) === sha256 ? der : undefined
    },

    /**
     * Makes a list the newest, in place of the one with the number `before`. False when another was faster; whether an
     * answer that was lost had its effect is seen by reading.
     */
    publish: async (head: CrlHead, before: number | undefined): Promise<boolean> => {
      const { issuer_id, ...set } = head
      const key = controlKey.crlHead(issuer_id)
      await insist(() =>
        store.update(
          updateOf({
            table,
            key,
            set: { ...set },
            remove: head.next_due === undefined ? ['next_due'] : [],
            condition: before === undefined ? 'attribute_not_exists(#number)' : '#number = :before',
            ...(before === undefined ? {} : { values: { ':before': before } }),
          }),
        ),
      )
      return (await store.get({ TableName: table, Key: key }))?.['build_id'] === head.build_id
    },

    /** Names of the chunks of all other builds: older ones, and those that were never published. */
    others: async (issuerId: string, buildId: string): Promise<string[]> =>
      (await query(controlKey.crlChunk(issuerId, '', 0).pk, '#pk, #sk'))
        .map(({ sk }) => String(sk))
        .filter((name) => !name.startsWith(`${buildId}#`)),

    /** Removes chunks by the names that `others` gave before a list was published. */
    remove: async (issuerId: string, names: string[]): Promise<void> => {
      const { pk } = controlKey.crlChunk(issuerId, '', 0)
      // One by one: all of them together may be more than a transaction holds.
      for (const sk of names) await insist(() => store.transact([{ Delete: { TableName: table, Key: { pk, sk } } }]))
    },
  }
}
export type CrlFiles = ReturnType<typeof makeCrlFiles>

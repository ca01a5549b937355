import { ScanCommand, type ScanCommandOutput } from '@aws-sdk/lib-dynamodb'
import type { Item, Store } from './client.ts'
import { pause } from './deadline.ts'
import { failureOf, storeUnavailable } from './failures.ts'

const rowsPerPage = 400
const tries = 6
/** One page, milliseconds. */
const timeout = 10_000

/** Every row of a table, strongly consistent, a page at a time. Throws `store_unavailable`. */
export async function* everyPage<T>(store: Store, table: string, fromItem: (item: Item) => T): AsyncGenerator<T[]> {
  let startKey: Item | undefined
  do {
    const command = new ScanCommand({
      TableName: table,
      ConsistentRead: true,
      Limit: rowsPerPage,
      ...(startKey === undefined ? {} : { ExclusiveStartKey: startKey }),
    })
    const read = async (attempt: number): Promise<ScanCommandOutput> => {
      try {
        return await store.documents.send(command, { abortSignal: AbortSignal.timeout(timeout) })
      } catch (error) {
        if (attempt === tries || failureOf(error).kind === 'refused') throw storeUnavailable(error)
        await pause(Math.random() * 100 * 2 ** attempt)
        return read(attempt + 1)
      }
    }
    const page = await read(1)
    startKey = page.LastEvaluatedKey
    yield (page.Items ?? []).map(fromItem)
  } while (startKey !== undefined)
}

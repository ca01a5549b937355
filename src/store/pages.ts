import { sha256Hex } from '../core/bytes.ts'
import { ControlError } from '../core/errors.ts'
import type { Item, Store } from './client.ts'

export interface Page<T> {
  items: T[]
  next_page_token?: string
}

/** What a page token holds: a hash of the filters that it belongs to, and where to go on. */
interface Position {
  f: string
  /** The partition. */
  p: string
  /** The last key of it that was given out; absent: from its beginning. */
  k?: Item
}

const filtersHash = (filters: Item): string => sha256Hex(JSON.stringify(filters)).slice(0, 16)

export const encodePageToken = <T extends object>(filters: Item, position: T): string =>
  Buffer.from(JSON.stringify({ f: filtersHash(filters), ...position })).toString('base64url')

/** Reads a token back; throws `page_token_mismatch` when it is another query's, `invalid_request` when it is none. */
export const decodePageToken = (filters: Item, token: string): Item => {
  let position: unknown
  try {
    position = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'))
  } catch {
    position = undefined
  }
  if (typeof position !== 'object' || position === null || typeof (position as Position).f !== 'string')
    throw new ControlError('invalid_request', 'page_token is not one that a list has given out', {
      errors: [{ pointer: '/query/page_token', detail: 'not a page token' }],
    })
  if ((position as Position).f !== filtersHash(filters))
    throw new ControlError(
      'page_token_mismatch',
      'this page_token belongs to a list with other filters; send the filters that it was given with',
    )
  return position as Item
}

export interface PartitionList<T> {
  table: string
  index: string
  partitionAttribute: string
  /** In the order of the list. */
  partitions: string[]
  newestFirst: boolean
  sort?: { expression: string; values: Item } | undefined
  filter?: { expression: string; values: Item } | undefined
  keyAttributes: string[]
  limit: number
  pageToken: string | undefined
  filters: Item
  fromItem: (item: Item) => T
}

/** What one page reads at most, so that its cost does not grow with the table. */
const maximumRowsRead = 4000
const maximumPartitionsRead = 600
const widestProbe = 32
/** Rows of one round of reads, once a filter has left too few of them. */
const largestRound = 500

const namesIn = (expression: string): Record<string, string> =>
  Object.fromEntries((expression.match(/#\w+/g) ?? []).map((name) => [name, name.slice(1)]))

const startKeyOf = <T>(list: PartitionList<T>, position: Item | undefined): Item | undefined => {
  const key = position?.['k']
  if (key === undefined) return undefined
  const usable =
    typeof key === 'object' &&
    key !== null &&
    Object.keys(key).sort().join() === [...list.keyAttributes].sort().join() &&
    key[list.partitionAttribute as keyof typeof key] === position?.['p'] &&
    // The one kind of sort key that is no text is a time.
    Object.entries(key).every(([name, value]) =>
      name.endsWith('_at') ? Number.isSafeInteger(value) : typeof value === 'string' && value.length > 0,
    )
  if (!usable) throw new ControlError('invalid_request', 'page_token is not one that a list has given out')
  return key as Item
}

/**
 * One page over several partitions of an index, in their order. Empty partitions cost a query each, so they are probed
 * side by side, wider the longer nothing is found. A page may be short: the token says whether there is more.
 */
export const listPartitions = async <T>(store: Store, list: PartitionList<T>): Promise<Page<T>> => {
  const position = list.pageToken === undefined ? undefined : decodePageToken(list.filters, list.pageToken)
  let startKey = startKeyOf(list, position)
  let at = position === undefined ? 0 : list.partitions.indexOf(String(position['p']))
  if (at < 0) {
    at = 0
    startKey = undefined
  }
  const items: Item[] = []
  let rowsRead = 0
  let partitionsRead = 0
  let width = 1
  let round = list.limit
  const condition = `#${list.partitionAttribute} = :partition${list.sort ? ` AND ${list.sort.expression}` : ''}`

  const read = (partition: string, from: Item | undefined, rows: number) =>
    store.query({
      TableName: list.table,
      IndexName: list.index,
      KeyConditionExpression: condition,
      ...(list.filter ? { FilterExpression: list.filter.expression } : {}),
      ExpressionAttributeNames: namesIn(`${condition} ${list.filter?.expression ?? ''}`),
      ExpressionAttributeValues: { ':partition': partition, ...list.sort?.values, ...list.filter?.values },
      ScanIndexForward: !list.newestFirst,
      Limit: rows,
      ...(from === undefined ? {} : { ExclusiveStartKey: from }),
    })
  const tokenAt = (partition: string, key?: Item) =>
    encodePageToken(list.filters, { p: partition, ...(key ? { k: key } : {}) })
  const keyOf = (item: Item): Item => Object.fromEntries(list.keyAttributes.map((name) => [name, item[name]]))

  while (at < list.partitions.length) {
    const window = list.partitions.slice(at, at + width)
    // A wide probe that meets rows at last must not read a page of each partition.
    const rows = Math.ceil(round / window.length)
    const answers = await Promise.all(
      window.map((partition, i) => read(partition, i === 0 ? startKey : undefined, rows)),
    )
    for (const [i, answer] of answers.entries()) {
      const partition = window[i] as string
      partitionsRead++
      rowsRead += answer.ScannedCount ?? 0
      for (const item of answer.Items ?? []) {
        if (items.length === list.limit) {
          return {
            items: items.map(list.fromItem),
            next_page_token: tokenAt(partition, lastOf(items, partition, list, keyOf)),
          }
        }
        items.push(item)
      }
      if (answer.LastEvaluatedKey !== undefined) {
        if (items.length >= list.limit || rowsRead >= maximumRowsRead)
          return { items: items.map(list.fromItem), next_page_token: tokenAt(partition, answer.LastEvaluatedKey) }
        // More of this partition first: what was read beyond it in this window is read again later.
        startKey = answer.LastEvaluatedKey
        at += i
        width = 1
        break
      }
      if (i === window.length - 1) {
        at += window.length
        startKey = undefined
        width = Math.min(items.length === 0 ? width * 2 : width, widestProbe)
      }
    }
    if (rowsRead > 0 && list.filter) round = Math.max(round, Math.min(round * 2, largestRound))
    const next = list.partitions[at]
    if (next === undefined) break
    if (items.length >= list.limit || rowsRead >= maximumRowsRead || partitionsRead >= maximumPartitionsRead)
      return { items: items.map(list.fromItem), next_page_token: tokenAt(next, startKey) }
  }
  return { items: items.map(list.fromItem) }
}

/** Where to go on in `partition`: after the last item given out, when that one lies in it; else at its beginning. */
const lastOf = <T>(
  items: Item[],
  partition: string,
  list: PartitionList<T>,
  keyOf: (item: Item) => Item,
): Item | undefined => {
  const last = items.at(-1)
  return last !== undefined && last[list.partitionAttribute] === partition ? keyOf(last) : undefined
}

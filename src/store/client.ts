import { createRequire } from 'node:module'
import type { DynamoDBClientConfig } from '@aws-sdk/client-dynamodb'
import type {
  DynamoDBDocumentClient,
  GetCommandInput,
  PutCommandInput,
  QueryCommandInput,
  QueryCommandOutput,
  UpdateCommandInput,
} from '@aws-sdk/lib-dynamodb'
import { deadlineOfWork, pause, timeLeft } from './deadline.ts'
import { failureOf, storeUnavailable } from './failures.ts'
import type { Item, TransactItem } from './item.ts'
import {
  batchGetItem,
  getItem,
  type KeysByTable,
  putItem,
  query,
  transactWriteItems,
  updateItem,
} from './operations.ts'
import type { Tables } from './schema.ts'
import { makeSharedReads } from './shared-reads.ts'
import { openTransport } from './transport.ts'

export type { Item, TransactItem }

export interface StoreOptions {
  tables: Tables
  /** Otherwise the standard AWS variables and their endpoints. */
  endpoint?: string
  region?: string
  credentials?: { accessKeyId: string; secretAccessKey: string }
  /** Told of every call: its outcome and its seconds. */
  observe?: (operation: string, outcome: string, seconds: number) => void
}

/** One read, at the longest; a request's whole budget stands in deadline.ts. Milliseconds. */
const readTimeout = 2500
/** One attempt to write; the feed's overlap (feed.ts) relies on it. Milliseconds. */
export const writeTimeout = 5000
const readTries = 3

export interface Store {
  tables: Tables
  /** The AWS SDK's own client, made when it is asked for: for what is rare, such as making tables. */
  readonly documents: DynamoDBDocumentClient
  /** Strongly consistent. */
  get(input: GetCommandInput): Promise<Item | undefined>
  query(input: QueryCommandInput): Promise<QueryCommandOutput>
  /** Strongly consistent; at most 100 keys over both tables; what is absent is absent from the answer. */
  batchGet(keys: { table: string; keys: Item[] }[]): Promise<Map<string, Item[]>>
  /** One attempt; throws what the SDK throws. */
  transact(items: TransactItem[]): Promise<void>
  put(input: PutCommandInput): Promise<void>
  update(input: UpdateCommandInput): Promise<Item | undefined>
  /** Milliseconds by which this clock and the store's surely differ; 0 when they may agree. */
  clockSkew(): number
  /** Unix milliseconds of the last answer of the store, 0 before the first. */
  lastAnswerAt(): number
  close(): void
}

/** Loaded only here and only now, and in one go: no server that runs needs it. */
const openDocuments = (config: DynamoDBClientConfig): DynamoDBDocumentClient => {
  const load = createRequire(import.meta.url)
  const dynamodb = load('@aws-sdk/client-dynamodb') as typeof import('@aws-sdk/client-dynamodb')
  const lib = load('@aws-sdk/lib-dynamodb') as typeof import('@aws-sdk/lib-dynamodb')
  const client = new dynamodb.DynamoDBClient({ ...config, requestHandler: { connectionTimeout: 1000 } })
  return lib.DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } })
}

/** The one way to DynamoDB, or to whatever speaks its protocol: limits, retries of reads, and the store's clock. */
export const openStore = (options: StoreOptions): Store => {
  let skew = 0
  let lastAnswer = 0
  const config = {
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    ...(options.region === undefined ? {} : { region: options.region }),
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
  }
  const transport = openTransport(config, options.tables.control, (sentAt, receivedAt, header) => {
    lastAnswer = receivedAt
    const date = Date.parse(header ?? '')
    // The header is cut to whole seconds: the store's clock was between `date` and `date + 999` at some time of the call.
    if (!Number.isNaN(date)) skew = Math.max(0, date - receivedAt, sentAt - (date + 999))
  })
  let documents: DynamoDBDocumentClient | undefined

  const attempt = async <T>(
    operation: string,
    timeout: number,
    run: (milliseconds: number) => Promise<T>,
  ): Promise<T> => {
    const left = timeLeft()
    if (left < 5) throw storeUnavailable()
    const started = performance.now()
    let outcome = 'ok'
    try {
      return await run(Math.ceil(Math.min(timeout, left)))
    } catch (error) {
      outcome = failureOf(error).kind
      throw error
    } finally {
      options.observe?.(operation, outcome, (performance.now() - started) / 1000)
    }
  }

  const read = async <T>(operation: string, run: (milliseconds: number) => Promise<T>): Promise<T> => {
    for (let tries = 1; ; tries++) {
      try {
        return await attempt(operation, readTimeout, run)
      } catch (error) {
        if (tries >= readTries || failureOf(error).kind === 'refused') throw storeUnavailable(error)
        await pause(Math.random() * 100 * 2 ** tries)
        if (timeLeft() < 5) throw storeUnavailable(error)
      }
    }
  }

  const batchGet = async (keys: KeysByTable): Promise<Map<string, Item[]>> => {
    const found = new Map<string, Item[]>([...keys.keys()].map((table) => [table, []]))
    let open = keys
    for (let round = 0; open.size > 0; round++) {
      if (round > 0) await pause(Math.random() * 50 * 2 ** Math.min(round, 5))
      const asked = open
      const answer = await read('batch_get', (ms) => batchGetItem(transport, asked, ms))
      for (const [table, items] of answer.found) found.get(table)?.push(...items)
      open = answer.open
    }
    return found
  }

  const get = (input: GetCommandInput): Promise<Item | undefined> =>
    read('get', (ms) => getItem(transport, { ConsistentRead: true, ...input }, ms))
  const getRow = makeSharedReads({
    get: (TableName, Key) => get({ TableName, Key }),
    batchGet,
    workNow: deadlineOfWork,
  })

  return {
    tables: options.tables,
    get documents() {
      documents ??= openDocuments(config)
      return documents
    },
    get: (input) => {
      const { TableName, Key, ...more } = input
      // Whoever wants less than the row asks alone.
      if (TableName === undefined || Key === undefined || Object.keys(more).length > 0) return get(input)
      return getRow(TableName, Key)
    },
    query: (input) => read('query', (ms) => query(transport, input, ms)),
    batchGet: async (requests) => {
      const asked = new Map(requests.filter(({ keys }) => keys.length > 0).map(({ table, keys }) => [table, keys]))
      const found = await batchGet(asked)
      return new Map(requests.map(({ table }) => [table, found.get(table) ?? []]))
    },
    transact: (items) => attempt('transact_write', writeTimeout, (ms) => transactWriteItems(transport, items, ms)),
    put: (input) => attempt('put', writeTimeout, (ms) => putItem(transport, input, ms)),
    update: (input) => attempt('update', writeTimeout, (ms) => updateItem(transport, input, ms)),
    clockSkew: () => skew,
    lastAnswerAt: () => lastAnswer,
    close: () => {
      transport.close()
      documents?.destroy()
    },
  }
}

import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import {
  BatchGetCommand,
  DynamoDBDocumentClient,
  GetCommand,
  type GetCommandInput,
  PutCommand,
  type PutCommandInput,
  QueryCommand,
  type QueryCommandInput,
  type QueryCommandOutput,
  TransactWriteCommand,
  type TransactWriteCommandInput,
  UpdateCommand,
  type UpdateCommandInput,
} from '@aws-sdk/lib-dynamodb'
import { pause, timeLeft } from './deadline.ts'
import { failureOf, storeUnavailable } from './failures.ts'
import type { Tables } from './schema.ts'

export type Item = Record<string, unknown>
export type TransactItem = NonNullable<TransactWriteCommandInput['TransactItems']>[number]

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
  documents: DynamoDBDocumentClient
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

/** The one way to DynamoDB, or to whatever speaks its protocol: limits, retries of reads, and the store's clock. */
export const openStore = (options: StoreOptions): Store => {
  let skew = 0
  let lastAnswer = 0
  const client = new DynamoDBClient({
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    ...(options.region === undefined ? {} : { region: options.region }),
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: 1000,
      httpAgent: { keepAlive: true, maxSockets: 128 },
      httpsAgent: { keepAlive: true, maxSockets: 128 },
    },
  })
  client.middlewareStack.add(
    (next) => async (args) => {
      const sentAt = Date.now()
      const result = await next(args)
      const receivedAt = Date.now()
      lastAnswer = receivedAt
      const headers = (result.response as { headers?: Record<string, string> } | undefined)?.headers
      const date = Date.parse(headers?.['date'] ?? '')
      // The header is cut to whole seconds: the store's clock was between `date` and `date + 999` at some time of the call.
      if (!Number.isNaN(date)) skew = Math.max(0, date - receivedAt, sentAt - (date + 999))
      return result
    },
    { step: 'deserialize', name: 'storeClock', override: true },
  )
  const documents = DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } })

  const attempt = async <T>(
    operation: string,
    timeout: number,
    run: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> => {
    const left = timeLeft()
    if (left < 5) throw storeUnavailable()
    const started = performance.now()
    let outcome = 'ok'
    try {
      return await run(AbortSignal.timeout(Math.ceil(Math.min(timeout, left))))
    } catch (error) {
      outcome = failureOf(error).kind
      throw error
    } finally {
      options.observe?.(operation, outcome, (performance.now() - started) / 1000)
    }
  }

  const read = async <T>(operation: string, run: (signal: AbortSignal) => Promise<T>): Promise<T> => {
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

  return {
    tables: options.tables,
    documents,
    get: async (input) =>
      (
        await read('get', (abortSignal) =>
          documents.send(new GetCommand({ ConsistentRead: true, ...input }), { abortSignal }),
        )
      ).Item,
    query: (input) => read('query', (abortSignal) => documents.send(new QueryCommand(input), { abortSignal })),
    batchGet: async (requests) => {
      const found = new Map<string, Item[]>(requests.map(({ table }) => [table, []]))
      let open = Object.fromEntries(
        requests
          .filter(({ keys }) => keys.length > 0)
          .map(({ table, keys }) => [table, { Keys: keys, ConsistentRead: true }]),
      ) as Record<string, { Keys: Item[]; ConsistentRead: boolean }>
      for (let round = 0; Object.keys(open).length > 0; round++) {
        if (round > 0) await pause(Math.random() * 50 * 2 ** Math.min(round, 5))
        const answer = await read('batch_get', (abortSignal) =>
          documents.send(new BatchGetCommand({ RequestItems: open }), { abortSignal }),
        )
        for (const [table, items] of Object.entries(answer.Responses ?? {})) found.get(table)?.push(...items)
        open = (answer.UnprocessedKeys ?? {}) as typeof open
      }
      return found
    },
    transact: async (items) => {
      await attempt('transact_write', writeTimeout, (abortSignal) =>
        documents.send(new TransactWriteCommand({ TransactItems: items }), { abortSignal }),
      )
    },
    put: async (input) => {
      await attempt('put', writeTimeout, (abortSignal) => documents.send(new PutCommand(input), { abortSignal }))
    },
    update: async (input) =>
      (
        await attempt('update', writeTimeout, (abortSignal) =>
          documents.send(new UpdateCommand(input), { abortSignal }),
        )
      ).Attributes,
    clockSkew: () => skew,
    lastAnswerAt: () => lastAnswer,
    close: () => documents.destroy(),
  }
}

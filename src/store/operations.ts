import { randomUUID } from 'node:crypto'
import type {
  GetCommandInput,
  PutCommandInput,
  QueryCommandInput,
  QueryCommandOutput,
  UpdateCommandInput,
} from '@aws-sdk/lib-dynamodb'
import { type AttributeValue, fromAttributes, toAttributes } from './attribute-values.ts'
import type { Item, TransactItem } from './item.ts'
import type { Transport } from './transport.ts'

type Attributes = Record<string, AttributeValue>
type Call = Pick<Transport, 'call'>

/** The members of an input that hold items, wherever they stand. */
const itemMembers = ['Key', 'Item', 'ExpressionAttributeValues', 'ExclusiveStartKey'] as const

/** An input with its items in the form of the protocol. */
const written = (input: object): object => {
  const copy: Item = { ...input }
  for (const member of itemMembers) {
    const item = copy[member]
    if (item !== undefined) copy[member] = toAttributes(item as Item)
  }
  return copy
}

const read = (item: unknown): Item | undefined => (item === undefined ? undefined : fromAttributes(item as Attributes))

export const getItem = async ({ call }: Call, input: GetCommandInput, milliseconds: number) => {
  const answer = (await call('GetItem', written(input), milliseconds)) as { Item?: unknown }
  return read(answer.Item)
}

export const query = async ({ call }: Call, input: QueryCommandInput, milliseconds: number) => {
  const { Items, LastEvaluatedKey, ...rest } = (await call('Query', written(input), milliseconds)) as {
    Items?: Attributes[]
    LastEvaluatedKey?: unknown
  }
  const lastKey = read(LastEvaluatedKey)
  return {
    ...rest,
    ...(Items === undefined ? {} : { Items: Items.map(fromAttributes) }),
    ...(lastKey === undefined ? {} : { LastEvaluatedKey: lastKey }),
  } as QueryCommandOutput
}

/** Keys by table, all read strongly consistent. */
export type KeysByTable = Map<string, Item[]>

/** Items by table, and the keys that the store asks to be sent once more. */
export const batchGetItem = async ({ call }: Call, keys: KeysByTable, milliseconds: number) => {
  const asked = [...keys].map(([table, some]) => [table, { Keys: some.map(toAttributes), ConsistentRead: true }])
  const answer = (await call('BatchGetItem', { RequestItems: Object.fromEntries(asked) }, milliseconds)) as {
    Responses?: Record<string, Attributes[]>
    UnprocessedKeys?: Record<string, { Keys?: Attributes[] }>
  }
  const found = Object.entries(answer.Responses ?? {}).map(([table, items]) => [table, items.map(fromAttributes)])
  const open = Object.entries(answer.UnprocessedKeys ?? {}).map(([table, { Keys = [] }]) => [
    table,
    Keys.map(fromAttributes),
  ])
  return { found: new Map(found as [string, Item[]][]), open: new Map(open as [string, Item[]][]) }
}

export const putItem = async ({ call }: Call, input: PutCommandInput, milliseconds: number): Promise<void> => {
  await call('PutItem', written(input), milliseconds)
}

export const updateItem = async ({ call }: Call, input: UpdateCommandInput, milliseconds: number) => {
  const answer = (await call('UpdateItem', written(input), milliseconds)) as { Attributes?: unknown }
  return read(answer.Attributes)
}

/** All of them or none. */
export const transactWriteItems = async (
  { call }: Call,
  items: TransactItem[],
  milliseconds: number,
): Promise<void> => {
  const TransactItems = items.map((item) =>
    Object.fromEntries(Object.entries(item).flatMap(([kind, one]) => (one ? [[kind, written(one)]] : []))),
  )
  await call('TransactWriteItems', { TransactItems, ClientRequestToken: randomUUID() }, milliseconds)
}

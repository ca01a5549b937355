import type { Item, TransactItem } from './client.ts'

export interface UpdateParts {
  table: string
  key: Item
  set?: Item
  remove?: string[]
  /** With `#name` for attributes; their names are collected from it. Absent: whatever the row is like, or none. */
  condition?: string
  values?: Item
}

/** By expression, of which there are hardly more than writes in the code: collecting them costs more than all the rest. */
const collected = new Map<string, Readonly<Record<string, string>>>()
/** Some hold the id of a command. */
const mostCollected = 1000

const namesIn = (expression: string): Readonly<Record<string, string>> => {
  const known = collected.get(expression)
  if (known !== undefined) return known
  const names = Object.freeze(
    Object.fromEntries((expression.match(/#\w+/g) ?? []).map((name) => [name, name.slice(1)])),
  )
  if (collected.size >= mostCollected) collected.clear()
  collected.set(expression, names)
  return names
}

/** An update of single attributes: whatever an operator wrote by hand beside them stays. */
export const updateOf = ({ table, key, set = {}, remove = [], condition, values = {} }: UpdateParts) => {
  let expression = ''
  const all: Item = {}
  for (const name of Object.keys(set)) {
    if (set[name] === undefined) continue
    expression += `${expression === '' ? 'SET' : ','} #${name} = :set_${name}`
    all[`:set_${name}`] = set[name]
  }
  if (remove.length > 0)
    expression += `${expression === '' ? '' : ' '}REMOVE ${remove.map((name) => `#${name}`).join(', ')}`
  const isValued = Object.keys(Object.assign(all, values)).length > 0
  return {
    TableName: table,
    Key: key,
    UpdateExpression: expression,
    ...(condition === undefined ? undefined : { ConditionExpression: condition }),
    ExpressionAttributeNames: namesIn(condition === undefined ? expression : `${expression} ${condition}`),
    ...(isValued ? { ExpressionAttributeValues: all } : undefined),
  }
}

/** The same as an item of a transaction. */
export const updateItem = (parts: UpdateParts): TransactItem => ({ Update: updateOf(parts) })

/** A new row: refused when its key is taken. */
export const putNew = (table: string, item: Item, keyAttribute: string): TransactItem => ({
  Put: {
    TableName: table,
    Item: item,
    ConditionExpression: 'attribute_not_exists(#key)',
    ExpressionAttributeNames: { '#key': keyAttribute },
  },
})

/** A row that must not have changed in between, though this transaction does not write it. */
export const conditionItem = ({
  table,
  key,
  condition,
  values = {},
}: Omit<UpdateParts, 'set' | 'remove' | 'condition'> & { condition: string }): TransactItem => ({
  ConditionCheck: {
    TableName: table,
    Key: key,
    ConditionExpression: condition,
    ExpressionAttributeNames: namesIn(condition),
    ...(Object.keys(values).length === 0 ? {} : { ExpressionAttributeValues: values }),
  },
})

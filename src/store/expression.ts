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

const namesIn = (...expressions: string[]): Record<string, string> =>
  Object.fromEntries(
    expressions.flatMap((expression) => expression.match(/#\w+/g) ?? []).map((name) => [name, name.slice(1)]),
  )

/** An update of single attributes: whatever an operator wrote by hand beside them stays. */
export const updateOf = ({ table, key, set = {}, remove = [], condition, values = {} }: UpdateParts) => {
  const assigned = Object.entries(set).filter(([, value]) => value !== undefined)
  const expression = [
    assigned.length === 0 ? '' : `SET ${assigned.map(([name]) => `#${name} = :set_${name}`).join(', ')}`,
    remove.length === 0 ? '' : `REMOVE ${remove.map((name) => `#${name}`).join(', ')}`,
  ]
    .filter((part) => part !== '')
    .join(' ')
  return {
    TableName: table,
    Key: key,
    UpdateExpression: expression,
    ...(condition === undefined ? {} : { ConditionExpression: condition }),
    ExpressionAttributeNames: namesIn(expression, condition ?? ''),
    ...(assigned.length + Object.keys(values).length === 0
      ? {}
      : {
          ExpressionAttributeValues: {
            ...Object.fromEntries(assigned.map(([name, value]) => [`:set_${name}`, value])),
            ...values,
          },
        }),
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

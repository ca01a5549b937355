import type { JoinRuleRecord } from '../core/joining.ts'
import type { Item, Store, TransactItem } from './client.ts'
import { conditionItem, putNew } from './expression.ts'
import { decodePageToken, encodePageToken, type Page } from './pages.ts'
import { controlKey } from './schema.ts'

const fromItem = ({ pk: _pk, sk: _sk, ...record }: Item): JoinRuleRecord => record as unknown as JoinRuleRecord

/** Join rules: few, read whole at each join, so that one that was switched off lets nobody in any more. */
export const makeJoinRules = (store: Store) => {
  const table = store.tables.control
  const itemOf = (rule: JoinRuleRecord): Item => ({ ...controlKey.joinRule(rule.join_rule_id), ...rule })
  const asRead = (rule: JoinRuleRecord) => ({
    ConditionExpression: '#version = :version',
    ExpressionAttributeNames: { '#version': 'version' },
    ExpressionAttributeValues: { ':version': rule.version },
  })

  return {
    /** Strongly consistent. */
    get: async (id: string): Promise<JoinRuleRecord | undefined> => {
      const item = await store.get({ TableName: table, Key: controlKey.joinRule(id) })
      return item && fromItem(item)
    },

    /** All of them, oldest first. Strongly consistent. */
    all: async (): Promise<JoinRuleRecord[]> => {
      const rules: JoinRuleRecord[] = []
      let startKey: Item | undefined
      do {
        const page = await store.query({
          TableName: table,
          KeyConditionExpression: '#pk = :pk',
          ExpressionAttributeNames: { '#pk': 'pk' },
          ExpressionAttributeValues: { ':pk': controlKey.joinRule('').pk },
          ConsistentRead: true,
          ...(startKey === undefined ? {} : { ExclusiveStartKey: startKey }),
        })
        rules.push(...(page.Items ?? []).map(fromItem))
        startKey = page.LastEvaluatedKey
      } while (startKey !== undefined)
      return rules
    },

    /** Oldest first. */
    list: async ({ limit, page_token }: { limit: number; page_token?: string }): Promise<Page<JoinRuleRecord>> => {
      const filters = { list: 'join_rules' }
      const after = page_token === undefined ? '0' : String(decodePageToken(filters, page_token)['a'])
      const page = await store.query({
        TableName: table,
        KeyConditionExpression: '#pk = :pk AND #sk > :after',
        ExpressionAttributeNames: { '#pk': 'pk', '#sk': 'sk' },
        ExpressionAttributeValues: { ':pk': controlKey.joinRule('').pk, ':after': after },
        ConsistentRead: true,
        Limit: limit,
      })
      const items = (page.Items ?? []).map(fromItem)
      const last = items.at(-1)?.join_rule_id
      return {
        items,
        ...(page.LastEvaluatedKey === undefined || last === undefined
          ? {}
          : { next_page_token: encodePageToken(filters, { a: last }) }),
      }
    },

    create: (rule: JoinRuleRecord): TransactItem => putNew(table, itemOf(rule), 'pk'),

    /** Replaces the rule that was read; refused when it has changed since. */
    replace: (read: JoinRuleRecord, rule: JoinRuleRecord): TransactItem => ({
      Put: { TableName: table, Item: itemOf(rule), ...asRead(read) },
    }),

    remove: (read: JoinRuleRecord): TransactItem => ({
      Delete: { TableName: table, Key: controlKey.joinRule(read.join_rule_id), ...asRead(read) },
    }),

    /** A rule must be as it was read when somebody joins by it. */
    mustBeUnchanged: (read: JoinRuleRecord): TransactItem =>
      conditionItem({
        table,
        key: controlKey.joinRule(read.join_rule_id),
        condition: '#version = :version AND #enabled = :true',
        values: { ':version': read.version, ':true': true },
      }),
  }
}
export type JoinRules = ReturnType<typeof makeJoinRules>

import type { CommandRecord } from '../core/command.ts'
import { day } from '../core/time.ts'
import type { Item, Store, TransactItem } from './client.ts'
import { putNew, updateItem } from './expression.ts'
import { decodePageToken, encodePageToken, type Page } from './pages.ts'
import { controlKey } from './schema.ts'

/** How long a command can be looked up after it was given. Unix seconds. */
export const ttlOfCommand = (createdAt: number): number => Math.floor((createdAt + 30 * day) / 1000)

const commandFromItem = ({ pk: _pk, sk: _sk, ttl: _ttl, ...record }: Item): CommandRecord =>
  record as unknown as CommandRecord

/** Commands by principal, in the order of time. */
export const makeCommands = (store: Store) => {
  const table = store.tables.control
  return {
    /** Strongly consistent. */
    get: async (principalId: string, commandId: string): Promise<CommandRecord | undefined> => {
      const item = await store.get({ TableName: table, Key: controlKey.command(principalId, commandId) })
      return item && commandFromItem(item)
    },

    create: (record: CommandRecord): TransactItem =>
      putNew(
        table,
        {
          ...controlKey.command(record.principal_id, record.command_id),
          ...record,
          ttl: ttlOfCommand(record.created_at),
        },
        'pk',
      ),

    /** Refused when it is no longer in the state in which it was read. */
    change: (read: CommandRecord, set: Partial<CommandRecord>): TransactItem =>
      updateItem({
        table,
        key: controlKey.command(read.principal_id, read.command_id),
        set,
        condition: '#state = :was',
        values: { ':was': read.state },
      }),

    /** Newest first. */
    list: async (principalId: string, query: { limit: number; page_token?: string }): Promise<Page<CommandRecord>> => {
      const filters = { list: 'commands', principal_id: principalId }
      const position = query.page_token === undefined ? {} : decodePageToken(filters, query.page_token)
      const before = String(position['b'] ?? 'g')
      const page = await store.query({
        TableName: table,
        KeyConditionExpression: '#pk = :pk AND #sk < :before',
        ExpressionAttributeNames: { '#pk': 'pk', '#sk': 'sk' },
        ExpressionAttributeValues: { ':pk': controlKey.command(principalId, '').pk, ':before': before },
        ConsistentRead: true,
        ScanIndexForward: false,
        Limit: query.limit,
      })
      const items = (page.Items ?? []).map(commandFromItem)
      const last = items.at(-1)
      return {
        items,
        ...(page.LastEvaluatedKey === undefined || last === undefined
          ? {}
          : { next_page_token: encodePageToken(filters, { b: last.command_id }) }),
      }
    },
  }
}
export type Commands = ReturnType<typeof makeCommands>

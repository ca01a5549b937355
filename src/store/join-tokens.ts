import type { JoinTokenRecord } from '../core/joining.ts'
import { day } from '../core/time.ts'
import type { Item, Store, TransactItem } from './client.ts'
import { putNew, updateItem } from './expression.ts'
import { decodePageToken, encodePageToken, type Page } from './pages.ts'
import { controlKey } from './schema.ts'

/** Tokens are listed for so long after their end. */
const keptAfterExpiry = 30 * day

const fromItem = ({ pk: _pk, sk: _sk, ttl: _ttl, ...record }: Item): JoinTokenRecord =>
  record as unknown as JoinTokenRecord

/** Join tokens: found by the hash of their secret, listed by their id. */
export const makeJoinTokens = (store: Store) => {
  const table = store.tables.control

  const find = async (secretSha256: string): Promise<JoinTokenRecord | undefined> => {
    const item = await store.get({ TableName: table, Key: controlKey.joinToken(secretSha256) })
    return item && fromItem(item)
  }

  return {
    /** By the SHA-256 of the secret. Strongly consistent. */
    find,

    /** By its id. Strongly consistent. */
    get: async (id: string): Promise<JoinTokenRecord | undefined> => {
      const entry = await store.get({ TableName: table, Key: controlKey.joinTokenById(id) })
      return entry && find(String(entry['token_sha256']))
    },

    create: (record: JoinTokenRecord): TransactItem[] => {
      const { join_token_id, token_sha256 } = record
      const ttl = Math.ceil((record.expires_at + keptAfterExpiry) / 1000)
      return [
        putNew(table, { ...controlKey.joinToken(token_sha256), ...record, ttl }, 'pk'),
        putNew(table, { ...controlKey.joinTokenById(join_token_id), token_sha256, ttl }, 'pk'),
      ]
    },

    /** Counts one use; refused when there is none left, or the token has expired or was revoked meanwhile. */
    use: ({ token_sha256 }: JoinTokenRecord, now: number): TransactItem => ({
      Update: {
        TableName: table,
        Key: controlKey.joinToken(token_sha256),
        UpdateExpression: 'SET #last_used_at = :now ADD #uses :one',
        ConditionExpression: '#uses < #max_uses AND #expires_at > :now AND attribute_not_exists(#revoked_at)',
        ExpressionAttributeNames: {
          '#uses': 'uses',
          '#max_uses': 'max_uses',
          '#expires_at': 'expires_at',
          '#revoked_at': 'revoked_at',
          '#last_used_at': 'last_used_at',
        },
        ExpressionAttributeValues: { ':now': now, ':one': 1 },
      },
    }),

    /** Puts right how often a token was used; refused when it was used since it was read. */
    recount: (read: JoinTokenRecord, set: Pick<JoinTokenRecord, 'uses' | 'last_used_at'>): TransactItem =>
      updateItem({
        table,
        key: controlKey.joinToken(read.token_sha256),
        set,
        condition: '#uses = :uses',
        values: { ':uses': read.uses },
      }),

    /** Ends a token; refused when it was revoked already. */
    revoke: ({ token_sha256 }: JoinTokenRecord, set: { revoked_at: number; revoked_by: string }): TransactItem =>
      updateItem({
        table,
        key: controlKey.joinToken(token_sha256),
        set,
        condition: 'attribute_exists(#pk) AND attribute_not_exists(#revoked_at)',
      }),

    /** Newest first. */
    list: async ({ limit, page_token }: { limit: number; page_token?: string }): Promise<Page<JoinTokenRecord>> => {
      const filters = { list: 'join_tokens' }
      const position = page_token === undefined ? undefined : decodePageToken(filters, page_token)
      // Ids are hex digits: `g` comes after all of them.
      const before = position === undefined ? 'g' : String(position['b'])
      const page = await store.query({
        TableName: table,
        KeyConditionExpression: '#pk = :pk AND #sk < :before',
        ExpressionAttributeNames: { '#pk': 'pk', '#sk': 'sk' },
        ExpressionAttributeValues: { ':pk': controlKey.joinTokenById('').pk, ':before': before },
        ScanIndexForward: false,
        ConsistentRead: true,
        Limit: Math.min(limit, 100),
      })
      const entries = page.Items ?? []
      const keys = entries.map((entry) => controlKey.joinToken(String(entry['token_sha256'])))
      const found = keys.length === 0 ? [] : ((await store.batchGet([{ table, keys }])).get(table) ?? []).map(fromItem)
      const last = entries.at(-1)?.['sk']
      return {
        items: found.sort((a, b) => (a.join_token_id < b.join_token_id ? 1 : -1)),
        ...(page.LastEvaluatedKey === undefined || last === undefined
          ? {}
          : { next_page_token: encodePageToken(filters, { b: last }) }),
      }
    },
  }
}
export type JoinTokens = ReturnType<typeof makeJoinTokens>

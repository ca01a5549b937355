import type { ServerLease } from '../core/agent.ts'
import { hour } from '../core/time.ts'
import type { Item, Store } from './client.ts'
import { insist } from './persist.ts'
import { controlKey } from './schema.ts'

/** A lease is kept so long after its server is gone: it says until when its agents were there. */
const lifeOfLease = hour

const fromItem = ({ pk: _pk, sk, ttl: _ttl, ...lease }: Item): ServerLease => ({
  ...lease,
  server_id: String(sk),
  renewed_at: Number(lease['renewed_at']),
  streams: Number(lease['streams'] ?? 0),
})

/** The leases by which running servers say that they are there, one per process. */
export const makeLeases = (store: Store) => {
  const table = store.tables.control
  return {
    renew: async ({ server_id, ...lease }: ServerLease): Promise<void> => {
      const ttl = Math.floor((lease.renewed_at + lifeOfLease) / 1000)
      await insist(() => store.put({ TableName: table, Item: { ...controlKey.server(server_id), ...lease, ttl } }))
    },

    /** Strongly consistent; those of servers that are gone included. */
    all: async (): Promise<ReadonlyMap<string, ServerLease>> => {
      const page = await store.query({
        TableName: table,
        KeyConditionExpression: '#pk = :pk',
        ExpressionAttributeNames: { '#pk': 'pk' },
        ExpressionAttributeValues: { ':pk': controlKey.server('').pk },
        ConsistentRead: true,
      })
      return new Map((page.Items ?? []).map(fromItem).map((lease) => [lease.server_id, lease]))
    },
  }
}
export type Leases = ReturnType<typeof makeLeases>

import type { Store, TransactItem } from './client.ts'
import { controlKey } from './schema.ts'

/** The control item behind the guard of the last admin. */
export interface AdminsRecord {
  /** principal_id → latest certificate expiry (Unix ms) of every active admin. */
  admins: Record<string, number>
  revision: number
}

export const makeAdmins = (store: Store) => {
  const table = store.tables.control
  return {
    get: async (): Promise<AdminsRecord> => {
      const item = await store.get({ TableName: table, Key: controlKey.admins() })
      return { admins: (item?.['admins'] ?? {}) as Record<string, number>, revision: Number(item?.['revision'] ?? 0) }
    },

    replace: (read: AdminsRecord, admins: Record<string, number>): TransactItem => ({
      Put: {
        TableName: table,
        Item: { ...controlKey.admins(), admins, revision: read.revision + 1 },
        ConditionExpression: 'attribute_not_exists(#pk) OR #revision = :revision',
        ExpressionAttributeNames: { '#pk': 'pk', '#revision': 'revision' },
        ExpressionAttributeValues: { ':revision': read.revision },
      },
    }),
  }
}
export type Admins = ReturnType<typeof makeAdmins>

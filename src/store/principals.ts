import {
  defaultMaxCertificates,
  type PrincipalRecord,
  type PrincipalStatus,
  type PrincipalType,
  principalStatuses,
} from '../core/principal.ts'
import type { Item, Store, TransactItem } from './client.ts'
import { putNew, updateItem } from './expression.ts'
import { listPartitions, type Page } from './pages.ts'
import { index } from './schema.ts'

/** A row as the domain knows it: whatever an operator left out when writing it by hand gets its default. */
export const principalFromItem = (item: Item): PrincipalRecord => {
  const row = item as unknown as PrincipalRecord
  const createdAt = row.created_at ?? 0
  return {
    ...row,
    created_at: createdAt,
    created_by: row.created_by ?? 'system',
    updated_at: row.updated_at ?? createdAt,
    version: row.version ?? 1,
    revision: row.revision ?? 0,
    max_certificates: row.max_certificates ?? defaultMaxCertificates,
    metadata: row.metadata ?? {},
    rejoins: row.rejoins ?? 0,
    rejoin_blocked: row.rejoin_blocked ?? false,
    active_serials: row.active_serials ?? {},
  }
}

const unchangedSince = (revision: number): string =>
  revision === 0 ? '(attribute_not_exists(#revision) OR #revision = :revision)' : '#revision = :revision'

export const makePrincipals = (store: Store) => {
  const table = store.tables.principals
  return {
    /** Strongly consistent. */
    get: async (principalId: string): Promise<PrincipalRecord | undefined> => {
      const item = await store.get({ TableName: table, Key: { principal_id: principalId } })
      return item && principalFromItem(item)
    },

    create: (record: PrincipalRecord): TransactItem => putNew(table, record as unknown as Item, 'principal_id'),

    /**
     * Changes single fields of the row that was read; refused when any other transaction, or an operator's hand on
     * `status`, came in between.
     */
    change: (
      read: PrincipalRecord,
      set: Partial<PrincipalRecord>,
      remove: (keyof PrincipalRecord)[] = [],
    ): TransactItem =>
      updateItem({
        table,
        key: { principal_id: read.principal_id },
        set: { ...set, revision: read.revision + 1 },
        remove,
        condition: `#status = :status AND ${unchangedSince(read.revision)}`,
        values: { ':status': read.status, ':revision': read.revision },
      }),

    list: (query: {
      status?: PrincipalStatus
      type?: PrincipalType
      limit: number
      page_token?: string
    }): Promise<Page<PrincipalRecord>> => {
      const { status, type } = query
      const byType = type !== undefined && status === undefined
      return listPartitions(store, {
        table,
        index: byType ? index.principalsByType : index.principalsByStatus,
        partitionAttribute: byType ? 'type' : 'status',
        partitions: byType ? [type] : status === undefined ? [...principalStatuses] : [status],
        newestFirst: true,
        filter:
          status !== undefined && type !== undefined
            ? { expression: '#type = :type', values: { ':type': type } }
            : undefined,
        keyAttributes: byType ? ['principal_id', 'type', 'created_at'] : ['principal_id', 'status', 'created_at'],
        limit: query.limit,
        pageToken: query.page_token,
        filters: { list: 'principals', status, type },
        fromItem: principalFromItem,
      })
    },
  }
}
export type Principals = ReturnType<typeof makePrincipals>

import type { CertificateRecord, CertificateStatus } from '../core/certificate.ts'
import { day, dayOf } from '../core/time.ts'
import type { Item, Store, TransactItem } from './client.ts'
import { everyPage } from './every-page.ts'
import { conditionItem, putNew, updateItem } from './expression.ts'
import { listPartitions, type Page } from './pages.ts'
import { index } from './schema.ts'

/** Rows live 30 days longer than their certificates. */
export const ttlOfCertificate = (expiresAt: number): number => Math.floor((expiresAt + 30 * day) / 1000)

/** A row as the domain knows it; `revoked` set by hand is all that a revocation needs, also when `true` came out as text. */
export const certificateFromItem = (item: Item): CertificateRecord => {
  const row = item as unknown as CertificateRecord
  return { ...row, revoked: row.revoked !== undefined && (row.revoked as unknown) !== false }
}

const notRevoked = '(attribute_not_exists(#revoked) OR #revoked = :false)'

type Filter = { expression: string; values: Item } | undefined

/** What a status asks of the attributes that no index is sorted by; of the expiry, only where `byExpiry` does not. */
const filterOf = (status: CertificateStatus | undefined, now: number, byExpiry: boolean): Filter => {
  switch (status) {
    case undefined:
      return undefined
    case 'revoked':
      return { expression: `NOT ${notRevoked}`, values: { ':false': false } }
    case 'superseded':
      return { expression: `${notRevoked} AND attribute_exists(#superseded_by)`, values: { ':false': false } }
    case 'expired':
    case 'active': {
      const lasting = {
        expression: `${notRevoked} AND attribute_not_exists(#superseded_by)`,
        values: { ':false': false },
      }
      if (byExpiry) return lasting
      return both(lasting, {
        expression: `#expires_at ${status === 'active' ? '>' : '<='} :now`,
        values: { ':now': now },
      })
    }
  }
}

const both = (a: Filter, b: Filter): Filter =>
  a && b ? { expression: `(${a.expression}) AND (${b.expression})`, values: { ...a.values, ...b.values } } : (a ?? b)

export const makeCertificates = (store: Store) => {
  const table = store.tables.certificates
  const keyOf = (serialNumber: string) => ({ serial_number: serialNumber })
  return {
    /** Strongly consistent. */
    get: async (serialNumber: string): Promise<CertificateRecord | undefined> => {
      const item = await store.get({ TableName: table, Key: keyOf(serialNumber) })
      return item && certificateFromItem(item)
    },

    /** Strongly consistent; the order is not that of the question. */
    getMany: async (serialNumbers: string[]): Promise<CertificateRecord[]> => {
      const rows: CertificateRecord[] = []
      for (let at = 0; at < serialNumbers.length; at += 100) {
        const keys = serialNumbers.slice(at, at + 100).map(keyOf)
        const found = await store.batchGet([{ table, keys }])
        rows.push(...(found.get(table) ?? []).map(certificateFromItem))
      }
      return rows
    },

    create: (record: CertificateRecord): TransactItem => putNew(table, record as unknown as Item, 'serial_number'),

    /** Marks a row revoked; refused when it is gone or when a complete revocation is on it already. */
    revoke: (serialNumber: string, set: Pick<CertificateRecord, 'revoked_at' | 'revocation_reason'>): TransactItem =>
      updateItem({
        table,
        key: keyOf(serialNumber),
        set: { revoked: true, ...set },
        condition: 'attribute_exists(#serial_number) AND attribute_not_exists(#revoked_at)',
      }),

    /** Records the first use of a successor; refused when it was used or revoked meanwhile. */
    firstUse: (serialNumber: string, firstUsedAt: number): TransactItem =>
      updateItem({
        table,
        key: keyOf(serialNumber),
        set: { first_used_at: firstUsedAt },
        condition: `attribute_exists(#serial_number) AND attribute_not_exists(#first_used_at) AND ${notRevoked}`,
        values: { ':false': false },
      }),

    /** Ends a certificate in favour of its successor. */
    supersede: (serialNumber: string, successor: string, supersededAt: number): TransactItem =>
      updateItem({
        table,
        key: keyOf(serialNumber),
        set: { superseded_by: successor, superseded_at: supersededAt },
        condition: 'attribute_exists(#serial_number) AND attribute_not_exists(#superseded_by)',
      }),

    /** A renewal's predecessor must still be good when its successor is committed. */
    mustBeRenewable: (serialNumber: string, now: number): TransactItem =>
      conditionItem({
        table,
        key: keyOf(serialNumber),
        condition: `attribute_exists(#serial_number) AND ${notRevoked} AND attribute_not_exists(#superseded_by) AND #expires_at > :now`,
        values: { ':false': false, ':now': now },
      }),

    /** All there are, page by page, strongly consistent and by no index: for who repairs tables, never in a request. */
    everyPage: (): AsyncGenerator<CertificateRecord[]> => everyPage(store, table, certificateFromItem),

    /**
     * By principal newest first, else by expiry, soonest first. `horizon` is the latest expiry that any certificate can
     * have (Unix ms): days beyond it are not asked for.
     */
    list: (query: {
      principal_id?: string
      status?: CertificateStatus
      expires_before?: number
      issuer_id?: string
      limit: number
      page_token?: string
      now: number
      horizon: number
    }): Promise<Page<CertificateRecord>> => {
      const { principal_id, status, expires_before, issuer_id, now } = query
      const byIssuer: Filter =
        issuer_id === undefined
          ? undefined
          : { expression: '#issuer_id = :issuer_id', values: { ':issuer_id': issuer_id } }
      const common = {
        table,
        limit: query.limit,
        pageToken: query.page_token,
        filters: { list: 'certificates', principal_id, status, expires_before, issuer_id },
        fromItem: certificateFromItem,
      }
      const filter = both(filterOf(status, now, principal_id === undefined), byIssuer)
      if (principal_id !== undefined) {
        const before: Filter =
          expires_before === undefined
            ? undefined
            : { expression: '#expires_at < :before', values: { ':before': expires_before } }
        return listPartitions(store, {
          ...common,
          index: index.certificatesByPrincipal,
          partitionAttribute: 'principal_id',
          partitions: [principal_id],
          newestFirst: true,
          filter: both(filter, before),
          keyAttributes: ['serial_number', 'principal_id', 'issued_at'],
        })
      }
      // The index is sorted by expiry: a condition on it belongs to the key, and is refused in a filter.
      const from = status === 'active' ? now + 1 : now - 31 * day
      const to = Math.min(
        query.horizon,
        (expires_before ?? query.horizon) - 1,
        status === 'expired' ? now : query.horizon,
      )
      const partitions: string[] = []
      for (let at = Math.floor(from / day) * day; at <= to; at += day) partitions.push(dayOf(at))
      return listPartitions(store, {
        ...common,
        index: index.certificatesByExpiry,
        partitionAttribute: 'expiry_day',
        partitions,
        newestFirst: false,
        sort: { expression: '#expires_at BETWEEN :from AND :to', values: { ':from': from, ':to': Math.max(from, to) } },
        filter,
        keyAttributes: ['serial_number', 'expiry_day', 'expires_at'],
      })
    },
  }
}
export type Certificates = ReturnType<typeof makeCertificates>

import type { RevocationReason } from '../core/certificate.ts'
import { ttlOfCertificate } from './certificates.ts'
import type { Store, TransactItem } from './client.ts'
import { controlKey } from './schema.ts'

export interface CrlEntry {
  issuer_id: string
  serial_number: string
  revoked_at: number
  reason: RevocationReason
  expires_at: number
}

/** The record from which CRLs are built, written with every revocation. */
export const makeCrlEntries = (store: Store) => ({
  put: (entry: CrlEntry): TransactItem => ({
    Put: {
      TableName: store.tables.control,
      Item: {
        ...controlKey.crl(entry.issuer_id, entry.serial_number),
        ...entry,
        ttl: ttlOfCertificate(entry.expires_at),
      },
    },
  }),
})
export type CrlEntries = ReturnType<typeof makeCrlEntries>

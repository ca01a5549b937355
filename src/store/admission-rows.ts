import { AsyncLocalStorage } from 'node:async_hooks'
import type { CertificateRecord } from '../core/certificate.ts'
import type { PrincipalRecord } from '../core/principal.ts'
import { second } from '../core/time.ts'
import { certificateFromItem } from './certificates.ts'
import type { Item, Store } from './client.ts'
import { currentDeadline, untilDeadline, withDeadline } from './deadline.ts'
import { principalFromItem } from './principals.ts'

/** A certificate to look up, with the principal that it is expected to belong to. */
export interface RowsWanted {
  serial_number: string
  principal_id: string
}

export interface AdmissionRows {
  /** Without its DER. */
  certificate: CertificateRecord | undefined
  /** Undefined also when the certificate's row names another principal than the one expected. */
  principal: PrincipalRecord | undefined
}

/** DynamoDB takes 100 keys a call: 50 certificates and their principals. */
export const rowsPerRead = 50
const readsAtOnce = 4
/** What one call for many may take, with its repetitions. Milliseconds. */
const readBudget = 5 * second

/** What admission never looks at would be most of what it remembers of a certificate. */
const nothing = new Uint8Array()

/**
 * A row with its members in one order, undefined where it has none: as they come from the store, nearly every row has an
 * order of its own, and what reads them with each request is several times slower then.
 */
const inOrder =
  <T extends object>(members: { [name in keyof Required<T>]: true }) =>
  (row: T): T => {
    const ordered: Partial<T> = {}
    for (const name in members) ordered[name] = row[name]
    return ordered as T
  }

const orderedCertificate = inOrder<CertificateRecord>({
  serial_number: true,
  fingerprint: true,
  principal_id: true,
  principal_type: true,
  subject_dn: true,
  spiffe_id: true,
  issuer_id: true,
  issued_at: true,
  not_before: true,
  expires_at: true,
  expiry_day: true,
  issued_by: true,
  kind: true,
  renewed_from: true,
  lineage: true,
  superseded_by: true,
  superseded_at: true,
  first_used_at: true,
  revoked: true,
  revoked_at: true,
  revocation_reason: true,
  description: true,
  certificate_der: true,
  spki_sha256: true,
  ttl: true,
})

const orderedPrincipal = inOrder<PrincipalRecord>({
  principal_id: true,
  type: true,
  status: true,
  created_at: true,
  created_by: true,
  updated_at: true,
  version: true,
  revision: true,
  suspended_at: true,
  suspended_reason: true,
  email: true,
  description: true,
  max_certificates: true,
  metadata: true,
  joined_by: true,
  rejoins: true,
  recent_rejoins: true,
  rejoin_blocked: true,
  grace_from: true,
  active_serials: true,
})

const certificateOf = (item: Item): CertificateRecord =>
  orderedCertificate({ ...certificateFromItem(item), certificate_der: nothing })

/** Reads rows for admission, many in one call: whoever asks while reads are under way shares the next one. */
export const makeAdmissionRows = (store: Store) => {
  const { certificates, principals } = store.tables
  type Waiting = RowsWanted & {
    /** On the clock of `performance.now()`. */
    until: number
    resolve: (rows: AdmissionRows) => void
    reject: (error: unknown) => void
  }
  // A call serves many requests: it has a deadline of its own, not that of the one which happened to ask first.
  const outsideOfRequests = AsyncLocalStorage.snapshot()
  let queue: Waiting[] = []
  let reading = 0
  let scheduled = false

  const readMany = async (wanted: RowsWanted[]): Promise<AdmissionRows[]> => {
    const distinct = (values: string[]) => [...new Set(values)]
    const found = await store.batchGet([
      {
        table: certificates,
        keys: distinct(wanted.map((one) => one.serial_number)).map((serial_number) => ({ serial_number })),
      },
      {
        table: principals,
        keys: distinct(wanted.map((one) => one.principal_id)).map((principal_id) => ({ principal_id })),
      },
    ])
    const certificateBySerial = new Map(
      (found.get(certificates) ?? []).map((item) => [item['serial_number'], certificateOf(item)]),
    )
    const principalById = new Map(
      (found.get(principals) ?? []).map((item) => [item['principal_id'], orderedPrincipal(principalFromItem(item))]),
    )
    return wanted.map(({ serial_number, principal_id }) => {
      const certificate = certificateBySerial.get(serial_number)
      return {
        certificate,
        principal: certificate?.principal_id === principal_id ? principalById.get(principal_id) : undefined,
      }
    })
  }

  const drain = (): void => {
    scheduled = false
    const now = performance.now()
    queue = queue.filter((one) => one.until > now)
    while (reading < readsAtOnce && queue.length > 0) {
      const batch = queue.splice(0, rowsPerRead)
      reading++
      withDeadline(readBudget, () => readMany(batch))
        .then(
          (rows) => {
            for (const [i, one] of batch.entries()) one.resolve(rows[i] as AdmissionRows)
          },
          (error) => {
            for (const one of batch) one.reject(error)
          },
        )
        .finally(() => {
          reading--
          drain()
        })
    }
  }

  return {
    /** Strongly consistent; shares its call with others that ask at the same time. */
    read: (wanted: RowsWanted): Promise<AdmissionRows> =>
      untilDeadline(
        new Promise((resolve, reject) => {
          queue.push({ ...wanted, until: currentDeadline(), resolve, reject })
          if (scheduled) return
          scheduled = true
          setImmediate(outsideOfRequests, drain)
        }),
      ),
    /** At most 50, in one call, in the order asked. */
    readMany,
  }
}
export type AdmissionRowsReader = ReturnType<typeof makeAdmissionRows>

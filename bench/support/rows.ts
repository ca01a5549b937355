import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { day, dayOf } from '../../src/core/time.ts'
import { controlKey, type Tables } from '../../src/store/schema.ts'
import { startTestStore, type TestStore } from '../../test/support/store.ts'
import { type Row, startImport } from './import.ts'

const certificatesPerPrincipal = 10
/** Certificates run out evenly over the default validity. */
const validity = 90 * day

export interface RowsOptions {
  certificates: number
  /** From 0 to 1. */
  revokedShare: number
  /** Of the issuer that they say they are from. */
  issuer_id: string
  /** Where the store's file lies. One that holds these tables already is taken as it is. */
  directory: string
}

/** The rows of one principal, in their tables. */
const rowsOf = (index: number, now: number, { revokedShare, issuer_id }: RowsOptions): Record<keyof Tables, Row[]> => {
  const principal_id = `row-${index}`
  const active: Row = {}
  const control: Row[] = []
  const certificates = Array.from({ length: certificatesPerPrincipal }, () => {
    const serial_number = randomBytes(16).toString('hex')
    const expires_at = now + Math.floor(Math.random() * validity)
    const ttl = Math.floor((expires_at + 30 * day) / 1000)
    const revoked = Math.random() < revokedShare
    const revocation = { revoked_at: now, reason: 'superseded', expires_at, ttl }
    if (revoked) control.push({ ...controlKey.crl(issuer_id, serial_number), issuer_id, serial_number, ...revocation })
    else active[serial_number] = { expires_at }
    return {
      serial_number,
      fingerprint: randomBytes(32).toString('hex'),
      principal_id,
      principal_type: 'worker',
      subject_dn: `CN=${principal_id}`,
      spiffe_id: `spiffe://localhost/worker/${principal_id}`,
      issuer_id,
      issued_at: expires_at - validity,
      not_before: expires_at - validity,
      expires_at,
      expiry_day: dayOf(expires_at),
      issued_by: 'admin-test',
      kind: 'issued',
      revoked,
      ...(revoked ? { revoked_at: now, revocation_reason: 'superseded' } : {}),
      certificate_der: randomBytes(620),
      spki_sha256: randomBytes(32).toString('hex'),
      ttl,
    }
  })
  const principal = {
    principal_id,
    type: 'worker',
    status: 'active',
    created_at: now - index,
    created_by: 'admin-test',
    updated_at: now - index,
    version: 1,
    revision: 1,
    max_certificates: certificatesPerPrincipal,
    metadata: {},
    rejoins: 0,
    rejoin_blocked: false,
    active_serials: active,
  }
  return { principals: [principal], certificates, control }
}

/** A store that holds so many certificates. */
export const startStoreWithRows = async (options: RowsOptions): Promise<TestStore> => {
  const { certificates, directory } = options
  const remembered = join(directory, 'tables.json')
  if (!existsSync(remembered)) {
    const { add, finish } = await startImport(directory)
    const now = Date.now()
    for (let index = 0; index < certificates / certificatesPerPrincipal; index++)
      for (const [table, rows] of Object.entries(rowsOf(index, now, options)))
        for (const row of rows) await add(table as keyof Tables, row)
    writeFileSync(remembered, JSON.stringify(await finish()))
  }
  return startTestStore({ directory, tables: JSON.parse(readFileSync(remembered, 'utf8')) as Tables })
}

import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { DescribeTableCommand } from '@aws-sdk/client-dynamodb'
import { day, dayOf } from '../../src/core/time.ts'
import { controlKey, type Tables } from '../../src/store/schema.ts'
import { startTestStore, type TestStore } from '../../test/support/store.ts'

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

type Row = Record<string, unknown>

/** A value as DynamoDB writes it in JSON. */
const written = (value: unknown): Row => {
  if (typeof value === 'number') return { N: String(value) }
  if (typeof value === 'boolean') return { BOOL: value }
  if (Buffer.isBuffer(value)) return { B: value.toString('base64') }
  if (typeof value === 'object') return { M: writtenAll(value as Row) }
  return { S: value }
}
const writtenAll = (row: Row): Row =>
  Object.fromEntries(Object.entries(row).map(([name, value]) => [name, written(value)]))

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

const writer = (folder: string) => {
  mkdirSync(join(folder, 'data'), { recursive: true })
  const stream = createWriteStream(join(folder, 'data', 'rows.json'))
  return {
    write: async (row: Row) => {
      if (!stream.write(`${JSON.stringify({ Item: writtenAll(row) })}\n`)) await once(stream, 'drain')
    },
    close: () => new Promise<void>((resolve) => stream.end(resolve)),
  }
}

/** A store that holds so many certificates, through the engine's own import: thrice as fast as BatchWriteItem. */
export const startStoreWithRows = async (options: RowsOptions): Promise<TestStore> => {
  const { certificates, directory } = options
  mkdirSync(directory, { recursive: true })
  const remembered = join(directory, 'tables.json')
  if (existsSync(remembered))
    return startTestStore({ directory, tables: JSON.parse(readFileSync(remembered, 'utf8')) as Tables })
  // 1. The tables, as the schema that the import wants.
  const pattern = await startTestStore()
  const tables = pattern.tables
  const described = await Promise.all(
    Object.values(tables).map((TableName) => pattern.store.documents.send(new DescribeTableCommand({ TableName }))),
  )
  await pattern.stop()
  const [schema, source] = [join(directory, 'schema.json'), join(directory, 'rows')]
  writeFileSync(schema, JSON.stringify(described.map(({ Table }) => ({ Table }))))
  // 2. The rows, a file per table.
  const names = ['principals', 'certificates', 'control'] as const
  const writers = names.map((name) => writer(join(source, tables[name])))
  const now = Date.now()
  for (let index = 0; index < certificates / certificatesPerPrincipal; index++) {
    const rows = rowsOf(index, now, options)
    for (const [place, name] of names.entries()) for (const row of rows[name]) await writers[place]?.write(row)
  }
  await Promise.all(writers.map(({ close }) => close()))
  // 3. The import, and an engine on its result.
  const platform = `@dynoxide/${process.platform}-${process.arch}`
  const engine = join(dirname(createRequire(import.meta.url).resolve(`${platform}/package.json`)), 'dynoxide')
  const output = join(directory, 'store.db')
  await promisify(execFile)(engine, ['import', '--source', source, '--schema', schema, '--output', output])
  rmSync(source, { recursive: true })
  writeFileSync(remembered, JSON.stringify(tables))
  return startTestStore({ directory, tables })
}

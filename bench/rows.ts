/**
 * Whether anything that a caller waits for grows with the registry: the same measures with a hundred rows and with many.
 *
 *     npm run bench -- rows                       20,000 certificates of 2,000 principals
 *     ROWS=1000000 npm run bench -- rows          a million of 100,000: some 10 GB of disk, and minutes to load
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { DescribeTableCommand } from '@aws-sdk/client-dynamodb'
import { day, dayOf } from '../src/core/time.ts'
import { type Ground, layGround } from '../test/support/processes.ts'
import { startTestStore, type TestStore } from '../test/support/store.ts'

const certificatesPerPrincipal = 10
/** Certificates run out evenly over the default validity. */
const validity = 90 * day
/** One in so many is revoked. */
const revokedEvery = 50

type Attributes = Record<string, unknown>
const S = (text: string) => ({ S: text })
const N = (number: number) => ({ N: String(number) })

/** The rows of one principal as DynamoDB writes them in JSON. */
const rowsOf = (
  index: number,
  now: number,
): { principal: Attributes; certificates: Attributes[]; serials: string[] } => {
  const id = `worker-${index}`
  const active: Attributes = {}
  const serials: string[] = []
  const certificates = Array.from({ length: certificatesPerPrincipal }, (_, i) => {
    const serial = randomBytes(16).toString('hex')
    const expires = now + Math.floor(Math.random() * validity)
    const revoked = (index * certificatesPerPrincipal + i) % revokedEvery === 1
    if (!revoked) active[serial] = { M: { expires_at: N(expires) } }
    if (!revoked) serials.push(serial)
    return {
      serial_number: S(serial),
      fingerprint: S(randomBytes(32).toString('hex')),
      principal_id: S(id),
      principal_type: S('worker'),
      subject_dn: S(`CN=${id}`),
      spiffe_id: S(`spiffe://localhost/worker/${id}`),
      issuer_id: S('0123456789abcdef'),
      issued_at: N(expires - validity),
      not_before: N(expires - validity),
      expires_at: N(expires),
      expiry_day: S(dayOf(expires)),
      issued_by: S('admin-test'),
      kind: S('issued'),
      revoked: { BOOL: revoked },
      ...(revoked ? { revoked_at: N(now), revocation_reason: S('superseded') } : {}),
      certificate_der: { B: randomBytes(620).toString('base64') },
      spki_sha256: S(randomBytes(32).toString('hex')),
      ttl: N(Math.floor((expires + 30 * day) / 1000)),
    }
  })
  const principal = {
    principal_id: S(id),
    type: S('worker'),
    status: S('active'),
    created_at: N(now - index),
    created_by: S('admin-test'),
    updated_at: N(now - index),
    version: N(1),
    revision: N(1),
    max_certificates: N(certificatesPerPrincipal),
    metadata: { M: {} },
    rejoins: N(0),
    rejoin_blocked: { BOOL: false },
    active_serials: { M: active },
  }
  return { principal, certificates, serials }
}

const writer = (folder: string) => {
  mkdirSync(join(folder, 'data'), { recursive: true })
  const stream = createWriteStream(join(folder, 'data', 'rows.json'))
  return {
    write: async (item: Attributes) => {
      if (!stream.write(`${JSON.stringify({ Item: item })}\n`)) await once(stream, 'drain')
    },
    close: () => new Promise<void>((resolve) => stream.end(resolve)),
  }
}

/** A store that holds so many certificates, through the engine's own import: thrice as fast as BatchWriteItem. */
const loadStore = async (certificates: number, directory: string): Promise<{ store: TestStore; serials: string[] }> => {
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
  const [principalRows, certificateRows] = [
    writer(join(source, tables.principals)),
    writer(join(source, tables.certificates)),
  ]
  const now = Date.now()
  const serials: string[] = []
  for (let index = 0; index < certificates / certificatesPerPrincipal; index++) {
    const rows = rowsOf(index, now)
    await principalRows.write(rows.principal)
    for (const row of rows.certificates) await certificateRows.write(row)
    if (serials.length < 40) serials.push(...rows.serials)
  }
  await Promise.all([principalRows.close(), certificateRows.close()])
  // 3. The import, and an engine on its result.
  const engine = join(
    dirname(createRequire(import.meta.url).resolve(`@dynoxide/${process.platform}-${process.arch}/package.json`)),
    'dynoxide',
  )
  await promisify(execFile)(engine, [
    'import',
    '--source',
    source,
    '--schema',
    schema,
    '--output',
    join(directory, 'store.db'),
  ])
  rmSync(source, { recursive: true })
  return { store: await startTestStore({ directory, tables }), serials }
}

const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const started = performance.now()
  await work()
  return performance.now() - started
}

/** The middle one of some runs; none of them may share what it looks at with another. */
const median = async (work: (turn: number) => Promise<unknown>, turns = 9): Promise<number> => {
  const times: number[] = []
  for (let turn = 0; turn < turns; turn++) times.push(await timed(() => work(turn)))
  return times.sort((a, b) => a - b)[Math.floor(turns / 2)] as number
}

const lists = {
  principals: '/v1/principals',
  'principals by type': '/v1/principals?type=worker',
  'certificates by expiry': '/v1/certificates',
  'certificates of a principal': '/v1/certificates?principal_id=worker-3',
  'certificates that are revoked': '/v1/certificates?status=revoked',
  'certificates that expire soon': `/v1/certificates?status=active&expires_before=${new Date(Date.now() + 7 * day).toISOString()}`,
  'certificates of an issuer': '/v1/certificates?issuer_id=0123456789abcdef',
  'certificates of an unknown issuer': '/v1/certificates?issuer_id=fedcba9876543210',
  'audit events': '/v1/audit-events',
}

const measure = async (ground: Ground, serials: string[]): Promise<Record<string, number>> => {
  const measured: Record<string, number> = {}
  const started = performance.now()
  const server = await ground.start()
  measured['start until the ports are open'] = performance.now() - started
  while ((await fetch(`http://${server.health}/readyz`)).status !== 200)
    await new Promise((resolve) => setTimeout(resolve, 5))
  measured['start until ready'] = performance.now() - started
  const admin = ground.clientOf(ground.admin, server.mtls)
  const must = async (answer: ReturnType<typeof admin.get>) => {
    const { status, body } = await answer
    if (status !== 200) throw new Error(JSON.stringify(body))
  }
  measured['first handshake and admission'] = await timed(() => must(admin.get('/v1/whoami')))
  for (const [name, path] of Object.entries(lists))
    measured[`a page of ${name}`] = await median(() => must(admin.get(path)))
  measured['one certificate'] = await median((turn) => must(admin.get(`/v1/certificates/${serials[turn]}`)))
  measured['revoke'] = await median((turn) =>
    must(admin.post(`/v1/certificates/${serials[turn]}/revoke`, { reason: 'superseded' })),
  )
  await server.end('SIGKILL')
  return measured
}

const withRows = async (certificates: number): Promise<Record<string, number>> => {
  const directory = mkdtempSync(join(tmpdir(), 'rows-'))
  let ground: Ground | undefined
  try {
    const started = performance.now()
    const { store, serials } = await loadStore(certificates, directory)
    const loading = (performance.now() - started) / 1000
    ground = await layGround(store)
    return { 'loading, seconds': loading, ...(await measure(ground, serials)) }
  } finally {
    await ground?.end()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** With many rows each call may take so many times what it takes with few, and this much on top. */
const growth = { factor: 3, milliseconds: 100 }

/** Milliseconds of each call with few rows and with many. Throws when one grows with the registry. */
export const run = async (): Promise<Record<string, number>> => {
  const rows = Number(process.env['ROWS'] ?? 20_000)
  const [few, many] = [await withRows(100), await withRows(rows)]
  const result: Record<string, number> = {}
  const grown: string[] = []
  for (const [name, value] of Object.entries(many)) {
    const before = few[name] as number
    result[`${name}, 100 rows`] = before
    result[`${name}, ${rows} rows`] = value
    if (!name.startsWith('loading') && value > before * growth.factor + growth.milliseconds)
      grown.push(`${name}: ${before.toFixed(1)} ms with 100 rows, ${value.toFixed(1)} ms with ${rows}`)
  }
  if (grown.length > 0) console.table(result)
  if (grown.length > 0) throw new Error(grown.join('\n'))
  return result
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.table(await run())

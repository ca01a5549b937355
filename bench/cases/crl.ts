/**
 * A CRL of many entries: how long it takes, and what requests notice of it; and whether a revocation costs more when much
 * was revoked before.
 *
 *     npm run bench -- crl                 100,000 revoked
 *     REVOKED=1000000 npm run bench -- crl
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
import { revocationReasons } from '../../src/core/certificate.ts'
import { timeOrderedId } from '../../src/core/ids.ts'
import { day } from '../../src/core/time.ts'
import { type Authority, makeAuthority } from '../../test/support/authority.ts'
import { type Answer, type Client, identityOf, makeRequest } from '../../test/support/client.ts'
import { type Ground, layGround, type ServerProcess } from '../../test/support/processes.ts'
import { startTestStore, type TestStore } from '../../test/support/store.ts'

const validity = 90 * day
/** What is asked while lists are built: so many a second, by so many principals, for so long. */
const rate = 200
const principals = 20
let seconds = 50
/** Revoked one by one meanwhile: each asks for another list. */
const revocations = 9
const promised = { buildSeconds: 2, p99Milliseconds: 100 }

const S = (text: string) => ({ S: text })
const N = (number: number) => ({ N: String(number) })

/** The record of a revocation as DynamoDB writes it in JSON; certificates were issued evenly over their validity. */
const recordOf = (issuerId: string, number: number, now: number) => {
  const issued = now - Math.floor(Math.random() * validity)
  const serial = timeOrderedId(issued)
  const expires = issued + validity
  return {
    pk: S(`CRL#${issuerId}#${serial.slice(-2)}`),
    sk: S(serial),
    revoked_at: N(issued + Math.floor(Math.random() * (now - issued))),
    reason: S(revocationReasons[number % revocationReasons.length] as string),
    expires_at: N(expires),
    ttl: N(Math.floor((expires + 30 * day) / 1000)),
  }
}

/** A store that holds so many records, through the engine's own import. */
const loadStore = async (records: number, { issuer }: Authority, directory: string): Promise<TestStore> => {
  const pattern = await startTestStore()
  const { tables } = pattern
  const described = await Promise.all(
    Object.values(tables).map((TableName) => pattern.store.documents.send(new DescribeTableCommand({ TableName }))),
  )
  await pattern.stop()
  const [schema, source] = [join(directory, 'schema.json'), join(directory, 'rows')]
  writeFileSync(schema, JSON.stringify(described.map(({ Table }) => ({ Table }))))
  const folder = join(source, tables.control, 'data')
  mkdirSync(folder, { recursive: true })
  const rows = createWriteStream(join(folder, 'rows.json'))
  for (let i = 0; i < records; i++)
    if (!rows.write(`${JSON.stringify({ Item: recordOf(issuer.issuer_id, i, Date.now()) })}\n`))
      await once(rows, 'drain')
  await new Promise<void>((resolve) => rows.end(resolve))
  const engine = join(
    dirname(createRequire(import.meta.url).resolve(`@dynoxide/${process.platform}-${process.arch}/package.json`)),
    'dynoxide',
  )
  const output = join(directory, 'store.db')
  await promisify(execFile)(engine, ['import', '--source', source, '--schema', schema, '--output', output])
  rmSync(source, { recursive: true })
  return startTestStore({ directory, tables })
}

const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds))

const patiently = async (status: number, ask: () => Promise<Answer>): Promise<Answer> => {
  for (;;) {
    const answer = await ask()
    if (answer.status === status) return answer
    if (answer.status !== 429 && answer.status !== 503) throw new Error(JSON.stringify(answer.body))
    await pause(200)
  }
}

interface Member {
  serial: string
  client: Client
}

const enrol = async (ground: Ground, server: ServerProcess, admin: Client): Promise<Member> => {
  const principal_id = `worker-${randomBytes(8).toString('hex')}`
  await patiently(201, () => admin.post('/v1/principals', { principal_id, type: 'worker' }))
  const { key, csr_pem } = await makeRequest()
  const { body } = await patiently(201, () => admin.post('/v1/certificates', { principal_id, csr_pem }))
  return {
    serial: body.certificate.serial_number,
    client: ground.clientOf(identityOf(body, key), server.mtls),
  }
}

/** Requests at a fixed rate, whatever became of those before. Milliseconds each, from when it should have been sent. */
const ask = async (members: Member[], duration: number): Promise<number[]> => {
  const took: number[] = []
  const open: Promise<void>[] = []
  const started = performance.now()
  for (let i = 0; i < (duration / 1000) * rate; i++) {
    const at = started + (i * 1000) / rate
    const ahead = at - performance.now()
    if (ahead > 0) await pause(ahead)
    const { client } = members[i % members.length] as Member
    open.push(
      client.get('/v1/whoami').then(({ status }) => {
        if (status !== 200) throw new Error(`whoami is answered ${status}`)
        took.push(performance.now() - at)
      }),
    )
  }
  await Promise.all(open)
  return took
}

const at = (sorted: number[], share: number): number => sorted[Math.floor((sorted.length - 1) * share)] as number
const sortedOf = (numbers: number[]): number[] => [...numbers].sort((a, b) => a - b)

const withRevoked = async (records: number): Promise<Record<string, number>> => {
  const directory = mkdtempSync(join(tmpdir(), 'crl-'))
  const authority = await makeAuthority()
  let ground: Ground | undefined
  try {
    ground = await layGround(await loadStore(records, authority, directory), authority)
    const server = await ground.start(['--pki-listen', '127.0.0.1:0'])
    const { program } = server
    await program.event('crl_published')
    const admin = ground.clientOf(ground.admin, server.mtls)
    const members: Member[] = []
    for (let i = 0; i < principals + revocations; i++) members.push(await enrol(ground, server, admin))
    const [asking, falling] = [members.slice(0, principals), members.slice(principals)]
    await ask(asking, 2000)
    const published = () => program.logged().filter(({ event }) => event === 'crl_published')
    const before = published().length
    const revoking: number[] = []
    const revoke = async () => {
      for (const { serial } of falling) {
        const started = performance.now()
        await patiently(200, () => admin.post(`/v1/certificates/${serial}/revoke`, { reason: 'superseded' }))
        revoking.push(performance.now() - started)
        await pause((seconds * 1000) / revocations)
      }
    }
    const [took] = await Promise.all([ask(asking, seconds * 1000), revoke()])
    const lists = published()
    const sorted = sortedOf(took)
    return {
      'entries on the last list': Number(lists.at(-1)?.['entries']),
      'octets of it': Number(lists.at(-1)?.['size']),
      'lists built while requests were sent': lists.length - before,
      'reading and encoding, longest, s': Math.max(...lists.map(({ build_ms }) => Number(build_ms))) / 1000,
      'requests, p50, ms': at(sorted, 0.5),
      'requests, p99, ms': at(sorted, 0.99),
      'requests, longest, ms': sorted.at(-1) as number,
      'revoke, p50, ms': at(sortedOf(revoking), 0.5),
    }
  } finally {
    await ground?.end()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** With many revoked, a revocation may take so many times what it takes with few, and this much on top. */
const growth = { factor: 3, milliseconds: 100 }

/** Both with a hundred revoked and with many. Throws when a promise is not kept. */
export const run = async ({ quick } = { quick: false }): Promise<Record<string, number>> => {
  const records = Number(process.env['REVOKED'] ?? (quick ? 2000 : 100_000))
  const result: Record<string, number> = {}
  const measured: Record<string, number>[] = []
  if (quick) seconds = 6
  for (const count of quick ? [records] : [100, records]) {
    const one = await withRevoked(count)
    measured.push(one)
    for (const [name, value] of Object.entries(one)) result[`${count} revoked: ${name}`] = value
  }
  // With small numbers it is seen that it runs, on whatever machine.
  if (quick) return result
  const broken: string[] = []
  const [few = {}, many = {}] = measured
  const built = many['reading and encoding, longest, s'] as number
  if (built > promised.buildSeconds) broken.push(`a list took ${built} s, expected ${promised.buildSeconds} at most`)
  const p99 = many['requests, p99, ms'] as number
  if (p99 > promised.p99Milliseconds)
    broken.push(`p99 is ${p99.toFixed(0)} ms, expected ${promised.p99Milliseconds} at most`)
  const [before, after] = [few['revoke, p50, ms'] as number, many['revoke, p50, ms'] as number]
  if (after > before * growth.factor + growth.milliseconds)
    broken.push(`a revocation took ${before.toFixed(1)} ms with 100 revoked, ${after.toFixed(1)} ms with ${records}`)
  if (many['lists built while requests were sent'] === 0) broken.push('no list was built while requests were sent')
  if (broken.length > 0) {
    console.table(result)
    throw new Error(broken.join('\n'))
  }
  return result
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.table(await run())

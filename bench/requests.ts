/**
 * What a request on an open connection costs the server, and that it costs the store nothing.
 *
 *     npm run bench -- requests            SECONDS=10 unless said
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Client, identityOf, makeRequest } from '../test/support/client.ts'
import { startFaultProxy } from '../test/support/fault-proxy.ts'
import { layGround } from '../test/support/processes.ts'

/** Principals that ask side by side, each on one connection, 40 times a second: below the limit of their rate. */
const principals = 50
const requestsPerSecond = 40
/** What the steady state may read per second beyond the feed: the rows of open connections, every 20 s. */
const otherReads = new Set(['BatchGetItem'])

/** CPU time of a process so far, microseconds; Linux counts it in hundredths of a second. */
const cpuOf = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}

/** Requests per second, their CPU and their store calls. Throws when a request reads the store. */
export const run = async (): Promise<Record<string, number>> => {
  const seconds = Number(process.env['SECONDS'] ?? 10)
  const ground = await layGround()
  const proxy = await startFaultProxy(ground.store.engine.endpoint)
  try {
    const server = await ground.start([], { AWS_ENDPOINT_URL_DYNAMODB: proxy.endpoint })
    const pid = server.program.child.pid as number
    const admin = ground.clientOf(ground.admin, server.mtls)
    const clients: Client[] = []
    for (let i = 0; i < principals; i++) {
      const principal_id = `worker-${i}`
      const { key, csr_pem } = await makeRequest()
      await admin.post('/v1/principals', { principal_id, type: 'worker' })
      const issued = await admin.post('/v1/certificates', { principal_id, csr_pem })
      if (issued.status !== 201) {
        // The admin's own rate is limited as well.
        await new Promise((resolve) => setTimeout(resolve, 1000))
        i--
        continue
      }
      clients.push(ground.clientOf(identityOf(issued.body, key), server.mtls))
    }
    const rounds = async (until: number): Promise<number> => {
      let done = 0
      await Promise.all(
        clients.map(async (client) => {
          const started = performance.now()
          for (let n = 1; performance.now() < until; n++) {
            const { status } = await client.get('/v1/whoami')
            if (status !== 200) throw new Error(`whoami is answered ${status}`)
            done++
            const ahead = started + (n * 1000) / requestsPerSecond - performance.now()
            if (ahead > 0) await new Promise((resolve) => setTimeout(resolve, ahead))
          }
        }),
      )
      return done
    }
    await rounds(performance.now() + 2000)

    proxy.calls.clear()
    const [started, cpuBefore] = [performance.now(), cpuOf(pid)]
    const done = await rounds(started + seconds * 1000)
    const elapsed = (performance.now() - started) / 1000
    const cpu = cpuOf(pid) - cpuBefore
    const feedReads = proxy.calls.get('Query') ?? 0
    const others = [...proxy.calls].filter(([operation]) => operation !== 'Query' && !otherReads.has(operation))
    const result = {
      'principals, one connection each': principals,
      'requests per second': done / elapsed,
      'server CPU per request, µs': cpu / done,
      'requests per second of one whole core': (done / cpu) * 1e6,
      'store reads of the feed per second': feedReads / elapsed,
      'reads of the rows of all open connections': proxy.calls.get('BatchGetItem') ?? 0,
      'other store calls': others.reduce((total, [, calls]) => total + calls, 0),
      'store calls per 1,000 requests': ([...proxy.calls.values()].reduce((a, b) => a + b, 0) / done) * 1000,
    }
    // Two hours' partitions and the open revocations at the most, however many requests came.
    const allowed = 4 * elapsed + 4
    if (
      feedReads > allowed ||
      result['other store calls'] > 0 ||
      result['reads of the rows of all open connections'] > elapsed
    )
      throw new Error(
        `the steady state reads the store: ${JSON.stringify(Object.fromEntries(proxy.calls))} in ${done} requests`,
      )
    return result
  } finally {
    await ground.end()
    await proxy.stop()
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.table(await run())

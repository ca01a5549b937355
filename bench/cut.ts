/**
 * How long a revoked certificate keeps its connection: from the answer to the revocation to the closed socket, on the
 * server that was asked (there it is closed before the answer, so the figures are negative) and on another one, with the
 * default feed interval.
 *
 *     npm run bench -- cut            REVOCATIONS=200 unless said
 */
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { identityOf, makeRequest } from '../test/support/client.ts'
import { layGround, type ServerProcess } from '../test/support/processes.ts'

/** What the contract promises for another server, milliseconds at the 99th percentile. */
const promised = 1500
/** Revocations side by side, so that the waiting takes a quarter of the time. */
const lanes = 4

const percentile = (sorted: number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] as number

/** Milliseconds until the socket of each revoked certificate was closed. Throws when the promise is broken. */
export const run = async (): Promise<Record<string, number>> => {
  const revocations = Number(process.env['REVOCATIONS'] ?? 200)
  const ground = await layGround()
  try {
    const [here, there] = await Promise.all([ground.start(), ground.start()])
    const admin = ground.clientOf(ground.admin, here.mtls)
    const must = async (status: number, asking: ReturnType<typeof admin.get>) => {
      const answer = await asking
      if (answer.status !== status) throw new Error(JSON.stringify(answer.body))
      return answer.body
    }
    const watch = async (identity: ReturnType<typeof identityOf>, server: ServerProcess) => {
      const socket = await ground.clientOf(identity, server.mtls).open()
      socket.on('error', () => undefined)
      socket.write('GET /v1/whoami HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await once(socket, 'data')
      return { closed: once(socket.resume(), 'close').then(() => performance.now()) }
    }
    const times: { here: number[]; there: number[] } = { here: [], there: [] }
    const one = async (principal_id: string) => {
      const { key, csr_pem } = await makeRequest()
      const issued = await must(201, admin.post('/v1/certificates', { principal_id, csr_pem }))
      const identity = identityOf(issued, key)
      const [openHere, openThere] = [await watch(identity, here), await watch(identity, there)]
      // Anywhere between two looks at the feed.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 1000))
      const revoke = `/v1/certificates/${issued.certificate.serial_number}/revoke`
      await must(200, admin.post(revoke, { reason: 'key_compromise' }))
      const answered = performance.now()
      times.here.push((await openHere.closed) - answered)
      times.there.push((await openThere.closed) - answered)
    }
    const lane = async (number: number) => {
      for (let turn = 0; turn < revocations / lanes; turn++) {
        const principal_id = `worker-${number}-${turn}`
        await must(201, admin.post('/v1/principals', { principal_id, type: 'worker' }))
        await one(principal_id)
      }
    }
    await Promise.all(Array.from({ length: lanes }, (_, number) => lane(number)))
    const result: Record<string, number> = { revocations: times.there.length }
    for (const [where, name] of [
      ['here', 'on the server that was asked'],
      ['there', 'on another server'],
    ] as const) {
      const sorted = times[where].sort((a, b) => a - b)
      result[`${name}, p50, ms`] = percentile(sorted, 0.5)
      result[`${name}, p99, ms`] = percentile(sorted, 0.99)
      result[`${name}, longest, ms`] = sorted.at(-1) as number
    }
    const p99 = result['on another server, p99, ms'] as number
    if (p99 > promised) throw new Error(`p99 on another server is ${p99.toFixed(0)} ms, expected ${promised} at most`)
    return result
  } finally {
    await ground.end()
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.table(await run())

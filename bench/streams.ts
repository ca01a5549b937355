/** What an idle event stream costs a server, and that revoking some ends these and no other. */
import { fileURLToPath } from 'node:url'
import { inParallel, makeFleet, openStreamPatiently, residentMemory, startServerProcess } from './support/fleet.ts'

const count = Number(process.env['BENCH_STREAMS'] ?? 2000)
const parts = 4
const revoked = Math.min(100, count)
/**
 * Octets. A bare TLS 1.3 server of Node takes 72 KB for each idle connection with a client certificate, nearly all of it
 * OpenSSL's; what we add to that is to stay small.
 */
const allowedPerStream = 128 * 1024

export const run = async (): Promise<Record<string, number>> => {
  const { plane, agents, stop } = await makeFleet(count)
  const server = await startServerProcess(plane, { collectOften: true })
  const pid = server.child.pid as number
  try {
    // The first connections load what every later one shares.
    for (const agent of agents.slice(0, 200)) (await openStreamPatiently(server.mtls, agent, 'warm-up')).destroy()
    const before = await residentMemory(pid)
    const closed = new Set<number>()
    let after = before
    // In parts with rests, so that garbage of the openings is not taken for memory of the open.
    for (let part = 0; part < parts; part++) {
      const some = agents.slice((count * part) / parts, (count * (part + 1)) / parts)
      await inParallel(some, 8, async (agent, place) => {
        const index = (count * part) / parts + place
        const socket = await openStreamPatiently(server.mtls, agent, `instance-${index}`)
        socket.once('close', () => closed.add(index))
      })
      after = await residentMemory(pid)
    }
    const perStream = (after - before) / count

    // Through the other server: the feed has to carry it.
    const admin = plane.admin
    const cutAt = new Map<number, number>()
    const answeredAt = new Map<number, number>()
    const watch = setInterval(() => {
      for (const index of closed) if (!cutAt.has(index)) cutAt.set(index, performance.now())
    }, 5)
    await inParallel(agents.slice(0, revoked), 8, async ({ member }, index) => {
      const serial = member.issued.certificate.serial_number
      for (;;) {
        const { status } = await admin.post(`/v1/certificates/${serial}/revoke`, { reason: 'unspecified' })
        if (status === 200) break
        await new Promise((resolve) => setTimeout(resolve, 300))
      }
      answeredAt.set(index, performance.now())
    })
    await new Promise((resolve) => setTimeout(resolve, 4000))
    clearInterval(watch)
    const wrong = [...closed].filter((index) => index >= revoked).length
    const missing = revoked - [...closed].filter((index) => index < revoked).length
    const delays = [...cutAt].map(([index, at]) => at - (answeredAt.get(index) ?? at)).sort((a, b) => a - b)
    if (perStream > allowedPerStream) throw new Error(`an idle stream takes ${Math.round(perStream / 1024)} KB`)
    if (wrong > 0 || missing > 0) throw new Error(`revoking ${revoked} cut ${wrong} others and missed ${missing}`)
    return {
      'idle streams': count,
      'memory of an idle stream, KB': perStream / 1024,
      [`${revoked} revoked elsewhere: cut after, median, ms`]: delays[Math.floor(delays.length / 2)] ?? 0,
      [`${revoked} revoked elsewhere: cut after, last, ms`]: delays.at(-1) ?? 0,
      'streams of others that were cut': wrong,
    }
  } finally {
    server.child.kill('SIGKILL')
    await stop()
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.table(await run())

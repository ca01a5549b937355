/** A whole fleet that comes back at once after its server was killed and started anew, and what that does to everybody else. */
import type { TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import type { CallerRequest } from '../src/authority/request.ts'
import { identityOf, makeRequest } from '../test/support/client.ts'
import { startBystander } from './support/bystander.ts'
import { cpuSeconds, inParallel, makeFleet, openStream, startServerProcess } from './support/fleet.ts'

const count = Number(process.env['BENCH_STREAMS'] ?? 2000)
const toRevoke = 20
/** Milliseconds. */
const allowedRevocation = 2000

const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds))
const percentile = (values: number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0

export const run = async (): Promise<Record<string, number>> => {
  const { plane, agents, stop } = await makeFleet(count)
  let server = await startServerProcess(plane)
  const address = server.mtls
  const port = Number(address.split(':')[1])
  const sockets: (TLSSocket | undefined)[] = []
  try {
    await inParallel(agents, 32, async (agent, index) => {
      sockets[index] = await openStream(address, agent, `instance-${index}`)
    })
    const { key, csr_pem } = await makeRequest()
    const request = {
      attribution: { actor: 'system', request_id: 'bench', remote_address: '127.0.0.1' },
    } as CallerRequest
    await plane.server.plane.verbs.createPrincipal(request, { principal_id: 'admin-bench', type: 'admin' })
    const issued = await plane.server.plane.verbs.issueCertificate(request, { principal_id: 'admin-bench', csr_pem })

    server.child.kill('SIGKILL')
    await server.ended
    const restarting = startServerProcess(plane, { port })
    // Everybody knocks again and again, without patience: the worst herd there is.
    const refusals = new Map<string, number>()
    const backAt: number[] = []
    let opened = 0
    const herd = Promise.all(
      agents.map(async (agent, index) => {
        for (let tries = 0; ; tries++) {
          try {
            sockets[index] = await openStream(address, agent, `instance-${index}`)
            backAt.push(performance.now())
            return
          } catch (error) {
            const why = (error as Error).message
            if (opened > 0) refusals.set(why, (refusals.get(why) ?? 0) + 1)
            await pause(opened === 0 ? 100 : Math.random() * Math.min(5000, 500 * 2 ** Math.min(tries, 4)))
          }
        }
      }),
    )
    server = await restarting
    opened = performance.now()
    const pid = server.child.pid as number
    const cpuBefore = cpuSeconds(pid)

    const bystander = startBystander({
      address,
      health: server.health,
      root: plane.authority.root_pem,
      identity: identityOf(issued, key),
    })
    const revoking = (async () => {
      for (let index = 0; index < toRevoke; index++) {
        while (sockets[index] === undefined || sockets[index]?.destroyed === true) await pause(10)
        bystander.revoke(String(agents[index]?.member.issued.certificate.serial_number))
        await pause(100)
      }
    })()
    await herd
    const cpu = cpuSeconds(pid) - cpuBefore
    const allBack = Math.max(...backAt) - opened
    await revoking
    const observed = await bystander.end()
    const revocations = [...observed.fresh, ...observed.kept]
    await pause(1000)
    const cut = sockets.slice(0, toRevoke).filter((socket) => socket?.destroyed).length
    const there = sockets.filter((socket, index) => index >= toRevoke && socket?.destroyed === false).length
    if (there !== count - toRevoke) throw new Error(`${count - toRevoke - there} agents are not back`)
    if (cut !== toRevoke) throw new Error(`of ${toRevoke} revoked, ${cut} were cut`)
    if (Math.max(...revocations) > allowedRevocation)
      throw new Error(`a revocation took ${Math.round(Math.max(...revocations))} ms while the fleet came back`)
    return {
      [`${count} agents are back after, s`]: allBack / 1000,
      'half of them after, s': (percentile(backAt, 0.5) - opened) / 1000,
      'CPU of one that comes back, ms': (cpu / count) * 1000,
      'refused and let in later': [...refusals.values()].reduce((sum, one) => sum + one, 0),
      'revoked and cut meanwhile, open connection: median, ms': percentile(observed.kept, 0.5),
      'revoked and cut meanwhile, open connection: worst, ms': Math.max(...observed.kept),
      'revoked and cut meanwhile, new connection: median, ms': percentile(observed.fresh, 0.5),
      'revoked and cut meanwhile, new connection: worst, ms': Math.max(...observed.fresh),
      'health probe meanwhile, median, ms': percentile(observed.health, 0.5),
      'health probe meanwhile, p99, ms': percentile(observed.health, 0.99),
    }
  } finally {
    server.child.kill('SIGKILL')
    await stop()
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.table(await run())

import type { SecureContext, TLSSocket } from 'node:tls'
import { contextOf } from '../load/connection.ts'
import { openStream } from '../load/stream.ts'
import { cpuOf } from '../support/accounting.ts'
import { startBystander } from '../support/bystander.ts'
import { inParallel, pause } from '../support/parallel.ts'
import { collect } from '../support/results.ts'
import type { Scene } from '../support/scene.ts'
import type { OurServer } from '../support/server.ts'
import { layStage, type Member, type Stage } from '../support/stage.ts'
import { percentile } from '../support/statistics.ts'

interface Fleet {
  stage: Stage
  members: Member[]
  contexts: SecureContext[]
  admin: Member
}

/** The fall of a server and the return of a fleet; the first `toRevoke` are revoked meanwhile, and never seen again. */
const fall = async (fallen: OurServer, { stage, members, contexts, admin }: Fleet, toRevoke: number) => {
  const count = members.length
  const address = fallen.mtls
  const sockets: (TLSSocket | undefined)[] = []
  await fallen.end('SIGKILL')
  const restarting = stage.start({ port: Number(address.split(':')[1]) })
  // Everybody knocks again and again, without patience: the worst herd there is.
  let refused = 0
  let opened = 0
  const backAt: number[] = []
  const herd = inParallel(contexts, count, async (context, index) => {
    for (let tries = 0; ; tries++) {
      try {
        sockets[index] = await openStream(address, context, `of-${members[index]?.principal_id}`)
        backAt.push(performance.now())
        return
      } catch {
        if (opened > 0) refused++
        await pause(opened === 0 ? 100 : Math.random() * Math.min(5000, 500 * 2 ** Math.min(tries, 4)))
      }
    }
  })
  const server = await restarting
  opened = performance.now()
  const cpuBefore = cpuOf(server.pid)
  const bystander = startBystander({
    address,
    health: server.health,
    root: stage.authority.root_pem,
    identity: admin.identity,
  })
  const revoking = (async () => {
    for (let index = 0; index < toRevoke; index++) {
      while (sockets[index] === undefined || sockets[index]?.destroyed === true) await pause(10)
      bystander.revoke(members[index]?.serial_number ?? '')
      await pause(100)
    }
  })()
  await herd
  const cpu = cpuOf(server.pid) - cpuBefore
  const allBack = Math.max(...backAt) - opened
  await revoking
  const observed = await bystander.end()
  await pause(1000)
  const cut = sockets.slice(0, toRevoke).filter((socket) => socket?.destroyed).length
  const there = sockets.filter((socket, index) => index >= toRevoke && socket?.destroyed === false).length
  if (there !== count - toRevoke) throw new Error(`${count - toRevoke - there} agents are not back`)
  if (cut !== toRevoke) throw new Error(`of ${toRevoke} revoked, ${cut} were cut`)
  const sample = {
    agents: count,
    all_back_s: allBack / 1000,
    half_back_s: (percentile(backAt, 0.5) - opened) / 1000,
    server_cpu_of_one_ms: cpu / count,
    refused_and_let_in_later: refused,
    revocation_on_open_connection_p50_ms: percentile(observed.kept, 0.5),
    revocation_on_open_connection_longest_ms: Math.max(...observed.kept),
    revocation_on_new_connection_p50_ms: percentile(observed.fresh, 0.5),
    revocation_on_new_connection_longest_ms: Math.max(...observed.fresh),
    health_p50_ms: percentile(observed.health, 0.5),
    health_p99_ms: percentile(observed.health, 0.99),
  }
  return { server, sample }
}

/** A whole fleet that comes back at once after its server was killed, and what that does to everybody else. */
export const scene: Scene = {
  name: 'reconnect',
  what: '2,000 agents (quick: 200) come back at once, without patience, after their server was killed and started anew; 20 (4) are revoked meanwhile',
  run: async ({ quick, runs }) => {
    const [count, toRevoke] = quick ? [200, 4] : [2000, 20]
    const stage = await layStage()
    try {
      const everybody = await stage.members(count + (runs - 1) * toRevoke)
      const [admin] = await stage.members(1, 'admin')
      const contextsOf = (members: Member[]) =>
        members.map(({ identity }) => contextOf(identity, stage.authority.root_pem))
      let server = await stage.start()
      await inParallel(contextsOf(everybody.slice(0, count)), 32, (context, index) =>
        openStream(server.mtls, context, `of-${everybody[index]?.principal_id}`),
      )
      const samples: object[] = []
      for (let run = 0; run < runs; run++) {
        // Those that were revoked are replaced by others, who come for the first time.
        const members = everybody.slice(run * toRevoke, run * toRevoke + count)
        const fleet = { stage, members, contexts: contextsOf(members), admin: admin as Member }
        const fallen = await fall(server, fleet, toRevoke)
        server = fallen.server
        samples.push(fallen.sample)
      }
      return collect(samples)
    } finally {
      await stage.end()
    }
  },
}

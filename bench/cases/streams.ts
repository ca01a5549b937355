import type { TLSSocket } from 'node:tls'
import { contextOf } from '../load/connection.ts'
import { openStreamPatiently } from '../load/stream.ts'
import { residentOf } from '../support/accounting.ts'
import { inParallel, pause } from '../support/parallel.ts'
import { collect } from '../support/results.ts'
import type { Scene } from '../support/scene.ts'
import { layStage } from '../support/stage.ts'

/** Garbage that lies around would count as memory of whatever came last. */
const collectOften = ['--expose-gc', '--import', 'data:text/javascript,setInterval(gc,500).unref()']
/** Streams are opened in so many parts with rests between them, so that garbage of the openings is not taken for theirs. */
const parts = 4
/** Until what the openings left is collected. Milliseconds. */
const rest = { quick: 1000, full: 3000 }

/** Agents that hold their event stream open and do nothing: what each takes of a server. */
export const scene: Scene = {
  name: 'streams',
  what: 'idle event streams, each by an agent of its own, on a fresh server in each run: 2,000 (quick: 200) after 200 to warm up; garbage is collected before memory is read',
  run: async ({ quick, runs }) => {
    const count = quick ? 200 : 2000
    const warmUp = quick ? 50 : 200
    const stage = await layStage()
    const open: TLSSocket[] = []
    try {
      const members = await stage.members(count)
      const contexts = members.map(({ identity }) => contextOf(identity, stage.authority.root_pem))
      const one = async () => {
        const server = await stage.start({ nodeArgs: collectOften })
        let cut = 0
        // The first connections load what every later one shares.
        for (const context of contexts.slice(0, warmUp))
          (await openStreamPatiently(server.mtls, context, 'warm-up')).destroy()
        await pause(rest[quick ? 'quick' : 'full'])
        const before = residentOf(server.pid)
        const after: number[] = []
        for (let part = 0; part < parts; part++) {
          const some = contexts.slice((count * part) / parts, (count * (part + 1)) / parts)
          await inParallel(some, 8, async (context, place) => {
            const socket = await openStreamPatiently(server.mtls, context, `instance-${part}-${place}`)
            socket.once('close', () => cut++)
            open.push(socket)
          })
          await pause(rest[quick ? 'quick' : 'full'])
          after.push(residentOf(server.pid))
        }
        const [first = 0, last = 0] = [after[0], after.at(-1)]
        if (cut > 0) throw new Error(`${cut} idle streams were cut`)
        for (const socket of open.splice(0)) socket.destroy()
        await server.end()
        return {
          streams: count,
          rss_of_one_kb: ((last - before) * 1000) / count,
          rss_of_one_more_kb: ((last - first) * 1000) / (count - count / parts),
        }
      }
      const samples: object[] = []
      for (let run = 0; run < runs; run++) samples.push(await one())
      return collect(samples)
    } finally {
      for (const socket of open) socket.destroy()
      await stage.end()
    }
  },
}

import { once } from 'node:events'
import { contextOf, openConnection } from '../load/connection.ts'
import { getRequest, postRequest } from '../load/plan.ts'
import { inParallel, pause } from '../support/parallel.ts'
import type { Scene } from '../support/scene.ts'
import { layStage, type Member } from '../support/stage.ts'
import { percentile } from '../support/statistics.ts'

/** What the contract promises at the 99th percentile, milliseconds: on the server that was asked, and on another. */
const promised = { here: 50, elsewhere: 1500 }
/** Revocations under way at once; each waits for the other server, half a second on average. */
const lanesOf = { quick: 15, full: 50 }
/** What two busy cores, shared with the load, may add before it counts as broken. */
const lenience = 3

/** From the first octet of a revocation to the closed socket of who was revoked. */
export const scene: Scene = {
  name: 'cut',
  what: 'revocation sent → socket closed, on the server that was asked and on another process; --feed-interval 1s',
  run: async ({ quick, runs }) => {
    const revocations = quick ? 60 : 1000
    const lanes = lanesOf[quick ? 'quick' : 'full']
    const stage = await layStage()
    try {
      const ca = stage.authority.root_pem
      const admins = await stage.members(lanes, 'admin')
      const fleet = await stage.members(revocations * runs)
      const [here, there] = [await stage.start(), await stage.start()]
      const watch = async (member: Member, address: string) => {
        const connection = openConnection(address, contextOf(member.identity, ca))
        const { status } = await connection.ask(getRequest('/v1/whoami'))
        if (status !== 200) throw new Error(`whoami is answered ${status}`)
        // In an object: the promise itself would be waited for.
        return { closed: once(connection.socket, 'close').then(() => performance.now()) }
      }
      const one = async (members: Member[]) => {
        const times = { here: [] as number[], elsewhere: [] as number[] }
        await inParallel(admins, lanes, async (admin, lane) => {
          const asking = openConnection(here.mtls, contextOf(admin.identity, ca))
          for (let at = lane; at < members.length; at += lanes) {
            const member = members[at] as Member
            const [onHere, onThere] = [await watch(member, here.mtls), await watch(member, there.mtls)]
            // Anywhere between two looks at the feed.
            await pause(Math.random() * 1000)
            const sent = performance.now()
            const { status, body } = await asking.ask(
              postRequest(`/v1/certificates/${member.serial_number}/revoke`, { reason: 'key_compromise' }),
            )
            if (status !== 200) throw new Error(body)
            times.here.push((await onHere.closed) - sent)
            times.elsewhere.push((await onThere.closed) - sent)
          }
          asking.close()
        })
        return times
      }
      const figures: Record<string, number[]> = { revocations: [] }
      for (let run = 0; run < runs; run++) {
        const times = await one(fleet.splice(0, revocations))
        figures['revocations']?.push(times.here.length)
        for (const [where, values] of Object.entries(times))
          for (const [name, share] of Object.entries({ p50: 0.5, p99: 0.99, longest: 1 })) {
            const figure = `${where}_${name}_ms`
            figures[figure] = [...(figures[figure] ?? []), percentile(values, share)]
          }
        for (const [where, most] of Object.entries(promised)) {
          const p99 = figures[`${where}_p99_ms`]?.at(-1) ?? 0
          if (p99 > most * lenience) console.error(`cut: p99 ${where} is ${p99.toFixed(0)} ms, promised are ${most}`)
        }
      }
      return figures
    } finally {
      await stage.end()
    }
  },
}

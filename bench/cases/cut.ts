import { once } from 'node:events'
import { contextOf, openConnection } from '../load/connection.ts'
import { getRequest, postRequest } from '../load/plan.ts'
import { inParallel, pause } from '../support/parallel.ts'
import type { Scene } from '../support/scene.ts'
import { layStage, type Member } from '../support/stage.ts'
import { percentile } from '../support/statistics.ts'

/** Revocations under way at once; each waits for the other server, half a second on average. */
const lanesOf = { quick: 15, full: 50 }

/** From the first octet of a revocation to the closed socket of who was revoked. */
export const scene: Scene = {
  name: 'cut',
  what: 'revocation sent → socket closed, on the server that was asked and on another process, --feed-interval 1s; of 1,000 revocations (quick: 60) in one run, 50 (15) under way at once',
  run: async ({ quick }) => {
    const revocations = quick ? 60 : 1000
    const lanes = lanesOf[quick ? 'quick' : 'full']
    const stage = await layStage()
    try {
      const ca = stage.authority.root_pem
      const admins = await stage.members(lanes, 'admin')
      const fleet = await stage.members(revocations)
      const [here, there] = [await stage.start(), await stage.start()]
      const watch = async (member: Member, address: string) => {
        const connection = openConnection(address, contextOf(member.identity, ca))
        const { status } = await connection.ask(getRequest('/v1/whoami'))
        if (status !== 200) throw new Error(`whoami is answered ${status}`)
        // In an object: the promise itself would be waited for.
        return { closed: once(connection.socket, 'close').then(() => performance.now()) }
      }
      const times = { here: [] as number[], elsewhere: [] as number[] }
      await inParallel(admins, lanes, async (admin, lane) => {
        const asking = openConnection(here.mtls, contextOf(admin.identity, ca))
        for (let at = lane; at < fleet.length; at += lanes) {
          const member = fleet[at] as Member
          // All that waited for the other server go on at its look at the feed: their handshakes are not to come at once.
          await pause(Math.random() * 1000)
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
      const figures: Record<string, number[]> = { revocations: [times.here.length] }
      for (const [where, values] of Object.entries(times))
        for (const [name, share] of Object.entries({ p50: 0.5, p99: 0.99, longest: 1 }))
          figures[`${where}_${name}_ms`] = [percentile(values, share)]
      return figures
    } finally {
      await stage.end()
    }
  },
}

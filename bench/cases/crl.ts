import { revocationReasons } from '../../src/core/certificate.ts'
import { timeOrderedId } from '../../src/core/ids.ts'
import { day } from '../../src/core/time.ts'
import { controlKey } from '../../src/store/schema.ts'
import { type Authority, makeAuthority } from '../../test/support/authority.ts'
import { startTestStore, type TestStore } from '../../test/support/store.ts'
import { type Connection, contextOf, openConnection } from '../load/connection.ts'
import { getRequest, postRequest } from '../load/plan.ts'
import { startImport } from '../support/import.ts'
import { temporaryFolder } from '../support/leavings.ts'
import { pause } from '../support/parallel.ts'
import type { Figures } from '../support/results.ts'
import type { Scene } from '../support/scene.ts'
import { layStage } from '../support/stage.ts'
import { percentile } from '../support/statistics.ts'

const validity = 90 * day
/** What is asked while lists are built: so many a second, by so many principals. */
const rate = 200
const principals = 20
/** One certificate is revoked so often meanwhile: it asks for another list. Milliseconds. */
const revokeEvery = 2000
/** A list comes 30 s after the last one at the latest, when something was revoked. Milliseconds. */
const patience = 90_000
const few = 100

/** The record of a revocation; certificates were issued evenly over their validity. */
const recordOf = (issuer_id: string, number: number, now: number) => {
  const issued = now - Math.floor(Math.random() * validity)
  const serial_number = timeOrderedId(issued)
  const expires_at = issued + validity
  return {
    ...controlKey.crl(issuer_id, serial_number),
    revoked_at: issued + Math.floor(Math.random() * (now - issued)),
    reason: revocationReasons[number % revocationReasons.length],
    expires_at,
    ttl: Math.floor((expires_at + 30 * day) / 1000),
  }
}

const storeWith = async (records: number, { issuer }: Authority): Promise<TestStore> => {
  const directory = temporaryFolder('crl')
  const { add, finish } = await startImport(directory)
  for (let number = 0; number < records; number++) await add('control', recordOf(issuer.issuer_id, number, Date.now()))
  return startTestStore({ directory, tables: await finish() })
}

/** Whoami at a fixed rate until it is told to stop, whatever became of those before; one at a time on each connection. */
const askSteadily = (connections: Connection[]) => {
  let took: number[] = []
  let stopped = false
  const free = connections.map(() => Promise.resolve())
  const asking = (async () => {
    const started = performance.now()
    for (let turn = 0; !stopped; turn++) {
      // Milliseconds count from here, also when the connection is not free yet.
      const at = started + (turn * 1000) / rate
      const ahead = at - performance.now()
      if (ahead > 0) await pause(ahead)
      const place = turn % connections.length
      free[place] = (free[place] as Promise<void>).then(async () => {
        const { status, body } = await (connections[place] as Connection).ask(getRequest('/v1/whoami'))
        if (status !== 200) throw new Error(`whoami is answered ${status}: ${body}`)
        took.push(performance.now() - at)
      })
      free[place]?.catch(() => undefined)
    }
    await Promise.all(free)
  })()
  asking.catch(() => undefined)
  return {
    /** Those since the last time, milliseconds each. */
    taken: (): number[] => {
      const taken = took
      took = []
      return taken
    },
    stop: (): Promise<void> => {
      stopped = true
      return asking
    },
  }
}

/** From the start of a server until so many more lists than its first were built while requests came. */
const withRevoked = async (records: number, lists: number): Promise<Figures> => {
  const authority = await makeAuthority()
  const stage = await layStage({ store: await storeWith(records, authority), authority })
  const connections: Connection[] = []
  try {
    const askers = await stage.members(principals)
    const falling = await stage.members(((lists + 1) * patience) / revokeEvery / 2)
    const [admin] = await stage.members(1, 'admin')
    const published: { entries: number; size: number; build_ms: number }[] = []
    let tell = (): void => undefined
    const server = await stage.start({
      args: ['--pki-listen', '127.0.0.1:0'],
      onLine: (line) => {
        if (!line.includes('"crl_published"')) return
        published.push(JSON.parse(line))
        tell()
      },
    })
    const nextList = async (count: number): Promise<void> => {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      tell = () => void (published.length >= count && resolve())
      const timer = setTimeout(() => reject(new Error(`no list within ${patience} ms`)), patience)
      tell()
      await promise.finally(() => clearTimeout(timer))
    }
    await nextList(1)
    const connect = (identity: (typeof askers)[number]['identity'] | undefined) => {
      const connection = openConnection(server.mtls, contextOf(identity, authority.root_pem))
      connections.push(connection)
      return connection
    }
    const asking = askSteadily(askers.map(({ identity }) => connect(identity)))
    const revoking = connect(admin?.identity)
    let over = false
    let revocations: number[] = []
    const fall = async () => {
      for (const { serial_number } of falling) {
        if (over) return
        const sent = performance.now()
        const post = postRequest(`/v1/certificates/${serial_number}/revoke`, { reason: 'superseded' })
        const { status, body } = await revoking.ask(post)
        if (status !== 200) throw new Error(body)
        revocations.push(performance.now() - sent)
        await pause(revokeEvery)
      }
    }
    // Connections and code paths are warm after that.
    await pause(2000)
    asking.taken()
    const falls = fall()
    falls.catch(() => undefined)
    const figures: Figures = {}
    const add = (name: string, value: number) => {
      const figure = `${records.toLocaleString('en')} revoked: ${name}`
      figures[figure] = [...(figures[figure] ?? []), value]
    }
    // One sample from list to list.
    for (let list = 2; list <= lists + 1; list++) {
      await nextList(list)
      const took = asking.taken()
      for (const [name, share] of Object.entries({ p50: 0.5, p99: 0.99, longest: 1 }))
        add(`requests, ${name}, ms`, percentile(took, share))
      add('revoke, p50, ms', percentile(revocations, 0.5))
      revocations = []
    }
    over = true
    await Promise.all([asking.stop(), falls])
    for (const { build_ms } of published) add('list built, s', build_ms / 1000)
    add('entries of the last list', published.at(-1)?.entries ?? 0)
    add('octets of it', published.at(-1)?.size ?? 0)
    return figures
  } finally {
    for (const { socket } of connections) socket.destroy()
    await stage.end()
  }
}

/** A CRL of many entries: how long it takes, what requests notice of it, and what a revocation costs then. */
export const scene: Scene = {
  name: 'crl',
  what: `CRLs with ${few} and with 100,000 revoked before (quick: 2,000; REVOKED): lists are built while ${rate} requests a second come and a certificate is revoked every ${revokeEvery / 1000} s; a sample of requests is from list to list, and the first list of a server counts too`,
  run: async ({ quick }) => {
    const many = Number(process.env['REVOKED'] ?? (quick ? 2000 : 100_000))
    if (quick) return withRevoked(many, 1)
    return { ...(await withRevoked(few, 1)), ...(await withRevoked(many, 2)) }
  },
}

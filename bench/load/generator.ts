/** The load generator: a process of its own, so that its CPU is nobody else's. Started by `startGenerator`. */
import type { SecureContext } from 'node:tls'
import { type Answer, type Connection, contextOf, NotConnected, openConnection } from './connection.ts'
import type { Job, Load, Plan } from './plan.ts'

const pause = () => new Promise((resolve) => setTimeout(resolve, 20))

/** Tries again while the server is too busy for another handshake. */
const connected = async (address: string, context: SecureContext): Promise<Connection> => {
  for (let tries = 0; ; tries++) {
    const connection = openConnection(address, context)
    try {
      await connection.secured()
      return connection
    } catch (error) {
      if (!(error instanceof NotConnected) || tries === mostTries) throw error
      await pause()
    }
  }
}

/** A server that has too much to do says so, and is asked again: at most so often. */
const mostTries = 50

/** Contexts are made once for each identity: they hold a parsed key and chain. */
const prepare = async (plan: Plan) => {
  const contexts = plan.identities.map((identity) => contextOf(identity, plan.ca))
  const kept = new Map<number, Connection>()
  if (plan.connections === 'kept') {
    const used = [...new Set(plan.jobs.map(({ who }) => who))]
    for (let at = 0; at < used.length; at += 8)
      await Promise.all(
        used.slice(at, at + 8).map(async (who) => {
          const context = contexts[who] as SecureContext
          kept.set(who, await connected(plan.address, context))
        }),
      )
  }
  return { contexts, kept }
}

const run = async (plan: Plan, { contexts, kept }: Awaited<ReturnType<typeof prepare>>): Promise<Load> => {
  const milliseconds: number[] = []
  const answers: string[] = []
  let retried = 0
  const askOnce = async ({ who, request }: Job): Promise<Answer> => {
    const context = contexts[who] as SecureContext
    const held = kept.get(who)
    if (held?.isOpen()) return held.ask(request)
    if (held !== undefined) {
      // It was closed after a refusal.
      const next = await connected(plan.address, context)
      kept.set(who, next)
      return next.ask(request)
    }
    const connection = openConnection(plan.address, context)
    try {
      return await connection.ask(request)
    } finally {
      connection.close()
    }
  }
  const one = async (job: Job, place: number) => {
    for (let tries = 0; ; tries++) {
      const started = performance.now()
      const answer = await askOnce(job).catch((error: unknown) => {
        if (error instanceof NotConnected && tries < mostTries) return undefined
        throw error
      })
      if (answer?.status === plan.expect) {
        milliseconds[place] = performance.now() - started
        if (plan.keepAnswers) answers[place] = answer.body
        return
      }
      // 408: it waited too long for its turn, on a machine that has other work. Nothing was done; the next is on a new one.
      if (answer?.status === 408) kept.get(job.who)?.socket.destroy()
      if (answer !== undefined && (![408, 503].includes(answer.status) || tries === mostTries))
        throw new Error(`answered ${answer.status}: ${answer.body}`)
      retried++
      await pause()
    }
  }
  // A lane has identities of its own, so that no connection carries two requests at once.
  const lanes = Array.from({ length: plan.inFlight }, () => [] as [Job, number][])
  for (const [place, job] of plan.jobs.entries()) lanes[job.who % plan.inFlight]?.push([job, place])
  const [started, cpu] = [performance.now(), process.cpuUsage()]
  await Promise.all(
    lanes.map(async (lane) => {
      for (const [job, place] of lane) await one(job, place)
    }),
  )
  const seconds = (performance.now() - started) / 1000
  const { user, system } = process.cpuUsage(cpu)
  for (const connection of kept.values()) connection.close()
  return { milliseconds, seconds, cpu: (user + system) / 1000, retried, answers }
}

const guarded =
  <T extends unknown[]>(work: (...args: T) => Promise<void>) =>
  (...args: T) =>
    void work(...args).catch((error: unknown) => process.send?.({ failed: String(error) }))

let prepared: { plan: Plan; ready: Awaited<ReturnType<typeof prepare>> } | undefined
process.on(
  'message',
  guarded(async (message: Plan | 'go') => {
    if (message === 'go') {
      if (prepared === undefined) throw new Error('there is no plan')
      process.send?.({ load: await run(prepared.plan, prepared.ready) })
      return
    }
    prepared = { plan: message, ready: await prepare(message) }
    process.send?.({ ready: true })
  }),
)
process.on('disconnect', () => process.exit())
// A Ctrl-C is for the one who started it; the end of the channel tells.
process.on('SIGINT', () => undefined)

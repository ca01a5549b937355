import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { type Disk, FileProblem, makeDirectory, systemDisk } from '../client/files.ts'
import { takeLock } from '../client/lock.ts'
import { fileNames, openStateDirectory } from '../client/state.ts'
import type { Answer } from '../client/transport.ts'
import { systemWorld, type World } from './clock.ts'
import { type DaemonDeps, dateOf, makeDaemon } from './daemon.ts'
import { startHealth } from './health.ts'
import { makeLog } from './log.ts'
import { makeNotify } from './notify.ts'
import type { DaemonOptions, End } from './task.ts'
import { wordsOf } from './verdict.ts'

export type AgentOptions = Omit<DaemonOptions, 'hostname' | 'instance'> & {
  stateDir: string
  healthListen: { host: string; port: number } | undefined
}

/** What the agent touches of the world; the defaults are the real thing. */
export interface AgentSurroundings {
  stderr: Writable & { isTTY?: boolean }
  env: Record<string, string | undefined>
  signal: AbortSignal
  world?: World
  disk?: Disk
  serverTime?: (headers: Answer['headers']) => number | undefined
  onStep?: DaemonDeps['onStep']
  /** Told where `/livez` and `/metrics` are. */
  onHealth?: (address: string) => void
}

/** Takes the directory for this process; on one that cannot be written the agent runs without, and says so. */
const lockDirectory = async (path: string, onProblem: (why: string) => void): Promise<() => Promise<void>> => {
  try {
    await makeDirectory(path)
    return await takeLock(join(path, fileNames.lock))
  } catch (error) {
    if (!(error instanceof FileProblem) || error.kind !== 'unusable') throw error
    onProblem(wordsOf(error))
    return async () => {}
  }
}

/** Runs an agent to its end. Never throws. */
export const runAgent = async (options: AgentOptions, around: AgentSurroundings): Promise<End> => {
  const { stateDir, healthListen, ...rest } = options
  const world = around.world ?? systemWorld
  const log = makeLog(around.stderr, world.wall)
  let unlock = async () => {}
  let health: Awaited<ReturnType<typeof startHealth>> | undefined
  try {
    unlock = await lockDirectory(stateDir, (why) => log('state_problem', { why }))
    const daemon = makeDaemon({
      options: { ...rest, hostname: hostname(), instance: randomUUID() },
      state: openStateDirectory(stateDir, around.disk ?? systemDisk),
      world,
      signal: around.signal,
      log,
      notify: makeNotify(around.env, (why) => log('notify_failed', { why })),
      serverTime: around.serverTime ?? dateOf,
      ...(around.onStep === undefined ? {} : { onStep: around.onStep }),
    })
    if (healthListen !== undefined) {
      health = await startHealth(healthListen, daemon.vitals)
      log('health_ready', { address: health.address })
      around.onHealth?.(health.address)
    }
    return await daemon.run()
  } catch (error) {
    if (error instanceof FileProblem)
      return {
        code: error.kind === 'unusable' ? 3 : 6,
        what: error.message,
        why: error.why,
        ...(error.next === undefined ? {} : { next: error.next }),
      }
    return { code: 1, what: 'the agent failed', why: wordsOf(error) }
  } finally {
    health?.close()
    await unlock().catch(() => {})
  }
}

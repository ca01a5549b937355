import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import type { Test } from 'tap'
import type { World } from '../../src/agent/clock.ts'
import { type AgentOptions, type AgentSurroundings, runAgent } from '../../src/agent/main.ts'
import type { End } from '../../src/agent/task.ts'
import { parseServer, type ServerAddress } from '../../src/client/address.ts'
import { isIdentity, type Identity as Kept, readIdentityFile } from '../../src/client/identity.ts'
import { workDirectory } from './cli.ts'
import type { Identity } from './client.ts'
import type { TestPlane } from './plane.ts'

/** A clock that tests move; its seconds are as long as ours otherwise. */
export const makeShiftedClock = () => {
  let shift = 0
  return {
    now: (): number => Date.now() + shift,
    /** On by so many milliseconds. */
    forward: (milliseconds: number): void => {
      shift += milliseconds
    },
  }
}

export interface AgentLine {
  event: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into fields of every event
  [field: string]: any
}

export interface RunningAgent {
  directory: string
  /** What it has logged so far. */
  logged: AgentLine[]
  events(name: string): AgentLine[]
  /** Resolves with the first line of that event, from now or before. */
  event(name: string, matches?: (line: AgentLine) => boolean): Promise<AgentLine>
  ended: Promise<End>
  stop(): Promise<End>
}

export const addressOf = (listen: string): ServerAddress =>
  parseServer(`localhost:${listen.split(':').at(-1)}`) as ServerAddress

export const agentOptions = (server: { mtls: string; enroll: string }, stateDir: string): AgentOptions => ({
  server: addressOf(server.mtls),
  enrollServer: addressOf(server.enroll),
  trust: undefined,
  proof: undefined,
  principalId: undefined,
  metadata: {},
  hooks: [],
  hookTimeout: 5000,
  once: false,
  timeout: 5000,
  version: '0.0.0-test',
  stateDir,
  healthListen: undefined,
})

/** A world whose wall clock is the test's, looked at often. */
export const worldOf = (now: () => number, speed = 1): World => ({
  wall: now,
  monotonic: () => performance.now() * speed,
  random: Math.random,
  tick: 20,
})

/** Runs an agent in this process until it ends or the test does. */
export const startAgent = (
  t: Pick<Test, 'teardown'>,
  options: AgentOptions,
  around: Partial<Omit<AgentSurroundings, 'stderr' | 'signal'>> & { now?: () => number } = {},
): RunningAgent => {
  const { now = Date.now, ...rest } = around
  const stopping = new AbortController()
  const logged: AgentLine[] = []
  const waiting = new Set<() => void>()
  const stderr = new PassThrough()
  stderr.on('data', (chunk: Buffer) => {
    for (const line of chunk.toString('utf8').split('\n').filter(Boolean)) logged.push(JSON.parse(line))
    for (const wake of waiting) wake()
  })
  const ended = runAgent(options, {
    stderr,
    env: {},
    signal: stopping.signal,
    world: worldOf(now),
    // Servers with a clock of the test's say so in certificates only.
    serverTime: () => now(),
    ...rest,
  })
  const stop = (): Promise<End> => {
    stopping.abort(new Error('stopped'))
    return ended
  }
  t.teardown(stop)
  return {
    directory: options.stateDir,
    logged,
    events: (name) => logged.filter(({ event }) => event === name),
    event: async (name, matches = () => true) => {
      for (;;) {
        const found = logged.find((line) => line.event === name && matches(line))
        if (found !== undefined) return found
        const over = await Promise.race([
          new Promise<false>((resolve) => {
            const wake = () => {
              waiting.delete(wake)
              resolve(false)
            }
            waiting.add(wake)
          }),
          ended,
        ])
        if (over !== false && !logged.some((line) => line.event === name && matches(line)))
          throw new Error(
            `the agent ended before ${name}: ${JSON.stringify(over)}\n${logged.map((line) => JSON.stringify(line)).join('\n')}`,
          )
      }
    },
    ended,
    stop,
  }
}

/** A state directory with an identity, as `enroll` leaves it. */
export const makeStateDirectory = async (
  t: Pick<Test, 'teardown'>,
  plane: Pick<TestPlane, 'authority'>,
  identity: Identity,
): Promise<string> => {
  const directory = await workDirectory(t)
  await writeFile(
    join(directory, 'identity.pem'),
    `${identity.key}${identity.certificate}${plane.authority.root_pem}`,
    { mode: 0o600 },
  )
  return directory
}

export const readKept = async (directory: string, name = 'identity.pem'): Promise<Kept> => {
  const read = readIdentityFile(await readFile(join(directory, name), 'utf8'), name)
  if (!isIdentity(read)) throw new Error(`${name} holds no certificate`)
  return read
}

/** Tries again while a server on a busy machine says that it is too busy. */
export const patiently = async <T>(act: () => Promise<T>): Promise<T> => {
  for (let tries = 1; ; tries++) {
    try {
      return await act()
    } catch (error) {
      if (tries === 100 || !/overloaded|timeout/.test(String(error))) throw error
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
  }
}

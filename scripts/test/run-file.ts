import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpuOfEnded } from './cpu-of-ended.ts'
import { endGroup, outlives } from './group.ts'
import { readTap, type TapResult } from './tap.ts'

/** A child that was told to stop in the last moment may take this long. */
const graceMsOfGroup = 10_000

export interface Run extends TapResult {
  /** Both streams, as they came. */
  output: string
  seconds: number
  /** Seconds of CPU, of all that it started and waited for; 0 where that is not known. */
  cpuSeconds: number
}

/** Leaders of the groups that run now. */
const leaders = new Set<number>()

/** Ends all that runs, for a runner that gives up. */
export const endAll = (): void => {
  for (const leader of leaders) endGroup(leader)
}

export interface Where {
  cwd: string
  env: NodeJS.ProcessEnv
  /** The file is ended when it takes longer. */
  secondsOfFile: number
  /** Whether stderr is passed on at once as well. */
  live: boolean
}

/** Runs one test file, a process and a process group of its own; what it leaves running is a fault, and is ended. */
export const runFile = async (file: string, { cwd, env, secondsOfFile, live }: Where): Promise<Run> => {
  const started = performance.now()
  const child = spawn(process.execPath, ['--enable-source-maps', file], {
    cwd,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const leader = child.pid
  if (leader === undefined) throw new Error(`${process.execPath} does not start`)
  leaders.add(leader)

  let tap = ''
  const chunks: string[] = []
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    chunks.push(chunk)
    tap += chunk
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    chunks.push(chunk)
    if (live) process.stderr.write(chunk)
  })
  let late = false
  const limit = setTimeout(() => {
    late = true
    endGroup(leader)
  }, secondsOfFile * 1000)

  // A process left behind may hold the pipes open: first the group ends, then the streams do.
  const closed = once(child, 'close')
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
  const cpuSeconds = cpuOfEnded()
  clearTimeout(limit)
  const leftovers = await outlives(leader, graceMsOfGroup)
  endGroup(leader)
  leaders.delete(leader)
  await closed

  const result = readTap(tap, { code, signal })
  if (late) result.faults.push(`took more than ${secondsOfFile} s`)
  else if (leftovers) result.faults.push('left processes running')
  return { ...result, output: chunks.join(''), seconds: (performance.now() - started) / 1000, cpuSeconds }
}

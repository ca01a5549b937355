import { mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Measured, startProcess } from './process.ts'

export const fromSources = resolve(import.meta.dirname, '../../src/server/main.ts')

/** A server of ours, as it would run alone: its program in a process of its own, on free ports. */
export interface OurServer extends Measured {
  mtls: string
  health: string
  enroll: string
}

export interface ServerOptions {
  /** More flags. */
  args?: string[]
  /** Flags of Node. */
  nodeArgs?: string[]
  /** Other than the sources: what was built. */
  program?: string
  /** Of the mTLS listener; absent: any. */
  port?: number
  /** Told of each line of its log. */
  onLine?: (line: string) => void
}

/** With BENCH_PROFILE=<folder> each server leaves a CPU profile there when it ends. */
const profiling = (): string[] => {
  const folder = process.env['BENCH_PROFILE']
  if (folder === undefined) return []
  mkdirSync(folder, { recursive: true })
  return ['--cpu-prof', `--cpu-prof-dir=${resolve(folder)}`]
}

/** Resolves when it says that it is ready. */
export const startOurServer = async (
  env: Record<string, string>,
  { args = [], nodeArgs = [], program = fromSources, port = 0, onLine }: ServerOptions = {},
): Promise<OurServer> => {
  const ready = Promise.withResolvers<Record<string, unknown>>()
  const listeners = ['--mtls-listen', `127.0.0.1:${port}`, '--enroll-listen', '127.0.0.1:0']
  const measured = startProcess(
    process.execPath,
    [
      ...profiling(),
      ...nodeArgs,
      program,
      ...listeners,
      '--health-listen',
      '127.0.0.1:0',
      '--hostname',
      'localhost',
      ...args,
    ],
    {
      env,
      onLine: (line) => {
        if (line.includes('"server_ready"')) ready.resolve(JSON.parse(line))
        onLine?.(line)
      },
    },
  )
  measured.child.once('exit', () => ready.reject(new Error('the server ended before it was ready')))
  const said = await ready.promise
  return {
    ...measured,
    // A profile is written by who ends in peace.
    end: (signal = process.env['BENCH_PROFILE'] === undefined ? 'SIGKILL' : 'SIGINT') => measured.end(signal),
    mtls: String(said['mtls_listen']),
    health: String(said['health_listen']),
    enroll: String(said['enroll_listen']),
  }
}

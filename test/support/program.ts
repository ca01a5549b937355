import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { compileCache } from './compile-cache.ts'

const main = resolve(import.meta.dirname, '../../src/server/main.ts')

/** What a finished program left. */
export interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

/** The real server program, in a process of its own. */
export interface Program {
  child: ChildProcess
  /** Documents of its log so far. */
  logged(): Record<string, unknown>[]
  /** Resolves with the first log line of an event, from now or before. */
  event(name: string, matches?: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>
  stdout(): string
  ended: Promise<Ended>
}

/** Starts `rpc-server` with these arguments and this environment, and nothing else of ours. */
export const startProgram = (args: string[], env: Record<string, string> = {}, cwd?: string): Program => {
  const child = spawn(process.execPath, [main, ...args], {
    env: { PATH: process.env['PATH'] ?? '', ...compileCache, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(cwd === undefined ? {} : { cwd }),
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text
  })
  const logged = () =>
    stdout
      .split('\n')
      .slice(0, -1)
      .filter((line) => line.startsWith('{"event"'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  const ended = once(child, 'close').then(([code]) => ({ code, stdout, stderr }) as Ended)
  const event: Program['event'] = async (name, matches = () => true) => {
    for (;;) {
      const found = logged().find((line) => line['event'] === name && matches(line))
      if (found !== undefined) return found
      const over = await Promise.race([once(child.stdout, 'data').then(() => false), ended.then(() => true)])
      if (over) throw new Error(`the program ended before ${name}:\n${stdout}${stderr}`)
    }
  }
  return { child, logged, event, stdout: () => stdout, ended }
}

export const runProgram = (args: string[], env?: Record<string, string>): Promise<Ended> =>
  startProgram(args, env).ended

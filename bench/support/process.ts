import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { endWithUs } from './leavings.ts'

/** A server that is measured, whoever made it. */
export interface Measured {
  pid: number
  child: ChildProcess
  /** `signal` unless SIGKILL. Resolves when it is gone. */
  end(signal?: NodeJS.Signals): Promise<void>
}

export interface ProcessOptions {
  env?: Record<string, string>
  cwd?: string
  /** Told of each line of standard output. What it prints is read and thrown away in any case, as a log collector would. */
  onLine?: (line: string) => void
}

/** Starts a program; nothing of our environment but PATH. It does not outlive us. */
export const startProcess = (command: string, args: string[], options: ProcessOptions = {}): Measured => {
  const child = spawn(command, args, {
    env: { PATH: process.env['PATH'] ?? '', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  })
  endWithUs(child)
  let listening = options.onLine
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (listening === undefined) return
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) listening(line)
  })
  let complaint = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-2000)
  })
  let ending = false
  child.once('exit', (code, signal) => {
    listening = undefined
    if (!ending) console.error(`${command} ended by itself (${signal ?? code}): ${complaint}`)
  })
  return {
    pid: child.pid as number,
    child,
    end: async (signal = 'SIGKILL') => {
      ending = true
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = once(child, 'exit')
      child.kill(signal)
      await gone
    },
  }
}

/** Asks again and again until it is answered. Throws after 20 s, or at once when the program has ended. */
export const untilAnswers = async (what: Measured, ask: () => Promise<boolean>, every = 20): Promise<void> => {
  const started = performance.now()
  for (;;) {
    if (await ask().catch(() => false)) return
    if (what.child.exitCode !== null) throw new Error('it ended before it answered')
    if (performance.now() - started > 20_000) throw new Error('it did not answer within 20 s')
    await new Promise((resolve) => setTimeout(resolve, every))
  }
}

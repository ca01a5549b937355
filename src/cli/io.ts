import type { Readable, Writable } from 'node:stream'
import type { Clock } from '../core/time.ts'
import { CliError, exitCode } from './errors.ts'

/** A stream that may be a terminal. */
export type Inlet = Readable & { isTTY?: boolean }
export type Outlet = Writable & { isTTY?: boolean }

/** Everything of the world that a command touches besides files and the network. */
export interface Io {
  stdin: Inlet
  stdout: Outlet
  stderr: Outlet
  env: Record<string, string | undefined>
  now: Clock
  /** Aborts when the process is told to stop; its reason is the CliError to end with. */
  signal: AbortSignal
}

/** A wait that ends early, by rejecting, when the process is told to stop. */
export const sleep = (milliseconds: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error)
    const stop = () => {
      clearTimeout(timer)
      reject(signal.reason as Error)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, milliseconds)
    signal.addEventListener('abort', stop, { once: true })
  })

/** Resolves when the text has been handed over, so that nothing is lost in a slow pipe. */
export const write = (outlet: Outlet, text: string): Promise<void> =>
  new Promise((resolve, reject) => {
    outlet.write(text, (error) => {
      // A reader that has seen enough is no failure: the command just ends.
      if (error) reject((error as NodeJS.ErrnoException).code === 'EPIPE' ? new CliError(exitCode.ok, '') : error)
      else resolve()
    })
  })

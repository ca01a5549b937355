#!/usr/bin/env node
import { CliError, exitCode } from './errors.ts'
import { run } from './run.ts'

/** The process around `run`: signals, a reader that went away, and the exit code. */
const stopping = new AbortController()
/** How long a command may take to end in order after a signal, milliseconds. */
const stopGrace = 1500

for (const [signal, code] of [
  ['SIGINT', exitCode.interrupted],
  ['SIGTERM', exitCode.terminated],
] as const)
  process.on(signal, () => {
    // The second one, or a command that does not end: leave at once.
    if (stopping.signal.aborted) process.exit(code)
    stopping.abort(new CliError(code, ''))
    setTimeout(() => process.exit(code), stopGrace).unref()
  })

// `airunner … | head` closes the pipe: that is no failure worth a word.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? exitCode.ok : exitCode.failed)
  })

const code = await run(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  now: () => Date.now(),
  signal: stopping.signal,
})
// An open stdin (a terminal, a pipe) would hold the process; both outlets were flushed by run.
process.exit(code)

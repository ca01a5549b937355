import { createInterface } from 'node:readline'
import { CliError, exitCode, usageError } from './errors.ts'
import type { Io } from './io.ts'
import { oneLine } from './text.ts'

const cancelled = () => new CliError(exitCode.cancelled, 'cancelled; nothing was changed')

/** One line from the terminal, undefined when it was closed. The question goes to stderr: stdout is for data. */
const askLine = (io: Io, question: string): Promise<string | undefined> =>
  new Promise((resolve, reject) => {
    const reader = createInterface({ input: io.stdin, output: io.stderr, terminal: false })
    const stop = () => {
      reader.close()
      reject(io.signal.reason as Error)
    }
    io.signal.addEventListener('abort', stop, { once: true })
    reader.once('line', (line) => {
      resolve(line)
      reader.close()
    })
    reader.once('close', () => {
      io.signal.removeEventListener('abort', stop)
      resolve(undefined)
    })
    io.stderr.write(question)
  })

const requireTerminal = (io: Io, what: string): void => {
  if (io.stdin.isTTY !== true)
    throw usageError(`${what} needs a confirmation, and there is no terminal to ask at`, 'Give --yes (-y) to go ahead.')
}

/** Asks y/N before something that cannot be taken back. Off a terminal it is a usage error that names the flag. */
export const confirm = async (io: Io, what: string, yes: boolean): Promise<void> => {
  if (yes) return
  requireTerminal(io, what)
  const answer = await askLine(io, `${oneLine(what)}? [y/N] `)
  if (answer === undefined || !/^y(es)?$/i.test(answer.trim())) throw cancelled()
}

/** For many at once: their number has to be typed, which no habit of pressing y does. */
export const confirmCount = async (io: Io, what: string, count: number, yes: boolean): Promise<void> => {
  if (yes) return
  requireTerminal(io, what)
  const answer = await askLine(io, `${oneLine(what)}. Type ${count} to go ahead: `)
  if (answer?.trim() !== String(count)) throw cancelled()
}

/** For what ends much: its name has to be typed. */
export const confirmWord = async (io: Io, what: string, word: string, yes: boolean): Promise<void> => {
  if (yes) return
  requireTerminal(io, what)
  const answer = await askLine(io, `${oneLine(what)}. Type ${word} to go ahead: `)
  if (answer?.trim() !== word) throw cancelled()
}

/** Finds out before any work whether a confirmation will be possible. */
export const requireConfirmable = (io: Io, what: string, yes: boolean): void => {
  if (!yes) requireTerminal(io, what)
}

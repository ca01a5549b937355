import { CommanderError } from 'commander'
import { asCliError, CliError, exitCode, usageError } from './errors.ts'
import { type Io, write } from './io.ts'
import { jsonText } from './output.ts'
import { makePaint } from './paint.ts'
import { exitOfCommander, makeProgram } from './program.ts'
import { oneLine } from './text.ts'

/** Where docs explain the codes of refusals that the CLI makes itself. */
const localProblemType = 'https://airunner.dev/docs/cli#exit-codes'

/** The refusal as a problem document: the server's own, or one of the same form. @see RFC 9457 */
const documentOf = (error: CliError): object =>
  error.problem ?? {
    type: localProblemType,
    title: error.message,
    ...(error.why === undefined ? {} : { detail: error.why }),
    code: error.code,
    ...(error.next === undefined ? {} : { next: error.next }),
  }

/** What happened, why, what to do next, and the request_id for the server's log. */
const linesOf = (error: CliError): [string, string][] => {
  const rows: [string, string][] = [['Error', error.message]]
  for (const line of error.why?.split('\n') ?? []) rows.push(['Why', line])
  if (error.next !== undefined) rows.push(['Next', error.next])
  if (error.problem?.request_id !== undefined) rows.push(['request_id', error.problem.request_id])
  return rows
}

const report = async (io: Io, error: CliError, output: string): Promise<void> => {
  if (output === 'json' || output === 'jsonl')
    return write(io.stderr, `${jsonText(documentOf(error), output === 'json' ? 2 : undefined)}\n`)
  const paint = makePaint(io, io.stderr)
  const lines = linesOf(error).map(
    ([label, text], index) => `${paint(index === 0 ? 'red' : 'dim', `${label}:`)} ${oneLine(text)}\n`,
  )
  return write(io.stderr, lines.join(''))
}

/** A CliError of anything that was thrown; what nobody foresaw says so. */
const foresee = (error: unknown): CliError => {
  const foreseen = asCliError(error)
  if (foreseen !== undefined) return foreseen
  if (error instanceof CommanderError) {
    const [what = 'wrong usage', ...hints] = error.message.replace(/^error: /, '').split('\n')
    const hint = hints.join(' ').replace(/^\((.*)\)$/, '$1')
    return usageError(what, `${hint === '' ? '' : `${hint} `}\`--help\` shows how it is called.`)
  }
  const text = error instanceof Error ? error.message : String(error)
  return new CliError(exitCode.failed, `unexpected failure: ${text}`, {
    next: 'Run it again with AIRUNNER_DEBUG=1 for the stack, and report it.',
    cause: error,
  })
}

/** Other ways to say the same: `help NOUN VERB` at any depth, `--version`. */
const normalise = (argv: string[]): string[] => {
  const [first, ...others] = argv
  if (first === 'help') return [...others, '--help']
  return argv.length === 1 && (first === '--version' || first === '-V') ? ['version'] : argv
}

/** Runs one command line (without node and script) and returns the exit code. Never throws. */
export const run = async (argv: string[], io: Io): Promise<number> => {
  const { command, session } = makeProgram(io)
  try {
    await command.parseAsync(normalise(argv), { from: 'user' })
    return exitCode.ok
  } catch (error) {
    if (
      error instanceof CommanderError &&
      (error.code.startsWith('commander.help') || error.message === '(outputHelp)')
    )
      return exitOfCommander(error)
    const refusal = foresee(error)
    if (refusal.message !== '') await report(io, refusal, session.globals().output).catch(() => {})
    if (io.env['AIRUNNER_DEBUG'] === '1') io.stderr.write(`${(error as Error).stack}\n`)
    return refusal.exitCode
  } finally {
    session.close()
  }
}

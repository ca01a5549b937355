import { asCliError, type ExitCode } from '../errors.ts'

export type Result = 'ok' | 'warn' | 'fail' | 'skip'

/** One thing that was looked at: what was found in words, and what to do about it. */
export interface Check {
  check: string
  result: Result
  detail: string
  next?: string
  /** The server's code, when it refused. */
  code?: string
  /** What the program ends with when this is the first failure. */
  exit_code?: ExitCode
}

export const ok = (check: string, detail: string): Check => ({ check, result: 'ok', detail })

export const warn = (check: string, detail: string, next: string): Check => ({ check, result: 'warn', detail, next })

export const skip = (check: string, because: string): Check => ({ check, result: 'skip', detail: because })

export const fail = (check: string, exit: ExitCode, detail: string, next?: string): Check => ({
  check,
  result: 'fail',
  detail,
  ...(next === undefined ? {} : { next }),
  exit_code: exit,
})

/** The failed check of an error that a command would have ended with. */
export const failOf = (check: string, error: unknown): Check => {
  const refusal = asCliError(error)
  if (refusal === undefined) throw error
  const detail = [refusal.message, refusal.why?.replaceAll('\n', ' ')].filter((text) => text !== undefined).join(': ')
  return {
    ...fail(check, refusal.exitCode, detail, refusal.next),
    ...(refusal.problem === undefined ? {} : { code: refusal.code }),
  }
}

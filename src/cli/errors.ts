import { FileProblem } from '../client/files.ts'
import type { ProblemDocument } from '../client/problem.ts'
import type { ErrorCode } from '../core/errors.ts'
import { nextStepOf } from './next-steps.ts'

/** What the process ends with. The numbers are a promise to scripts; docs/cli.md lists them. */
export const exitCode = {
  ok: 0,
  failed: 1,
  usage: 2,
  configuration: 3,
  notLetIn: 4,
  notFound: 5,
  conflict: 6,
  unreachable: 7,
  unavailable: 8,
  cancelled: 9,
  interrupted: 130,
  terminated: 143,
} as const
export type ExitCode = (typeof exitCode)[keyof typeof exitCode]

/** Codes of refusals that the CLI makes itself; those of the server stand in core/errors.ts. */
export type LocalCode =
  | 'failed'
  | 'usage'
  | 'configuration'
  | 'tls_refused'
  | 'not_found'
  | 'conflict'
  | 'unreachable'
  | 'timed_out'
  | 'unavailable'
  | 'cancelled'
  | 'interrupted'

export interface CliErrorOptions {
  code?: LocalCode | ErrorCode
  /** Why it happened, one sentence or some. */
  why?: string
  /** What to do next. */
  next?: string
  /** The document the server sent: printed as it came with `-o json`. */
  problem?: ProblemDocument
  cause?: unknown
}

/** Everything that ends a command: what happened, why, what to do next, and the exit code that scripts see. */
export class CliError extends Error {
  readonly exitCode: ExitCode
  readonly code: string
  readonly why: string | undefined
  readonly next: string | undefined
  readonly problem: ProblemDocument | undefined

  constructor(exit: ExitCode, what: string, options: CliErrorOptions = {}) {
    super(what, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'CliError'
    this.exitCode = exit
    this.code = options.code ?? codeOfExit[exit] ?? 'failed'
    this.why = options.why
    this.next = options.next
    this.problem = options.problem
  }
}

const codeOfExit: Partial<Record<ExitCode, LocalCode>> = {
  2: 'usage',
  3: 'configuration',
  4: 'tls_refused',
  5: 'not_found',
  6: 'conflict',
  7: 'unreachable',
  8: 'unavailable',
  9: 'cancelled',
  130: 'interrupted',
  143: 'interrupted',
}

/** A mistake in how the command was called. */
export const usageError = (what: string, next?: string): CliError =>
  new CliError(exitCode.usage, what, next === undefined ? {} : { next })

/** Something is wrong with a setting, a context, or a file that one of them names. */
export const configurationError = (what: string, options: CliErrorOptions = {}): CliError =>
  new CliError(exitCode.configuration, what, options)

const exitOfStatus: Record<number, ExitCode> = {
  401: exitCode.notLetIn,
  403: exitCode.notLetIn,
  404: exitCode.notFound,
  408: exitCode.unreachable,
  409: exitCode.conflict,
  412: exitCode.conflict,
  422: exitCode.conflict,
  429: exitCode.unavailable,
  502: exitCode.unavailable,
  503: exitCode.unavailable,
  504: exitCode.unavailable,
}

/** The error of a refusal: the server's own words first, the CLI's next step after them. */
export const errorOfProblem = (problem: ProblemDocument): CliError => {
  const faults = problem.errors?.map(({ pointer, detail }) => `${pointer}: ${detail}`) ?? []
  const why = [problem.detail, ...faults].filter((line) => line !== undefined).join('\n')
  const next = nextStepOf(problem.code)
  return new CliError(exitOfStatus[problem.status] ?? exitCode.failed, `${problem.title} (${problem.code})`, {
    code: problem.code as ErrorCode,
    problem,
    ...(why === '' ? {} : { why }),
    ...(next === undefined ? {} : { next }),
  })
}

/** The refusal that an error is, when it is one that the commands foresee. */
export const asCliError = (error: unknown): CliError | undefined => {
  if (error instanceof CliError) return error
  if (!(error instanceof FileProblem)) return undefined
  return new CliError(error.kind === 'unusable' ? exitCode.configuration : exitCode.conflict, error.message, {
    why: error.why,
    ...(error.next === undefined ? {} : { next: error.next }),
    cause: error.cause,
  })
}

import { retryAfterOf } from './backoff.ts'
import { type ProblemDocument, problemOfAnswer } from './problem.ts'
import type { Answer } from './transport.ts'

/** A server's no: its document, and for how long it asks to be left alone. */
export class Refusal extends Error {
  readonly problem: ProblemDocument
  /** Milliseconds. */
  readonly retryAfter: number | undefined
  /** What this side knows of it, and the server does not say. */
  hint: string | undefined

  constructor(answer: Answer) {
    const problem = problemOfAnswer(answer)
    super(`${problem.title} (${problem.code})${problem.detail === undefined ? '' : `: ${problem.detail}`}`)
    this.name = 'Refusal'
    this.problem = problem
    this.retryAfter = retryAfterOf(answer)
  }

  get code(): string {
    return this.problem.code
  }
}

/** The document of a successful answer; throws Refusal for any other. */
export const documentOf = <T>(answer: Answer): T => {
  if (answer.status < 200 || answer.status > 299) throw new Refusal(answer)
  return JSON.parse(answer.body.toString('utf8')) as T
}

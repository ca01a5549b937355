import { FileProblem } from '../client/files.ts'
import { FirstTrustProblem } from '../client/first-trust.ts'
import { Refusal } from '../client/refusal.ts'
import { TransportError } from '../client/transport.ts'

/** What a failure means for an agent: it passes; the certificate has ended; or there is no place for this agent any more. */
export type Verdict = 'passing' | 'ended' | 'shut_out'

/** Said of the caller's own certificate or principal; to try again would be to knock at a door that was shut on purpose. */
const shutOut = new Map([
  ['certificate_revoked', 'its certificate is revoked'],
  ['certificate_superseded', 'its certificate was replaced by a successor that somebody else holds'],
  ['certificate_unregistered', 'its certificate is not in the registry'],
  ['principal_suspended', 'its principal is suspended'],
  ['principal_deleted', 'its principal is deleted'],
])
const ended = new Set(['certificate_expired', 'certificate_untrusted'])

export const verdictOf = (error: unknown): Verdict => {
  if (!(error instanceof Refusal) || error.problem.status !== 401) return 'passing'
  if (shutOut.has(error.code)) return 'shut_out'
  return ended.has(error.code) ? 'ended' : 'passing'
}

/** A code that shuts an agent out, in words. */
export const shutOutWords = (code: string): string => shutOut.get(code) ?? code

/** The exit code that a failure ends a run with that does not wait: `--once`. */
export const exitOf = (error: unknown): number => {
  if (error instanceof FileProblem) return error.kind === 'unusable' ? 3 : 6
  if (error instanceof FirstTrustProblem) return error.kind === 'unreachable' ? 7 : 4
  if (error instanceof TransportError)
    return error.failure === 'untrusted' || error.failure === 'refused' || error.failure === 'cut' ? 4 : 7
  if (!(error instanceof Refusal)) return 1
  const { status } = error.problem
  if (status === 401 || status === 403) return 4
  if (status === 404) return 5
  if (status === 409 || status === 412 || status === 422) return 6
  return status === 429 || status >= 502 ? 8 : 1
}

/** A failure in words, on one line. */
export const wordsOf = (error: unknown): string => {
  if (error instanceof FileProblem) return `${error.message}: ${error.why}`
  if (error instanceof TransportError) return `${transportWords[error.failure]} (${error.code})`
  if (error instanceof FirstTrustProblem && error.cause instanceof Error)
    return `${error.message}: ${error.cause.message}`
  return error instanceof Error ? error.message : String(error)
}

const transportWords: Record<TransportError['failure'], string> = {
  unreachable: 'the server cannot be reached',
  untrusted: 'the server could not prove that it is the server; the clock of this machine may be wrong',
  refused: 'the TLS handshake failed',
  cut: 'the server ended the connection without an answer',
  lost: 'the connection was lost',
  timed_out: 'no answer in time',
  stopped: 'stopped',
}

import { ControlError } from '../core/errors.ts'

/** Why KMS gave no answer that is of use. */
export type KmsFailure = 'throttled' | 'refused' | 'failed' | 'timeout' | 'unreachable'

/** When a caller should come back, seconds. */
const retryAfterSeconds = 5

/** What a caller is told; `cause` is for the log, and for the person who set the key up. */
export const unavailable = (detail: string, cause?: unknown): ControlError =>
  new ControlError('issuer_unavailable', detail, { retryAfterSeconds, ...(cause === undefined ? {} : { cause }) })

interface SdkError {
  name?: string
  /** Of the system's own errors, e.g. ECONNRESET, which the SDK calls a timeout. */
  code?: string
  $metadata?: { httpStatusCode?: number; clockSkewCorrected?: boolean }
}

const throttling = /Throttl|TooManyRequests|LimitExceeded|RequestLimit|SlowDown/

/** What an error of the SDK means, and whether the same call may succeed a moment later. */
export const awsFailureOf = (error: unknown): { kind: KmsFailure; passes: boolean } => {
  const { name = '', code, $metadata } = (error ?? {}) as SdkError
  const status = $metadata?.httpStatusCode
  if (code?.startsWith('ECONN')) return { kind: 'unreachable', passes: true }
  if (name === 'TimeoutError' || name === 'AbortError') return { kind: 'timeout', passes: true }
  if (throttling.test(name) || status === 429) return { kind: 'throttled', passes: true }
  if (status === undefined) return { kind: 'unreachable', passes: true }
  // Also an answer that was begun with 200 and cannot be read, and KeyUnavailableException and DependencyTimeoutException.
  if (status >= 500 || status < 400) return { kind: 'failed', passes: true }
  // A signature refused for our clock: the SDK has learned the difference meanwhile.
  return { kind: 'refused', passes: $metadata?.clockSkewCorrected === true }
}

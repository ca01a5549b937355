import { ControlError } from '../core/errors.ts'

/** How a store call ended, when it did not end well. */
export type Failure =
  /** A condition did not hold: an answer of the domain. `positions` are those of the transaction's items. */
  | { kind: 'condition'; positions: number[] }
  /** Nothing was written; the same call may succeed at once. */
  | { kind: 'conflict' }
  /** Nothing was written; the store asks for patience. */
  | { kind: 'throttled' }
  /** The call may or may not have had its effect. */
  | { kind: 'unknown' }
  /** The store was not reached: nothing was written. */
  | { kind: 'unreachable' }
  /** The store refuses the call as such: a fault of ours or of the deployment. */
  | { kind: 'refused' }

const throttles = new Set([
  'ProvisionedThroughputExceededException',
  'ThrottlingException',
  'ThrottlingError',
  'RequestLimitExceeded',
  'LimitExceededException',
  'ReplicatedWriteConflictException',
])
const neverSent = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'CredentialsProviderError',
])

interface SdkError extends Error {
  code?: string
  CancellationReasons?: { Code?: string }[]
  $metadata?: { httpStatusCode?: number }
  cause?: unknown
}

/** Sorts an error of the SDK by what it says of the effect. */
export const failureOf = (thrown: unknown): Failure => {
  const error = thrown as SdkError
  const name = error?.name ?? ''
  if (name === 'TransactionCanceledException') {
    const codes = (error.CancellationReasons ?? []).map((reason) => reason.Code ?? 'None')
    const positions = codes.flatMap((code, position) => (code === 'ConditionalCheckFailed' ? [position] : []))
    if (positions.length > 0) return { kind: 'condition', positions }
    if (codes.includes('TransactionConflict')) return { kind: 'conflict' }
    if (codes.some((code) => throttles.has(code) || code === 'ProvisionedThroughputExceeded'))
      return { kind: 'throttled' }
    return codes.length === 0 ? { kind: 'unknown' } : { kind: 'refused' }
  }
  if (name === 'ConditionalCheckFailedException') return { kind: 'condition', positions: [0] }
  if (name === 'TransactionConflictException' || name === 'TransactionInProgressException') return { kind: 'conflict' }
  if (throttles.has(name)) return { kind: 'throttled' }
  const code = error?.code ?? (error?.cause as SdkError | undefined)?.code ?? name
  if (neverSent.has(code)) return { kind: 'unreachable' }
  const status = error?.$metadata?.httpStatusCode
  if (status !== undefined && status >= 400 && status < 500) return { kind: 'refused' }
  return { kind: 'unknown' }
}

/** What a caller is told when the store does not do its part. */
export const storeUnavailable = (cause?: unknown): ControlError =>
  new ControlError(
    'store_unavailable',
    'the registry does not answer; try again, with the same Idempotency-Key if there was one',
    {
      cause,
      retryAfterSeconds: 2,
    },
  )

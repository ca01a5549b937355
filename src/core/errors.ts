import type { Straggler } from './authority.ts'

/** Every code that a caller can ever be answered with; the list is closed. Statuses stand in src/wire/problem.ts. */
export const errorCodes = [
  'invalid_request',
  'csr_invalid',
  'csr_key_rejected',
  'page_token_mismatch',
  'certificate_unregistered',
  'certificate_untrusted',
  'certificate_not_yet_valid',
  'certificate_revoked',
  'certificate_superseded',
  'certificate_expired',
  'principal_suspended',
  'principal_deleted',
  'join_refused',
  'permission_denied',
  'not_found',
  'method_not_allowed',
  'not_acceptable',
  'request_timeout',
  'payload_too_large',
  'uri_too_long',
  'unsupported_media_type',
  'headers_too_large',
  'principal_exists',
  'certificate_quota_exceeded',
  'key_already_registered',
  'last_admin',
  'rotation_not_ready',
  'invalid_transition',
  'version_mismatch',
  'idempotency_key_reused',
  'rate_limited',
  'internal_error',
  'store_unavailable',
  'issuer_unavailable',
  'overloaded',
] as const

export type ErrorCode = (typeof errorCodes)[number]

/** One fault in the input; `pointer` is an RFC 6901 JSON pointer into the body, or `/query/name`, `/headers/name`. */
export interface InputFault {
  pointer: string
  detail: string
}

export interface ControlErrorOptions {
  cause?: unknown
  /** Of `rotation_not_ready`: who is not. */
  stragglers?: Straggler[]
  /** For codes that pass by themselves: when to try again, whole seconds. */
  retryAfterSeconds?: number
  errors?: InputFault[]
}

/**
 * A refusal that the domain means: `code` is what programs match on, `detail` tells an admitted caller what to do next.
 * Neither ever holds key material or text that the caller was not already entitled to.
 */
export class ControlError extends Error {
  readonly code: ErrorCode
  readonly retryAfterSeconds: number | undefined
  readonly errors: InputFault[] | undefined
  readonly stragglers: Straggler[] | undefined

  constructor(code: ErrorCode, detail: string, options: ControlErrorOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'ControlError'
    this.code = code
    this.retryAfterSeconds = options.retryAfterSeconds
    this.errors = options.errors
    this.stragglers = options.stragglers
  }
}

/** True when `error` is a ControlError, of `code` when one is named. */
export const isControlError = (error: unknown, code?: ErrorCode): error is ControlError =>
  error instanceof ControlError && (code === undefined || error.code === code)

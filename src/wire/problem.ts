import type { Static } from 'typebox'
import { type ErrorCode, errorCodes } from '../core/errors.ts'
import { oneOf } from './fields.ts'
import { Type } from './schema.ts'
import { Straggler } from './stragglers.ts'

/** The one table of statuses: a code without a line here does not compile. */
export const statusOfCode = {
  invalid_request: 400,
  csr_invalid: 400,
  csr_key_rejected: 400,
  page_token_mismatch: 400,
  certificate_unregistered: 401,
  certificate_untrusted: 401,
  certificate_not_yet_valid: 401,
  certificate_revoked: 401,
  certificate_superseded: 401,
  certificate_expired: 401,
  principal_suspended: 401,
  principal_deleted: 401,
  join_refused: 401,
  permission_denied: 403,
  not_found: 404,
  method_not_allowed: 405,
  not_acceptable: 406,
  request_timeout: 408,
  payload_too_large: 413,
  uri_too_long: 414,
  unsupported_media_type: 415,
  headers_too_large: 431,
  principal_exists: 409,
  certificate_quota_exceeded: 409,
  key_already_registered: 409,
  last_admin: 409,
  rotation_not_ready: 409,
  invalid_transition: 409,
  version_mismatch: 412,
  idempotency_key_reused: 422,
  rate_limited: 429,
  internal_error: 500,
  store_unavailable: 503,
  issuer_unavailable: 503,
  overloaded: 503,
} as const satisfies Record<ErrorCode, number>

/** Short and fixed per code: what `title` says. */
export const titleOfCode = {
  invalid_request: 'The request is malformed',
  csr_invalid: 'The certificate request is malformed',
  csr_key_rejected: 'The key of the certificate request is not acceptable',
  page_token_mismatch: 'The page token belongs to another query',
  certificate_unregistered: 'The certificate is not in the registry',
  certificate_untrusted: 'The certificate is not one for clients of this plane',
  certificate_not_yet_valid: 'The certificate is not yet valid',
  certificate_revoked: 'The certificate is revoked',
  certificate_superseded: 'The certificate was replaced by its successor',
  certificate_expired: 'The certificate is expired',
  principal_suspended: 'The principal is suspended',
  principal_deleted: 'The principal is deleted',
  join_refused: 'Joining was refused',
  permission_denied: 'This principal may not do that',
  not_found: 'There is no such thing',
  method_not_allowed: 'This method is not allowed here',
  not_acceptable: 'No acceptable representation',
  request_timeout: 'The request took too long to arrive',
  payload_too_large: 'The body is too large',
  uri_too_long: 'The URL is too long',
  unsupported_media_type: 'The body is not JSON',
  headers_too_large: 'The headers are too large',
  principal_exists: 'The principal exists already',
  certificate_quota_exceeded: 'The principal holds as many certificates as it may',
  key_already_registered: 'The key is registered already',
  last_admin: 'This would leave no admin',
  rotation_not_ready: 'The rotation is not ready for this step',
  invalid_transition: 'Not possible in this state',
  version_mismatch: 'The record has changed meanwhile',
  idempotency_key_reused: 'The idempotency key was used for another request',
  rate_limited: 'Too many requests',
  internal_error: 'Internal error',
  store_unavailable: 'The registry does not answer',
  issuer_unavailable: 'No issuer answers now',
  overloaded: 'Too busy',
} as const satisfies Record<ErrorCode, string>

/** Where the meaning of a code and the way out are written down: a heading in docs/errors.md. */
export const problemTypeOf = (code: ErrorCode): string => `https://airunner.dev/docs/errors#${code}`

export const Problem = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.Optional(Type.String()),
    code: oneOf(errorCodes),
    request_id: Type.String(),
    errors: Type.Optional(
      Type.Array(Type.Object({ pointer: Type.String(), detail: Type.String() }, { additionalProperties: false })),
    ),
    stragglers: Type.Optional(Type.Array(Straggler, { description: 'Of `rotation_not_ready`: who is not' })),
  },
  { additionalProperties: false, description: 'A refusal (RFC 9457)' },
)
export type Problem = Static<typeof Problem>

export interface ProblemSource {
  code: ErrorCode
  detail?: string | undefined
  errors?: { pointer: string; detail: string }[] | undefined
  stragglers?: Straggler[] | undefined
}

/** The problem document of a refusal. @see RFC 9457 §3 */
export const problemOf = ({ code, detail, errors, stragglers }: ProblemSource, requestId: string): Problem => ({
  type: problemTypeOf(code),
  title: titleOfCode[code],
  status: statusOfCode[code],
  ...(detail === undefined ? {} : { detail }),
  code,
  request_id: requestId,
  ...(errors === undefined || errors.length === 0 ? {} : { errors }),
  ...(stragglers === undefined || stragglers.length === 0 ? {} : { stragglers }),
})

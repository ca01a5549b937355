import type { TSchema } from 'typebox'
import type { ErrorCode } from '../../core/errors.ts'
import { Problem, statusOfCode, titleOfCode } from '../../wire/problem.ts'

/** What any request can be refused with, whatever it asks. */
const always: readonly ErrorCode[] = [
  'invalid_request',
  'not_acceptable',
  'request_timeout',
  'uri_too_long',
  'headers_too_large',
  'internal_error',
]

/** What a request of an admitted, or no longer admitted, caller can be refused with on top. */
export const whenAdmitting: readonly ErrorCode[] = [
  'certificate_unregistered',
  'certificate_untrusted',
  'certificate_not_yet_valid',
  'certificate_revoked',
  'certificate_superseded',
  'certificate_expired',
  'principal_suspended',
  'principal_deleted',
  'rate_limited',
  'store_unavailable',
  'overloaded',
]

export const whenReadingBodies: readonly ErrorCode[] = ['payload_too_large', 'unsupported_media_type']

interface Header {
  description: string
  type: 'string' | 'integer'
}

/** One entry of `responses` as the document generator reads it. */
export interface Response {
  description: string
  headers?: Record<string, Header>
  content?: Record<string, { schema: TSchema }>
  type?: 'null'
}

const requestId = { 'X-Request-Id': { type: 'string', description: 'Names this request in logs and audit' } } as const
const retryAfter = { 'Retry-After': { type: 'integer', description: 'When to try again, seconds' } } as const

/** Refusals by status: the title of every code that can come with it. */
export const problemResponses = (codes: readonly ErrorCode[]): Record<number, Response> => {
  const byStatus = Map.groupBy(new Set([...always, ...codes]), (code) => statusOfCode[code])
  return Object.fromEntries(
    [...byStatus].map(([status, some]) => [
      status,
      {
        description: some.map((code) => `\`${code}\`: ${titleOfCode[code]}`).join('; '),
        headers: status === 429 || status === 503 ? { ...requestId, ...retryAfter } : requestId,
        content: { 'application/problem+json': { schema: Problem } },
      },
    ]),
  )
}

/** A success. */
export const successResponse = (
  description: string,
  content: Record<string, TSchema>,
  headers: Record<string, Header> = {},
): Response => ({
  description,
  headers: { ...requestId, ...headers },
  content: Object.fromEntries(Object.entries(content).map(([mediaType, schema]) => [mediaType, { schema }])),
})

/** A success without a body. */
export const emptyResponse = (description: string): Response => ({ description, headers: requestId, type: 'null' })

export const entityTag = { ETag: { type: 'string', description: 'Changes when the record does' } } as const
export const replayed = {
  'Idempotency-Replayed': { type: 'string', description: '`true` when this answer was given before' },
} as const

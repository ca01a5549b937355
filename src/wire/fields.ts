import { certificateKinds, certificateStatuses, revocationReasons } from '../core/certificate.ts'
import { principalIdPattern, serialNumberPattern } from '../core/ids.ts'
import { principalStatuses, principalTypes } from '../core/principal.ts'
import { Type } from './schema.ts'

/** A closed set of strings, as JSON Schema `enum`. */
export const oneOf = <const T extends readonly string[]>(values: T, description?: string) =>
  Type.Unsafe<T[number]>({ type: 'string', enum: [...values], ...(description === undefined ? {} : { description }) })

export const principalId = Type.String({
  pattern: principalIdPattern,
  maxLength: 128,
  description: 'Lower-case name of a principal; also the last segment of its SPIFFE id',
})
export const serialNumber = Type.String({
  pattern: serialNumberPattern,
  description: 'Serial number of a certificate, 32 lower-case hex digits',
})
export const fingerprint = Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the DER' })
export const issuerId = Type.String({ pattern: '^[0-9a-f]{16}$', description: 'First 16 hex digits of SHA-256(SPKI)' })
export const timestamp = Type.String({ format: 'date-time', description: 'RFC 3339 UTC with milliseconds' })
export const principalType = oneOf(principalTypes)
export const principalStatus = oneOf(principalStatuses)
export const certificateStatus = oneOf(certificateStatuses)
export const certificateKind = oneOf(certificateKinds)
export const revocationReason = oneOf(revocationReasons)
export const description = Type.String({ maxLength: 256 })
export const email = Type.String({
  minLength: 3,
  maxLength: 254,
  pattern: '^[^\\s@\\u0000-\\u001f]+@[^\\s@\\u0000-\\u001f]+$',
})
/** `propertyNames` and not `patternProperties`, which OpenAPI generators drop together with the limit it states. */
export const metadata = Type.Unsafe<Record<string, string>>({
  type: 'object',
  maxProperties: 16,
  propertyNames: { minLength: 1, maxLength: 64 },
  additionalProperties: { type: 'string', maxLength: 256 },
  description: 'Free labels: at most 16 pairs',
})
/** The same as an answer shows it. */
export const labels = Type.Unsafe<Record<string, string>>({ type: 'object', additionalProperties: { type: 'string' } })
/** Any JSON object. */
export const anyObject = Type.Unsafe<Record<string, unknown>>({ type: 'object', additionalProperties: true })
export const csrPem = Type.String({ minLength: 1, maxLength: 8192, description: 'PKCS #10 request, one PEM block' })
export const validitySeconds = Type.Integer({ minimum: 300, maximum: 315_360_000 })
export const reasonText = Type.String({ minLength: 1, maxLength: 256 })

/** Bodies refuse what they do not know. */
export const closed = { additionalProperties: false } as const

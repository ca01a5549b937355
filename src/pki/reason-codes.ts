import type { RevocationReason } from '../core/certificate.ts'

const codes: Record<Exclude<RevocationReason, 'unspecified'>, number> = {
  key_compromise: 1,
  affiliation_changed: 3,
  superseded: 4,
  cessation_of_operation: 5,
  privilege_withdrawn: 9,
}

/**
 * CRLReason; undefined, and left out, for `unspecified` and for whatever else somebody wrote into a row by hand.
 * @see RFC 5280 §5.3.1
 */
export const reasonCodeOf = (reason: RevocationReason): number | undefined =>
  (codes as Partial<Record<string, number>>)[reason]

import { sha256Hex } from '../../core/bytes.ts'
import type { OidcCondition } from '../../core/joining.ts'

/** The members of each object in order: a store gives them back in any. */
const inOrder = (_name: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value

/**
 * Names where the keys of a rule come from. Two clusters may call themselves by the same issuer: a token that verified with
 * the keys of one rule is nothing to a rule with other keys. 64 hex digits.
 */
export const keySourceOf = ({ issuer, jwks, jwks_url, ca_pem }: OidcCondition): string =>
  sha256Hex(JSON.stringify({ issuer, jwks, jwks_url, ca_pem }, inOrder))

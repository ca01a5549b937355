import { day } from './time.ts'

/** What an issuer may be, as a rotation takes it through; a root is only ever trusted. */
export const issuerStates = ['prepared', 'active', 'retired', 'removed'] as const
export type IssuerState = (typeof issuerStates)[number]
export const authorityStates = [...issuerStates, 'trusted'] as const
export const authorityKinds = ['issuer', 'root'] as const
export const stragglerKinds = ['server', 'agent'] as const

/** Issuers and roots with less than this left are warned of: an issuer is good for a year. Milliseconds. */
export const nearEnd = 30 * day

/** Somebody who is not ready for a step of a rotation. */
export interface Straggler {
  kind: (typeof stragglerKinds)[number]
  /** `server_id`, or the principal of the agent. */
  id: string
  /** What it lacks. */
  detail: string
}

/** An issuer as the registry knows it. Times in Unix milliseconds. */
export interface AuthorityRecord {
  /** First 16 hex digits of the SHA-256 of its SPKI. */
  issuer_id: string
  certificate_der: Uint8Array
  /** The key in KMS that signs for it; absent: servers have it from their configuration. */
  kms_key_id?: string
  state: IssuerState
  version: number
  prepared_at?: number
  activated_at?: number
  /** When another one took its place: from then on it signs nothing new. */
  deactivated_at?: number
  retired_at?: number
  /** Until when its holders are asked to renew. */
  renew_until?: number
  removed_at?: number
}

/** All that the registry knows of issuers; of the `active` one there is a pointer, so that two never are. */
export interface StoredAuthorities {
  issuers: AuthorityRecord[]
  /**
   * Absent: no server has written down yet which one signs. `adopted`: taken over from the configuration, by no admin; then
   * each server goes by its configuration, and this follows.
   */
  active?: { issuer_id: string; version: number; adopted?: boolean }
}

/** The state of an issuer, whatever was written into its row by hand: one signs, and what is not known is not trusted. */
export const stateOf = (record: AuthorityRecord, active: string | undefined): IssuerState => {
  if (record.state === 'retired' || record.state === 'prepared') return record.state
  if (record.state !== 'active') return 'removed'
  return record.issuer_id === active ? 'active' : 'prepared'
}

import { type RevocationReason, revocationReasons } from '../../core/certificate.ts'
import { isSerialNumber } from '../../core/ids.ts'
import type { RevokedEntry } from '../../pki/crl.ts'
import type { CrlEntry } from '../../store/crl.ts'

export interface ListTimes {
  /** Of the list that is being made, Unix milliseconds. */
  this_update: number
  /** Of the list before it. */
  previous_update?: number | undefined
}

/** What becomes of a record: an entry, nothing any more, or an entry of a later list. */
export type Listing = { entry: RevokedEntry } | { later: number } | 'gone' | 'unreadable'

const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value)

/**
 * Whether a record is on a list. One whose certificate has expired stays until it was on one list after that. A revocation
 * is on it even when it was accepted by a clock that is ahead; a supersession only when its grace is over. What somebody
 * wrote by hand without time or reason counts as revoked all the same.
 * @see RFC 5280 §3.3
 */
export const listingOf = (
  { serial_number, revoked_at, reason, superseded_at, expires_at }: Omit<CrlEntry, 'issuer_id'>,
  { this_update, previous_update }: ListTimes,
): Listing => {
  if (!isSerialNumber(serial_number)) return 'unreadable'
  const from = isTime(revoked_at) ? revoked_at : this_update
  const until = isTime(expires_at) ? Math.max(expires_at, from) : Number.POSITIVE_INFINITY
  if (previous_update !== undefined && until <= previous_update) return 'gone'
  if (superseded_at !== undefined && from > this_update) return { later: from }
  return {
    entry: {
      serial_number,
      revoked_at: Math.max(0, Math.min(from, this_update)),
      reason: (revocationReasons as readonly RevocationReason[]).includes(reason) ? reason : 'unspecified',
    },
  }
}

import { timeOrderedId } from '../core/ids.ts'

/**
 * A fresh certificate serial number: a UUIDv7 as a positive integer of 16 octets, 32 lower-case hex digits.
 * Its first octet is 0x01 from 2004 to 2039, so that it is never negative and never shorter. `now` in Unix milliseconds.
 * @see RFC 5280 §4.1.2.2
 */
export const newSerialNumber = (now: number): string => timeOrderedId(now)

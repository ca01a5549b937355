import { createHash, timingSafeEqual } from 'node:crypto'

/** SHA-256 as 64 lower-case hex digits. */
export const sha256Hex = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex')

/** Compares two secrets, or their hashes, in time that does not depend on where they differ. */
export const equalInConstantTime = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && timingSafeEqual(a, b)

import { randomFillSync } from 'node:crypto'

/** Random octets fetched many at a time: one call each costs more than all the rest of an id. */
const pool = Buffer.alloc(4096)
let taken = pool.length

const sixteenRandomOctets = (): Buffer => {
  if (taken === pool.length) {
    randomFillSync(pool)
    taken = 0
  }
  taken += 16
  return Buffer.from(pool.subarray(taken - 16, taken))
}

/** 16 octets: 48 bits of Unix milliseconds, version 7, variant 10, the rest random. @see RFC 9562 §5.7 */
export const uuidV7Bytes = (now: number): Buffer => {
  const bytes = sixteenRandomOctets()
  bytes.writeUIntBE(now, 0, 6)
  bytes[6] = 0x70 | ((bytes[6] as number) & 0x0f)
  bytes[8] = 0x80 | ((bytes[8] as number) & 0x3f)
  return bytes
}

/** A time-ordered identifier, 32 lower-case hex digits: events, feed records, requests, operations. */
export const timeOrderedId = (now: number): string => uuidV7Bytes(now).toString('hex')

/** Milliseconds at which a time-ordered identifier was made. */
export const timeOfId = (id: string): number => Number.parseInt(id.slice(0, 12), 16)

/** The smallest time-ordered identifier of a millisecond: a lower bound for range reads. */
export const lowestIdAt = (at: number): string => Math.max(0, Math.floor(at)).toString(16).padStart(12, '0')

export const principalIdPattern = '^[a-z0-9]([a-z0-9._-]{0,126}[a-z0-9])?$'
export const serialNumberPattern = '^[0-9a-f]{32}$'
const principalIdExpression = new RegExp(principalIdPattern)
const serialNumberExpression = new RegExp(serialNumberPattern)

export const isPrincipalId = (text: string): boolean => principalIdExpression.test(text)
export const isSerialNumber = (text: string): boolean => serialNumberExpression.test(text)

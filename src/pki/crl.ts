import type { RevocationReason } from '../core/certificate.ts'
import { second } from '../core/time.ts'
import { encode, encodeExtension, encodeTime, objectIdentifier, sequence, tag, unsignedInteger } from './der-encode.ts'
import { oid } from './oids.ts'
import { signatureAlgorithm } from './tbs.ts'

/** One certificate on a list. */
export interface RevokedEntry {
  /** Two lower-case hex digits for each octet. */
  serial_number: string
  /** Unix milliseconds, cut to the second. */
  revoked_at: number
  reason: RevocationReason
}

/** What a list says beside its entries. Names as DER, times in Unix milliseconds, cut to the second. */
export interface CrlFields {
  issuer: Buffer
  /** Subject key identifier of the issuer. */
  key_id: Buffer
  /** Never used twice, and always rising. */
  number: number
  this_update: number
  next_update: number
}

/** CRLReason; `unspecified` is left out, as is said there. @see RFC 5280 §5.3.1 */
const reasonCodes: Record<RevocationReason, number | undefined> = {
  unspecified: undefined,
  key_compromise: 1,
  affiliation_changed: 3,
  superseded: 4,
  cessation_of_operation: 5,
  privilege_withdrawn: 9,
}

const reasonId = objectIdentifier(oid.crlReason)
const reasonExtensions = Object.fromEntries(
  Object.entries(reasonCodes).map(([reason, code]) => [
    reason,
    code === undefined
      ? Buffer.alloc(0)
      : sequence(encodeExtension(reasonId, false, encode(tag.enumerated, Uint8Array.of(code)))),
  ]),
) as Record<RevocationReason, Buffer>

const day = 24 * 60 * 60
const zero = 0x30
/** Of `HHMMSSZ`, the end of either form of time. */
const clockLength = 7

/** Writes times as encodeTime does, at a tenth of its cost: what days begin with is kept. */
const makeTimeWriter = () => {
  const dates = new Map<number, Buffer>()
  return (out: Buffer, start: number, milliseconds: number): number => {
    const seconds = Math.floor(milliseconds / second)
    const number = Math.floor(seconds / day)
    const date = dates.get(number) ?? encodeTime(number * day * second).subarray(0, -clockLength)
    dates.set(number, date)
    const rest = seconds - number * day
    let at = start + date.copy(out, start)
    for (const pair of [Math.floor(rest / 3600), Math.floor(rest / 60) % 60, rest % 60]) {
      out[at++] = zero + Math.floor(pair / 10)
      out[at++] = zero + (pair % 10)
    }
    out[at++] = 'Z'.charCodeAt(0)
    return at
  }
}

/** Room for one entry: a serial of 20 octets, a GeneralizedTime and a reason. */
const longestEntry = 64
const longestSerial = 20
const entriesOfSlab = 4096

/** Content octets of a non-negative INTEGER, as hex digits. @see X.690 §8.3 */
const integerDigits = (hex: string): string => {
  const digits = hex.replace(/^(00)+(?=.)/, '')
  return (digits.charCodeAt(0) > 0x37 ? '00' : '') + digits
}

const compare = (a: string, b: string): number => a.length - b.length || (a < b ? -1 : a > b ? 1 : 0)

/**
 * Collects entries in any order and encodes each as it comes, so that this is done while more of them are being read; a
 * hundred thousand take 0.2 s all the same, which is not for an event loop. They come out by serial number.
 */
export const makeEntryList = () => {
  const entries: { digits: string; der: Buffer }[] = []
  const writeTime = makeTimeWriter()
  let slab = Buffer.alloc(0)
  let at = 0
  return {
    /** Throws when the serial number has more than 20 octets. */
    add: ({ serial_number, revoked_at, reason }: RevokedEntry): void => {
      const digits = integerDigits(serial_number)
      const octets = digits.length / 2
      if (octets > longestSerial) throw new Error('a serial number of more than 20 octets')
      if (at + longestEntry > slab.length) {
        slab = Buffer.allocUnsafe(entriesOfSlab * longestEntry)
        at = 0
      }
      const start = at
      slab[at] = tag.sequence
      slab[at + 2] = tag.integer
      slab[at + 3] = octets
      at += 4
      at += slab.write(digits, at, 'hex')
      at = writeTime(slab, at, revoked_at)
      at += reasonExtensions[reason].copy(slab, at)
      slab[start + 1] = at - start - 2
      entries.push({ digits, der: slab.subarray(start, at) })
    },
    count: () => entries.length,
    encode: (): Buffer => Buffer.concat(entries.sort((a, b) => compare(a.digits, b.digits)).map(({ der }) => der)),
  }
}

const explicitExtensions = 0xa0
const keyIdentifierTag = 0x80
const version2 = unsignedInteger('01')
const keyIdentifierId = objectIdentifier(oid.authorityKeyIdentifier)
const numberId = objectIdentifier(oid.crlNumber)

/** The part of a version 2 list that is signed; an empty list has no entries at all. @see RFC 5280 §5.1.2 */
export const encodeCrlTbs = (fields: CrlFields, entries: Buffer): Buffer =>
  sequence(
    version2,
    signatureAlgorithm,
    fields.issuer,
    encodeTime(fields.this_update),
    encodeTime(fields.next_update),
    ...(entries.length === 0 ? [] : [sequence(entries)]),
    encode(
      explicitExtensions,
      sequence(
        encodeExtension(keyIdentifierId, false, sequence(encode(keyIdentifierTag, fields.key_id))),
        encodeExtension(numberId, false, unsignedInteger(fields.number.toString(16))),
      ),
    ),
  )

/** A whole list, DER, from its signed part and an Ecdsa-Sig-Value. @see RFC 5280 §5.1.1 */
export const joinCrl = (tbs: Uint8Array, signature: Uint8Array): Buffer =>
  sequence(tbs, signatureAlgorithm, encode(tag.bitString, Uint8Array.of(0), signature))

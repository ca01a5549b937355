import { oidContent } from './oids.ts'

/** Identifier octets. @see X.690 §8.1.2 */
export const tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

const lengthOctets = (length: number): number[] => {
  if (length < 0x80) return [length]
  if (length < 0x100) return [0x81, length]
  if (length < 0x10000) return [0x82, length >> 8, length & 0xff]
  if (length < 0x1000000) return [0x83, length >> 16, (length >> 8) & 0xff, length & 0xff]
  return [0x84, length >>> 24, (length >> 16) & 0xff, (length >> 8) & 0xff, length & 0xff]
}

/** One tag-length-value around the given parts, for contents shorter than 4 GB. @see X.690 §10.1 */
export const encode = (identifier: number, ...parts: Uint8Array[]): Buffer => {
  let length = 0
  for (const part of parts) length += part.length
  return Buffer.concat([Uint8Array.from([identifier, ...lengthOctets(length)]), ...parts])
}

export const sequence = (...parts: Uint8Array[]): Buffer => encode(tag.sequence, ...parts)

export const objectIdentifier = (dotted: string): Buffer => encode(tag.oid, oidContent(dotted))

export const utf8String = (text: string): Buffer => encode(tag.utf8String, Buffer.from(text, 'utf8'))

/** A non-negative INTEGER from hex digits. @see X.690 §8.3 */
export const unsignedInteger = (hex: string): Buffer => {
  const digits = hex.replace(/^0+(?=.)/, '')
  const octets = Buffer.from(digits.length % 2 ? `0${digits}` : digits, 'hex')
  return (octets[0] as number) & 0x80 ? encode(tag.integer, Uint8Array.of(0), octets) : encode(tag.integer, octets)
}

const digitsOf = (at: number): string => `${new Date(at).toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}Z`

/** GeneralizedTime whatever the year; `at` in Unix milliseconds, cut to the second. @see RFC 5280 §4.1.2.5.2 */
export const generalizedTime = (at: number): Buffer => encode(tag.generalizedTime, Buffer.from(digitsOf(at), 'latin1'))

const firstGeneralizedYear = 2050

/**
 * UTCTime through 2049, GeneralizedTime from 2050 on; `at` in Unix milliseconds, cut to the second.
 * @see RFC 5280 §4.1.2.5
 */
export const encodeTime = (at: number): Buffer =>
  new Date(at).getUTCFullYear() < firstGeneralizedYear
    ? encode(tag.utcTime, Buffer.from(digitsOf(at).slice(2), 'latin1'))
    : generalizedTime(at)

/** An Extension; critical FALSE is the default and stays unwritten. @see RFC 5280 §4.1 */
export const encodeExtension = (id: Uint8Array, critical: boolean, value: Uint8Array): Buffer =>
  critical
    ? sequence(id, encode(tag.boolean, Uint8Array.of(0xff)), encode(tag.octetString, value))
    : sequence(id, encode(tag.octetString, value))

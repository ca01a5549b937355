import { verify, type X509Certificate } from 'node:crypto'
import { DerProblem } from './der.ts'
import { readCertificate } from './read-certificate.ts'

/** One revoked certificate. */
export interface CrlEntry {
  /** Lower-case hex, 32 digits at least. */
  serial_number: string
  /** Unix milliseconds. */
  revoked_at: number
  /** As RFC 5280 names it, absent when unspecified. */
  reason?: string
}

export interface Crl {
  /** Name of the issuer, DER. */
  issuer: Buffer
  /** Unix milliseconds. */
  this_update: number
  next_update: number
  /** Decimal. */
  number: string
  entries: CrlEntry[]
  tbs: Buffer
  signature: Buffer
}

const reasons = [
  'unspecified',
  'key_compromise',
  'ca_compromise',
  'affiliation_changed',
  'superseded',
  'cessation_of_operation',
  'certificate_hold',
  undefined,
  'remove_from_crl',
  'privilege_withdrawn',
  'aa_compromise',
]
const reasonOid = '551d15'
const numberOid = '551d14'
const deltaOid = '551d1b'
const ecdsaWithSha256 = '300a06082a8648ce3d040302'

interface Value {
  tag: number
  content: Buffer
  bytes: Buffer
}

const fail = (why: string): never => {
  throw new DerProblem(`the CRL ${why}`)
}

/** The values that stand side by side; a CRL has too many entries to be read as one tree. */
function* valuesIn(source: Buffer): Generator<Value> {
  for (let at = 0; at < source.length; ) {
    const first = source[at + 1] ?? fail('is cut short')
    const octets = first < 0x80 ? 0 : first & 0x7f
    if (first === 0x80 || octets > 4 || at + 2 + octets > source.length) fail('has a length that is not DER')
    const length = octets === 0 ? first : source.readUIntBE(at + 2, octets)
    const start = at + 2 + octets
    if (start + length > source.length) fail('is cut short')
    yield {
      tag: source[at] as number,
      content: source.subarray(start, start + length),
      bytes: source.subarray(at, start + length),
    }
    at = start + length
  }
}

const only = (source: Buffer, tag: number, what: string): Buffer => {
  const [value, ...more] = [...valuesIn(source)]
  return value?.tag === tag && more.length === 0 ? value.content : fail(`has no ${what}`)
}

const timeOf = (value: Value | undefined): number => {
  const text = value?.content.toString('latin1') ?? ''
  const match = /^(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/.exec(text)
  const [, year = '', ...rest] = match ?? fail('holds no time where one belongs')
  const full = value?.tag === 0x18 ? year : `${Number(year) < 50 ? 20 : 19}${year}`
  const [month, day, hour, minute, second] = rest
  return Date.parse(`${full}-${month}-${day}T${hour}:${minute}:${second}Z`)
}

/** Extensions by the hex of their OID. Critical ones that are not known here make the CRL useless. @see RFC 5280 §5.2 */
const extensionsIn = (list: Buffer, known: string[]): Map<string, Buffer> => {
  const found = new Map<string, Buffer>()
  for (const { content } of valuesIn(only(list, 0x30, 'extensions'))) {
    const parts = [...valuesIn(content)]
    const oid = parts[0]?.content.toString('hex') ?? ''
    if (parts.length === 3 && !known.includes(oid)) fail('has a critical extension that is not known here')
    found.set(oid, parts.at(-1)?.content ?? Buffer.alloc(0))
  }
  return found
}

const hexOf = (integer: Buffer): string =>
  integer
    .toString('hex')
    .replace(/^00(?=.)/, '')
    .padStart(32, '0')

const entryOf = (content: Buffer): CrlEntry => {
  const [serial, at, extensions] = [...valuesIn(content)]
  const code = extensions === undefined ? undefined : extensionsIn(extensions.bytes, [reasonOid]).get(reasonOid)
  const reason = code && reasons[only(code, 0x0a, 'reason')[0] as number]
  return {
    serial_number: hexOf(serial?.content ?? Buffer.alloc(0)),
    revoked_at: timeOf(at),
    ...(reason === undefined ? {} : { reason }),
  }
}

/**
 * Reads a CRL, DER, whole and ecdsa-with-SHA256, of any number of entries. Nothing is verified. Throws DerProblem.
 * @see RFC 5280 §5.1
 */
export const readCrl = (der: Buffer): Crl => {
  const [tbs, algorithm, bits, ...more] = [...valuesIn(only(der, 0x30, 'list'))]
  if (tbs?.tag !== 0x30 || bits?.tag !== 0x03 || bits.content[0] !== 0 || more.length > 0)
    return fail('has another shape')
  if (algorithm?.bytes.toString('hex') !== ecdsaWithSha256) fail('is signed in another way than ecdsa-with-SHA256')
  const parts = [...valuesIn(tbs.content)]
  const isTime = (value: Value | undefined) => value?.tag === 0x17 || value?.tag === 0x18
  if (parts[0]?.content.toString('hex') !== '01' || !isTime(parts[3]) || !isTime(parts[4]))
    return fail('is not of version 2 with both its times')
  const revoked = parts[5]?.tag === 0x30 ? parts[5].content : Buffer.alloc(0)
  const last = parts.at(-1)
  const extensions = last?.tag === 0xa0 ? extensionsIn(last.content, []) : new Map<string, Buffer>()
  if (extensions.has(deltaOid)) fail('is a delta')
  const number = extensions.get(numberOid)
  return {
    issuer: parts[2]?.bytes ?? Buffer.alloc(0),
    this_update: timeOf(parts[3]),
    next_update: timeOf(parts[4]),
    number: number === undefined ? '' : BigInt(`0x${only(number, 0x02, 'number').toString('hex')}`).toString(),
    entries: [...valuesIn(revoked)].map(({ content }) => entryOf(content)),
    tbs: tbs.bytes,
    signature: bits.content.subarray(1),
  }
}

/** What is wrong with a CRL at `now` (Unix milliseconds) by the certificate of its issuer; empty when it is good. */
export const crlProblems = (crl: Crl, issuer: X509Certificate, now: number): string[] => {
  const problems: string[] = []
  if (!crl.issuer.equals(readCertificate(issuer.raw).subject)) problems.push('It is the CRL of another issuer.')
  if (!verify('sha256', crl.tbs, { key: issuer.publicKey, dsaEncoding: 'der' }, crl.signature))
    problems.push('Its signature is not that of the issuer.')
  if (now > crl.next_update) problems.push(`It is out of date since ${new Date(crl.next_update).toISOString()}.`)
  if (now < crl.this_update - 300_000) problems.push(`It is of the future: ${new Date(crl.this_update).toISOString()}.`)
  return problems
}

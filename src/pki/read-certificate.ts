import { childrenOf, contentOf, type DerElement, DerProblem, octetsOfBits, readDer } from './der.ts'
import { tag } from './der-encode.ts'
import { dottedOid, oid } from './oids.ts'

export interface ReadExtension {
  oid: string
  critical: boolean
  /** What the OCTET STRING holds. */
  value: Buffer
}

/** The parts of a certificate, each as it was encoded. */
export interface ReadCertificate {
  tbs: Buffer
  /** 1, 2 or 3. */
  version: number
  /** Content octets of the INTEGER. */
  serial: Buffer
  /** AlgorithmIdentifier within the signed part, and the one beside the signature. */
  signed_algorithm: Buffer
  outer_algorithm: Buffer
  issuer: Buffer
  subject: Buffer
  /** The Validity, and its two times in Unix milliseconds. */
  validity: Buffer
  not_before: number
  not_after: number
  spki: Buffer
  /** issuerUniqueID or subjectUniqueID stand in it. */
  unique_ids: boolean
  /** In their order; no two have the same OID. */
  extensions: ReadExtension[]
  signature: Buffer
}

const versionTag = 0xa0
const extensionsTag = 0xa3
const uniqueIdTags = [0x81, 0x82]

/** Unix milliseconds of a UTCTime or GeneralizedTime in the form that certificates use. @see RFC 5280 §4.1.2.5 */
export const readTime = (element: DerElement | undefined): number => {
  const text = element?.content.toString('latin1') ?? ''
  let digits = text
  if (element?.tag === tag.utcTime) digits = `${text < '5' ? '20' : '19'}${text}`
  else if (element?.tag !== tag.generalizedTime || text.length !== 15) throw new DerProblem('a time has the wrong type')
  const at = Date.parse(digits.replace(/^(....)(..)(..)(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'))
  if (Number.isNaN(at)) throw new DerProblem('a time is not on the calendar')
  return at
}

const readExtension = (element: DerElement): ReadExtension => {
  const parts = childrenOf(element, tag.sequence, 'an extension')
  const id = dottedOid(contentOf(parts[0], tag.oid, 'the type of an extension'))
  const critical = parts.length === 3
  if (critical && contentOf(parts[1], tag.boolean, 'the criticality of an extension')[0] !== 0xff)
    throw new DerProblem('an extension spells out its default')
  if (parts.length !== 2 && parts.length !== 3) throw new DerProblem('an extension has the wrong number of parts')
  return { oid: id, critical, value: contentOf(parts.at(-1), tag.octetString, 'the value of an extension') }
}

/** What an explicit tag around Extensions holds; empty when it is not there. Throws DerProblem. @see RFC 5280 §4.1 */
export const readExtensions = (element: DerElement | undefined, outerTag = extensionsTag): ReadExtension[] => {
  if (!element) return []
  const [list] = childrenOf(element, outerTag, 'the extensions', 1)
  const extensions = childrenOf(list, tag.sequence, 'the extensions').map(readExtension)
  if (extensions.length === 0) throw new DerProblem('the extensions are empty')
  if (new Set(extensions.map((extension) => extension.oid)).size !== extensions.length)
    throw new DerProblem('an extension stands there twice')
  return extensions
}

const readVersion = (element: DerElement): number => {
  const [number] = childrenOf(element, versionTag, 'the version', 1)
  const content = contentOf(number, tag.integer, 'the version')
  if (content.length !== 1 || (content[0] !== 1 && content[0] !== 2)) throw new DerProblem('the version is not known')
  return (content[0] as number) + 1
}

/**
 * Takes a certificate apart: strict DER, without an opinion on what it says. Throws DerProblem.
 * It has nothing from what builds certificates, so that it can judge them.
 * @see RFC 5280 §4.1
 */
export const readCertificate = (der: Uint8Array): ReadCertificate => {
  const [tbs, outer, signature] = childrenOf(readDer(der), tag.sequence, 'the certificate', 3) as [
    DerElement,
    DerElement,
    DerElement,
  ]
  const fields = [...childrenOf(tbs, tag.sequence, 'the signed part')]
  const version = fields[0]?.tag === versionTag ? readVersion(fields.shift() as DerElement) : 1
  const [serial, algorithm, issuer, validity, subject, spki, ...others] = fields
  for (const [element, what] of [
    [outer, 'the algorithm of the signature'],
    [algorithm, 'the signed algorithm'],
    [issuer, 'the issuer'],
    [subject, 'the subject'],
    [spki, 'the public key'],
  ] as const)
    childrenOf(element, tag.sequence, what)
  const [notBefore, notAfter] = childrenOf(validity, tag.sequence, 'the validity', 2)
  const uniqueIds = others.filter((element) => uniqueIdTags.includes(element.tag))
  const rest = others.filter((element) => !uniqueIdTags.includes(element.tag))
  if (rest.length > 1) throw new DerProblem('the signed part has unknown fields')
  return {
    tbs: tbs.bytes,
    version,
    serial: contentOf(serial, tag.integer, 'the serial number'),
    signed_algorithm: (algorithm as DerElement).bytes,
    outer_algorithm: outer.bytes,
    issuer: (issuer as DerElement).bytes,
    subject: (subject as DerElement).bytes,
    validity: (validity as DerElement).bytes,
    not_before: readTime(notBefore),
    not_after: readTime(notAfter),
    spki: (spki as DerElement).bytes,
    unique_ids: uniqueIds.length > 0,
    extensions: readExtensions(rest[0]),
    signature: octetsOfBits(signature, 'the signature'),
  }
}

/** The OIDs of an extended key usage; undefined when the certificate has none. Throws DerProblem. */
export const extendedKeyUsageOf = (certificate: ReadCertificate): string[] | undefined => {
  const extension = certificate.extensions.find((candidate) => candidate.oid === oid.extKeyUsage)
  if (!extension) return undefined
  return childrenOf(readDer(extension.value), tag.sequence, 'the extended key usage').map((usage) =>
    dottedOid(contentOf(usage, tag.oid, 'an extended key usage')),
  )
}

const dnsNameTag = 0x82

/** The DNS names of a subjectAltName. Throws DerProblem. @see RFC 5280 §4.2.1.6 */
export const dnsNamesOf = (certificate: ReadCertificate): string[] => {
  const extension = certificate.extensions.find((candidate) => candidate.oid === oid.subjectAltName)
  if (!extension) return []
  return childrenOf(readDer(extension.value), tag.sequence, 'the alternative names')
    .filter((name) => name.tag === dnsNameTag)
    .map((name) => name.content.toString('latin1'))
}

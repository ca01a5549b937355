import { childrenOf, contentOf, type DerElement, DerProblem, readDer } from './der.ts'
import { tag } from './der-encode.ts'
import { dottedOid, oid } from './oids.ts'
import { readExtensions } from './read-certificate.ts'

/** Hash algorithms by which a request may name an issuer. */
export type CertIdHash = 'sha1' | 'sha256'

/** One certificate that is asked about. @see RFC 6960 §4.1.1 */
export interface CertId {
  /** As it was sent: the answer repeats it octet by octet. */
  der: Buffer
  /** Undefined: an algorithm that we do not know, so no issuer of ours is meant. */
  hash: CertIdHash | undefined
  issuer_name_hash: Buffer
  issuer_key_hash: Buffer
  /** 32 lower-case hex digits; undefined for a number that none of our certificates can have. */
  serial_number: string | undefined
}

/** Octets of a whole request; ten certificates named by SHA-256 need under 1.2 KB. */
export const longestOcspRequest = 4096
/** Certificates per request; RFC 5019 knows one. */
export const mostCertificates = 10

const versionTag = 0xa0
const requestorNameTag = 0xa1
const requestExtensionsTag = 0xa2
const signatureTag = 0xa0
const singleExtensionsTag = 0xa0
const nullTag = 0x05
const serialOctets = 16

const hashes: Record<string, CertIdHash> = { [oid.sha1]: 'sha1', [oid.sha256]: 'sha256' }

/** Known, and without effect on an answer of ours: a critical one of another kind would be ignored against its will. */
const knownExtensions: ReadonlySet<string> = new Set([
  oid.ocspNonce,
  oid.ocspAcceptableResponses,
  oid.ocspServiceLocator,
  oid.ocspPreferredAlgorithms,
])

const checkExtensions = (element: DerElement | undefined, outerTag: number): void => {
  for (const { oid: id, critical } of readExtensions(element, outerTag))
    if (critical && !knownExtensions.has(id)) throw new DerProblem('a critical extension is not known')
}

const serialOf = (content: Buffer): string | undefined => {
  const digits = content[0] === 0 ? content.subarray(1) : content
  const negative = ((content[0] as number) & 0x80) !== 0
  return negative || digits.length > serialOctets ? undefined : digits.toString('hex').padStart(2 * serialOctets, '0')
}

const readHash = (element: DerElement | undefined): CertIdHash | undefined => {
  const [algorithm, parameters, ...more] = childrenOf(element, tag.sequence, 'the hash algorithm')
  const hash = hashes[dottedOid(contentOf(algorithm, tag.oid, 'the hash algorithm'))]
  if (more.length > 0) throw new DerProblem('the hash algorithm has too many parts')
  // Both forms are in use. @see RFC 5754 §2
  if (hash !== undefined && parameters !== undefined && parameters.tag !== nullTag)
    throw new DerProblem('the hash algorithm has parameters')
  return hash
}

const readCertId = (element: DerElement | undefined): CertId => {
  const [algorithm, name, key, serial] = childrenOf(element, tag.sequence, 'a certificate id', 4)
  return {
    der: (element as DerElement).bytes,
    hash: readHash(algorithm),
    issuer_name_hash: contentOf(name, tag.octetString, 'the hash of the issuer name'),
    issuer_key_hash: contentOf(key, tag.octetString, 'the hash of the issuer key'),
    serial_number: serialOf(contentOf(serial, tag.integer, 'a serial number')),
  }
}

const readRequest = (element: DerElement): CertId => {
  const [id, extensions, ...more] = childrenOf(element, tag.sequence, 'a request')
  if (more.length > 0) throw new DerProblem('a request has too many parts')
  checkExtensions(extensions, singleExtensionsTag)
  return readCertId(id)
}

/** The shape alone: who asks makes no difference to the answer. @see RFC 5019 §2.1.2 */
const checkSignature = (element: DerElement | undefined): void => {
  if (!element) return
  const [signature] = childrenOf(element, signatureTag, 'the signature', 1)
  const [algorithm, bits, certificates, ...more] = childrenOf(signature, tag.sequence, 'the signature')
  childrenOf(algorithm, tag.sequence, 'the algorithm of the signature')
  contentOf(bits, tag.bitString, 'the signature')
  if (certificates) {
    const [list] = childrenOf(certificates, 0xa0, 'the certificates of the signature', 1)
    childrenOf(list, tag.sequence, 'the certificates of the signature')
  }
  if (more.length > 0) throw new DerProblem('the signature has too many parts')
}

const takeIf = (fields: DerElement[], identifier: number): DerElement | undefined =>
  fields[0]?.tag === identifier ? fields.shift() : undefined

/**
 * What an OCSP request asks about, 1 to 10 certificates. Strict DER of version 1; a signature is not looked into, a nonce is
 * passed over. Throws DerProblem for anything else, among it an unknown extension that is critical.
 * @see RFC 6960 §4.1.1
 */
export const readOcspRequest = (der: Buffer): CertId[] => {
  if (der.length > longestOcspRequest) throw new DerProblem('the request is too long')
  const [tbs, signature, ...more] = childrenOf(readDer(der), tag.sequence, 'the request')
  if (more.length > 0) throw new DerProblem('the request has too many parts')
  checkSignature(signature)
  const fields = [...childrenOf(tbs, tag.sequence, 'what is requested')]
  const version = takeIf(fields, versionTag)
  // Some spell the default out.
  if (version && !version.content.equals(Buffer.of(tag.integer, 1, 0))) throw new DerProblem('the version is not 1')
  const name = takeIf(fields, requestorNameTag)
  if (name) childrenOf(name, requestorNameTag, 'the name of the requestor', 1)
  const [list, extensions, ...others] = fields
  if (others.length > 0) throw new DerProblem('what is requested has too many parts')
  checkExtensions(extensions, requestExtensionsTag)
  const requests = childrenOf(list, tag.sequence, 'the list of requests')
  if (requests.length === 0 || requests.length > mostCertificates)
    throw new DerProblem(`it asks about ${requests.length} certificates, expected 1 to ${mostCertificates}`)
  return requests.map(readRequest)
}

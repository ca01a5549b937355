import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { sha256Hex } from '../core/bytes.ts'
import { ControlError } from '../core/errors.ts'
import { childrenOf, contentOf, type DerElement, DerProblem, inSetOrder, octetsOfBits, readDer } from './der.ts'
import { tag } from './der-encode.ts'
import { isP256Spki } from './keys.ts'
import { dottedOid, oid } from './oids.ts'
import { PemProblem, readPem, writePem } from './pem.ts'

/** A certification request, reduced to what is believed of it: a key whose holder signed it. */
export interface Csr {
  der: Buffer
  /** SubjectPublicKeyInfo, DER. */
  spki: Buffer
  spki_sha256: string
  publicKey: KeyObject
}

/** Octets of the whole text. */
const longestPem = 8192
const labels = ['CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST']
const attributesTag = 0xa0
/** The order of P-256. @see FIPS 186-5, SP 800-186 §3.2.1.3 */
const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** Tags that are missing here read as themselves. */
const curveNames: Record<string, string> = {
  '1.2.840.10045.3.1.1': 'P-192',
  '1.3.132.0.33': 'P-224',
  '1.3.132.0.34': 'P-384',
  '1.3.132.0.35': 'P-521',
  '1.3.132.0.10': 'secp256k1',
}
const keyKinds: Record<string, string> = {
  '1.2.840.113549.1.1.1': 'RSA',
  '1.2.840.113549.1.1.10': 'RSA-PSS',
  '1.2.840.10040.4.1': 'DSA',
  '1.3.101.112': 'Ed25519',
  '1.3.101.113': 'Ed448',
  '1.3.101.110': 'X25519',
}

const malformed = (reason: string, cause?: unknown): ControlError => new ControlError('csr_invalid', reason, { cause })
const rejected = (reason: string, cause?: unknown): ControlError =>
  new ControlError('csr_key_rejected', `${reason}; expected an ECDSA key on P-256 (named curve, uncompressed point)`, {
    cause,
  })

const readBlock = (pem: string): Buffer => {
  if (pem.length > longestPem || Buffer.byteLength(pem) > longestPem)
    throw malformed(`the request is longer than ${longestPem} bytes`)
  const [block, ...others] = readPem(pem)
  if (!block) throw malformed('there is no PEM block CERTIFICATE REQUEST')
  if (others.length > 0) throw malformed('there is more than one PEM block')
  if (!labels.includes(block.label)) throw malformed('the PEM block is not a CERTIFICATE REQUEST')
  return block.der
}

/** RDNSequence: a subject is not read, but it must be one. */
const checkName = (name: DerElement | undefined): void => {
  for (const rdn of childrenOf(name, tag.sequence, 'the subject')) {
    const values = childrenOf(rdn, tag.set, 'a part of the subject')
    if (values.length === 0) throw new DerProblem('a part of the subject is empty')
    for (const value of values)
      contentOf(
        childrenOf(value, tag.sequence, 'a part of the subject', 2)[0],
        tag.oid,
        'an attribute type of the subject',
      )
  }
}

/** [0] IMPLICIT SET OF Attribute, not optional. @see RFC 2986 §4.1 */
const checkAttributes = (attributes: DerElement | undefined): void => {
  const members = childrenOf(attributes, attributesTag, 'the attributes')
  if (!inSetOrder(members)) throw new DerProblem('the attributes are out of order')
  for (const member of members) {
    const [type, values] = childrenOf(member, tag.sequence, 'an attribute', 2)
    contentOf(type, tag.oid, 'the type of an attribute')
    if (childrenOf(values, tag.set, 'the values of an attribute').length === 0)
      throw new DerProblem('an attribute has no value')
  }
}

/** Says in what way a well-formed SubjectPublicKeyInfo is not one that we take. */
const describeKey = (algorithm: DerElement[]): string => {
  const kind = dottedOid(algorithm[0]?.content ?? Buffer.alloc(0))
  if (kind !== oid.ecPublicKey) return `the key is of kind ${keyKinds[kind] ?? 'unknown'}`
  const parameters = algorithm[1]
  if (!parameters) return 'the key names no curve'
  if (parameters.tag === tag.sequence) return 'the key spells out its curve instead of naming it'
  if (parameters.tag !== tag.oid) return 'the key names no curve'
  const curve = dottedOid(parameters.content)
  if (curve !== oid.prime256v1) return `the key is on the curve ${curveNames[curve] ?? 'unknown'}`
  return 'the point of the key is compressed, hybrid, at infinity or of the wrong size'
}

const readKey = (info: DerElement | undefined): { spki: Buffer; publicKey: KeyObject } => {
  const [algorithm, key] = childrenOf(info, tag.sequence, 'the public key', 2)
  const parts = childrenOf(algorithm, tag.sequence, 'the algorithm of the key')
  contentOf(parts[0], tag.oid, 'the algorithm of the key')
  if (parts.length > 2) throw new DerProblem('the algorithm of the key has too many parts')
  octetsOfBits(key, 'the public key')
  const spki = Buffer.from((info as DerElement).bytes)
  if (!isP256Spki(spki)) throw rejected(describeKey(parts))
  try {
    // As PEM, since Node reads that twice as fast as DER.
    return { spki, publicKey: createPublicKey(writePem('PUBLIC KEY', spki)) }
  } catch (cause) {
    throw rejected('the point of the key is not on the curve', cause)
  }
}

const checkAlgorithm = (algorithm: DerElement | undefined): void => {
  const parts = childrenOf(algorithm, tag.sequence, 'the signature algorithm')
  const name = dottedOid(contentOf(parts[0], tag.oid, 'the signature algorithm'))
  if (name !== oid.ecdsaWithSha256) throw malformed('the request is not signed with ecdsa-with-SHA256')
  if (parts.length !== 1) throw malformed('the signature algorithm has parameters')
}

/** r and s of an Ecdsa-Sig-Value, each from 1 to the order less 1. @see RFC 3279 §2.2.3 */
const checkSignatureValue = (signature: Buffer): void => {
  for (const part of childrenOf(readDer(signature), tag.sequence, 'the signature', 2)) {
    const content = contentOf(part, tag.integer, 'a part of the signature')
    if (content.length > 33 || (content[0] as number) & 0x80) throw malformed('a part of the signature is out of range')
    const value = BigInt(`0x${content.toString('hex')}`)
    if (value < 1n || value >= order) throw malformed('a part of the signature is out of range')
  }
}

const readRequest = (pem: string): Csr => {
  const der = readBlock(pem)
  const [info, algorithm, signatureBits] = childrenOf(readDer(der), tag.sequence, 'the request', 3)
  const [version, subject, key, attributes] = childrenOf(info, tag.sequence, 'the body of the request', 4)
  if (!contentOf(version, tag.integer, 'the version').equals(Uint8Array.of(0)))
    throw malformed('the version of the request is not 0')
  checkName(subject)
  checkAttributes(attributes)
  const { spki, publicKey } = readKey(key)
  checkAlgorithm(algorithm)
  const signature = octetsOfBits(signatureBits, 'the signature')
  checkSignatureValue(signature)
  // Node takes a signature for DER unless told otherwise.
  if (!verify('sha256', (info as DerElement).bytes, publicKey, signature))
    throw malformed('the signature of the request does not verify')
  return { der, spki, spki_sha256: sha256Hex(spki), publicKey }
}

/**
 * Reads a PKCS#10 request: one strict DER value in one PEM block of at most 8 KB, for a P-256 key, signed by that key with
 * ecdsa-with-SHA256. Subject, names, requested extensions and attributes must be well formed and are otherwise ignored.
 * Throws ControlError `csr_key_rejected` for any other key and `csr_invalid` for anything else.
 * @see RFC 2986 §4, RFC 7468 §7
 */
export const readCsr = (pem: string): Csr => {
  try {
    return readRequest(pem)
  } catch (error) {
    if (error instanceof ControlError) throw error
    if (error instanceof DerProblem || error instanceof PemProblem) throw malformed(error.message, error)
    throw malformed('the request cannot be read', error)
  }
}

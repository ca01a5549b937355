import { X509Certificate } from 'node:crypto'
import { sha256Hex } from '../core/bytes.ts'
import { contentOf, DerProblem, readDer } from './der.ts'
import { tag } from './der-encode.ts'
import { isP256Spki, readPrivateKeys, spkiOf } from './keys.ts'
import { makeLocalSigner } from './local-signer.ts'
import { oid } from './oids.ts'
import { certificatePem, PemProblem } from './pem.ts'
import { readCertificate } from './read-certificate.ts'
import type { Signer } from './signer.ts'
import { readCertificateChain, TrustProblem } from './trust.ts'

/** An authority that signs leaves: its certificate, what is needed of it in theirs, and its key when this process has it. */
export interface Issuer {
  certificate: X509Certificate
  der: Buffer
  pem: string
  /** First 16 hex digits of the SHA-256 of its SubjectPublicKeyInfo. */
  issuer_id: string
  /** Its Name, DER. */
  subject: Buffer
  /** Its subject key identifier, which its certificates point to. */
  key_id: Buffer
  /** Unix milliseconds. */
  not_after: number
  signer?: Signer
}

export const issuerIdOf = (spki: Uint8Array): string => sha256Hex(spki).slice(0, 16)

const keyIdOf = (value: Buffer): Buffer => {
  try {
    return Buffer.from(contentOf(readDer(value), tag.octetString, 'the subject key identifier'))
  } catch (error) {
    if (error instanceof DerProblem) throw new TrustProblem(`the issuer cannot be read: ${error.message}`)
    throw error
  }
}

/** Takes from a certificate what an issuer needs. Throws TrustProblem when it has no P-256 key or no key identifier. */
export const issuerOf = (der: Buffer, signer?: Signer): Issuer => {
  const read = readCertificate(der)
  if (!isP256Spki(read.spki)) throw new TrustProblem('the issuer has a key of another kind, expected P-256')
  const keyIdentifier = read.extensions.find((extension) => extension.oid === oid.subjectKeyIdentifier)
  if (!keyIdentifier) throw new TrustProblem('the issuer has no subject key identifier, expected one')
  const certificate = new X509Certificate(der)
  if (signer && !spkiOf(signer.publicKey).equals(read.spki))
    throw new TrustProblem('the issuer does not match its key, expected the certificate of that key')
  return {
    certificate,
    der,
    pem: certificatePem(der),
    issuer_id: issuerIdOf(read.spki),
    subject: Buffer.from(read.subject),
    key_id: keyIdOf(keyIdentifier.value),
    not_after: read.not_after,
    ...(signer && { signer }),
  }
}

const readSigners = (keyPems: string): Signer[] => {
  try {
    return readPrivateKeys(keyPems).map((key) => makeLocalSigner(key))
  } catch (error) {
    if (error instanceof PemProblem) throw new TrustProblem(`the key of the issuer cannot be read: ${error.message}`)
    throw new TrustProblem('the key of the issuer is of another kind, expected an ECDSA key on P-256')
  }
}

/**
 * Reads one or more issuers and pairs them with private keys by public key, in the order of the certificates; an issuer
 * whose key is not there (it is in a key service, or on another server) has no signer. `keyPems` may be empty.
 * `signers` are keys from elsewhere, paired in the same way. Throws TrustProblem, also when a key belongs to no issuer.
 */
export const readIssuers = (certPem: string, keyPems = '', signers: Signer[] = []): Issuer[] => {
  const found = [...readSigners(keyPems), ...signers]
  const ids = found.map((signer) => issuerIdOf(spkiOf(signer.publicKey)))
  const issuers = readCertificateChain(certPem).map(({ raw, publicKey }) =>
    issuerOf(raw, found[ids.indexOf(issuerIdOf(spkiOf(publicKey)))]),
  )
  const known = new Set(issuers.map((issuer) => issuer.issuer_id))
  if (known.size !== issuers.length) throw new TrustProblem('found two issuer certificates with one key, expected one')
  if (ids.some((id) => !known.has(id)))
    throw new TrustProblem('the issuer does not match its key, expected one certificate for each key')
  return issuers
}

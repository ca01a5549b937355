import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { PemProblem, readPem } from './pem.ts'

/** A SubjectPublicKeyInfo of a P-256 key up to its point: named curve, BIT STRING of 65 octets. @see RFC 5480 §2.1.1 */
export const p256SpkiPrefix = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex')

const pointLength = 65
export const p256SpkiLength = p256SpkiPrefix.length + pointLength

/** True for the one encoding of a P-256 key that is accepted: named curve, uncompressed point (not checked to be on it). */
export const isP256Spki = (spki: Uint8Array): boolean =>
  spki.length === p256SpkiLength &&
  p256SpkiPrefix.equals(spki.subarray(0, p256SpkiPrefix.length)) &&
  spki[p256SpkiPrefix.length] === 0x04

/** The public key bits of a P-256 SubjectPublicKeyInfo: what key identifiers hash. */
export const pointOf = (spki: Uint8Array): Uint8Array => spki.subarray(p256SpkiPrefix.length)

export const isP256Key = (key: KeyObject): boolean =>
  key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1'

export const spkiOf = (publicKey: KeyObject): Buffer => publicKey.export({ format: 'der', type: 'spki' })

export interface KeyPair {
  publicKey: KeyObject
  privateKey: KeyObject
}

/** A fresh P-256 pair. */
export const generateKeyPair = (): KeyPair => generateKeyPairSync('ec', { namedCurve: 'P-256' })

/** PKCS#8, unencrypted. */
export const privateKeyPem = (privateKey: KeyObject): string =>
  privateKey.export({ format: 'pem', type: 'pkcs8' }) as string

/** The one public key that belongs to a private key, as SubjectPublicKeyInfo DER. */
export const publicKeyOf = (privateKey: KeyObject): KeyObject => createPublicKey(privateKey)

/**
 * Every private key of a PEM text, PKCS#8 or SEC 1 (whose separate EC PARAMETERS block is passed over).
 * Throws PemProblem, which never holds key material.
 */
export const readPrivateKeys = (pem: string): KeyObject[] =>
  readPem(pem)
    .filter(({ label }) => label !== 'EC PARAMETERS')
    .map(({ label, der }) => {
      if (label !== 'PRIVATE KEY' && label !== 'EC PRIVATE KEY')
        throw new PemProblem(`found a PEM block ${label}, expected an unencrypted PRIVATE KEY`)
      try {
        return createPrivateKey({ key: der, format: 'der', type: label === 'PRIVATE KEY' ? 'pkcs8' : 'sec1' })
      } catch {
        throw new PemProblem(`a PEM block ${label} holds no key that can be read`)
      }
    })

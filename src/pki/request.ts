import { type KeyObject, sign } from 'node:crypto'
import { encode, objectIdentifier, sequence, tag, unsignedInteger } from './der-encode.ts'
import { publicKeyOf, spkiOf } from './keys.ts'
import { nameOf } from './names.ts'
import { oid } from './oids.ts'
import { writePem } from './pem.ts'

/** attributes [0] IMPLICIT, none in it. */
const noAttributes = Buffer.from([0xa0, 0x00])

/**
 * A certification request in PEM for a P-256 key: CN as its subject, no attributes, ecdsa-with-SHA256. The plane believes
 * nothing of it but the key; the name is for people who look into it.
 * @see RFC 2986 §4
 */
export const makeCsr = (privateKey: KeyObject, commonName: string): string => {
  const info = sequence(unsignedInteger('0'), nameOf(commonName), spkiOf(publicKeyOf(privateKey)), noAttributes)
  const signature = sign('sha256', info, { key: privateKey, dsaEncoding: 'der' })
  const algorithm = sequence(objectIdentifier(oid.ecdsaWithSha256))
  const der = sequence(info, algorithm, encode(tag.bitString, Uint8Array.of(0), signature))
  return writePem('CERTIFICATE REQUEST', der)
}

import { createHash } from 'node:crypto'
import type { RevocationReason } from '../core/certificate.ts'
import { encode, generalizedTime, objectIdentifier, sequence, tag } from './der-encode.ts'
import type { Issuer } from './issuer.ts'
import { pointOf, spkiOf } from './keys.ts'
import type { CertId, CertIdHash } from './ocsp-request.ts'
import { oid } from './oids.ts'
import { reasonCodeOf } from './reason-codes.ts'
import type { Signer } from './signer.ts'
import { signatureAlgorithm } from './tbs.ts'

/** Why there is no answer about a certificate. @see RFC 6960 §4.2.1 */
export const ocspFailures = {
  malformed_request: 1,
  internal_error: 2,
  try_later: 3,
  unauthorized: 6,
} as const
export type OcspFailure = keyof typeof ocspFailures

/** What is said of one certificate; times in Unix milliseconds. */
export type OcspStatus =
  | { status: 'good' | 'unknown' }
  | { status: 'revoked'; revoked_at: number; reason: RevocationReason }

export interface SingleAnswer {
  id: Pick<CertId, 'der'>
  status: OcspStatus
  /** When this was known to be so, and by when it is to be asked again. Unix milliseconds. */
  this_update: number
  next_update: number
}

/** A certificate for signing OCSP answers of one issuer, with its key. */
export interface Responder {
  der: Buffer
  signer: Signer
  /** Unix milliseconds. */
  not_before: number
  not_after: number
}

const context0 = 0xa0
const byKeyTag = 0xa2
const goodTag = 0x80
const revokedTag = 0xa1
const unknownTag = 0x82

const enumerated = (value: number): Buffer => encode(tag.enumerated, Uint8Array.of(value))

/** An answer without one: five octets, unsigned. */
export const failedResponse = (failure: OcspFailure): Buffer => sequence(enumerated(ocspFailures[failure]))

const certStatus = (status: OcspStatus): Buffer => {
  if (status.status !== 'revoked') return encode(status.status === 'good' ? goodTag : unknownTag)
  const { revoked_at, reason } = status
  const code = reasonCodeOf(reason)
  return encode(
    revokedTag,
    generalizedTime(revoked_at),
    ...(code === undefined ? [] : [encode(context0, enumerated(code))]),
  )
}

const singleResponse = ({ id, status, this_update, next_update }: SingleAnswer): Buffer =>
  sequence(id.der, certStatus(status), generalizedTime(this_update), encode(context0, generalizedTime(next_update)))

const basicResponseType = objectIdentifier(oid.ocspBasic)
const successful = enumerated(0)

/** Signs what is said of one or more certificates, DER. The responder is named by its key. @see RFC 6960 §4.2.1 */
export const signedResponse = async (
  answers: SingleAnswer[],
  responder: Pick<Responder, 'der' | 'signer'>,
  producedAt: number,
): Promise<Buffer> => {
  const keyHash = createHash('sha1')
    .update(pointOf(spkiOf(responder.signer.publicKey)))
    .digest()
  const data = sequence(
    encode(byKeyTag, encode(tag.octetString, keyHash)),
    generalizedTime(producedAt),
    sequence(...answers.map(singleResponse)),
  )
  const basic = sequence(
    data,
    signatureAlgorithm,
    encode(tag.bitString, Uint8Array.of(0), await responder.signer.sign(data)),
    encode(context0, sequence(responder.der)),
  )
  return sequence(successful, encode(context0, sequence(basicResponseType, encode(tag.octetString, basic))))
}

/** Whether a request means this issuer: by the hash of its Name and that of its key, both. @see RFC 6960 §4.1.1 */
export const makeMeans = (issuer: Pick<Issuer, 'subject' | 'certificate'>): ((id: CertId) => boolean) => {
  const point = pointOf(spkiOf(issuer.certificate.publicKey))
  const hashed = (hash: CertIdHash) => ({
    name: createHash(hash).update(issuer.subject).digest(),
    key: createHash(hash).update(point).digest(),
  })
  const known = { sha1: hashed('sha1'), sha256: hashed('sha256') }
  return ({ hash, issuer_name_hash, issuer_key_hash }) =>
    hash !== undefined && known[hash].name.equals(issuer_name_hash) && known[hash].key.equals(issuer_key_hash)
}

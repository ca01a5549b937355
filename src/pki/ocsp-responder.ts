import { X509Certificate } from 'node:crypto'
import { day, minute, second } from '../core/time.ts'
import { keyIdentifierOf } from './client-tbs.ts'
import * as extensions from './extensions.ts'
import type { Issuer } from './issuer.ts'
import { generateKeyPair, spkiOf } from './keys.ts'
import { makeLocalSigner } from './local-signer.ts'
import { nameOf } from './names.ts'
import type { Responder } from './ocsp-response.ts'
import { oid } from './oids.ts'
import { extendedKeyUsageOf, readCertificate } from './read-certificate.ts'
import { newSerialNumber } from './serial.ts'
import type { Signer } from './signer.ts'
import { buildTbs, signTbs } from './tbs.ts'

export const responderValidity = 7 * day
/** For clocks that run late. */
const backdating = minute

const digitalSignatureOnly = Buffer.from('03020780', 'hex')

/** Read back before it is used: it signs answers of this issuer, and is good for nothing else. */
const inspect = (der: Buffer, issuer: Issuer, spki: Buffer): void => {
  const parts = readCertificate(der)
  const certificate = new X509Certificate(der)
  const usages = extendedKeyUsageOf(parts)
  const keyUsage = parts.extensions.find((extension) => extension.oid === oid.keyUsage)
  const fits =
    parts.spki.equals(spki) &&
    parts.issuer.equals(issuer.subject) &&
    parts.not_after <= issuer.not_after &&
    !certificate.ca &&
    usages?.length === 1 &&
    usages[0] === oid.ocspSigning &&
    keyUsage?.value.equals(digitalSignatureOnly) === true &&
    certificate.verify(issuer.certificate.publicKey)
  if (!fits) throw new Error('what was signed is not the certificate of a responder')
}

/**
 * A certificate by which `publicKey` signs OCSP answers of an issuer, for 7 days and never past the issuer's end; `now` in
 * Unix milliseconds. It has no clientAuth, so that it is no client's. Rejects when the issuer's key is not here or does not
 * answer.
 * @see RFC 6960 §4.2.2.2
 */
export const createResponderCertificate = async (
  issuer: Issuer,
  publicKey: Signer['publicKey'],
  now: number,
): Promise<Omit<Responder, 'signer'>> => {
  if (!issuer.signer) throw new Error('this server holds no key of that issuer')
  const start = Math.floor(now / second) * second
  const not_before = start - backdating
  const not_after = Math.min(start + responderValidity, issuer.not_after)
  if (not_after <= start) throw new Error('the issuer has expired')
  const spki = spkiOf(publicKey)
  const tbs = buildTbs({
    serial_number: newSerialNumber(now),
    issuer: issuer.subject,
    subject: nameOf(`OCSP responder of ${issuer.issuer_id}`),
    not_before,
    not_after,
    spki,
    extensions: [
      extensions.basicConstraints(undefined),
      extensions.keyUsage('digitalSignature'),
      extensions.extendedKeyUsage(oid.ocspSigning),
      extensions.subjectKeyIdentifier(keyIdentifierOf(spki)),
      extensions.authorityKeyIdentifier(issuer.key_id),
      extensions.ocspNoCheck(),
    ],
  })
  const der = await signTbs(tbs, issuer.signer)
  inspect(der, issuer, spki)
  return { der, not_before, not_after }
}

/** A fresh key, in memory alone, with its certificate. */
export const makeResponder = async (issuer: Issuer, now: number): Promise<Responder> => {
  const signer = makeLocalSigner(generateKeyPair().privateKey)
  return { ...(await createResponderCertificate(issuer, signer.publicKey, now)), signer }
}

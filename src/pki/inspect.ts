import { verify, type X509Certificate } from 'node:crypto'
import { ControlError } from '../core/errors.ts'
import type { PrincipalType } from '../core/principal.ts'
import { type ClientIdentity, claimOf } from './claim.ts'
import { childrenOf, contentOf, type DerElement, DerProblem, readDer } from './der.ts'
import { tag } from './der-encode.ts'
import type { Issuer } from './issuer.ts'
import { dottedOid, oid } from './oids.ts'
import { type ClientGrant, type ClientProfile, publishedAt } from './profile.ts'
import { type ReadCertificate, readCertificate } from './read-certificate.ts'

/** What a peer showed in its handshake, once it was found signed by an issuer that we know. */
export interface PresentedCertificate {
  /** Lower-case hex, at least 32 digits. */
  serial_number: string
  /** SHA-256 of the DER, 64 lower-case hex digits. */
  fingerprint: string
  issuer_id: string
  /** Unix milliseconds. */
  not_before: number
  expires_at: number
  /** The names in the certificate: never an identity by themselves. Absent when its profile is not ours. */
  claimed?: { principal_id: string; principal_type: PrincipalType }
}

/** Octets. Ours have under 1 KB; beyond this a certificate is not looked into. */
const longestCertificate = 8192
/** @see RFC 5280 §4.1.2.2 */
const longestSerial = 20

const read = (certificate: X509Certificate): ReadCertificate => {
  const { raw } = certificate
  if (raw.length > longestCertificate) throw new DerProblem('the certificate is too long')
  return readCertificate(raw)
}

/**
 * The principal that a certificate names. Throws ControlError `certificate_untrusted` unless the certificate is of our client
 * profile in every field, and nothing else whatever the input. Says nothing about who signed it or whether it is current.
 */
export const readClientProfile = (certificate: X509Certificate, profile: ClientProfile): ClientIdentity => {
  try {
    return claimOf(read(certificate), profile)
  } catch (cause) {
    const why = cause instanceof DerProblem ? cause.message : 'it cannot be read'
    throw new ControlError(
      'certificate_untrusted',
      `the certificate is not a client certificate of this plane: ${why}`,
      {
        cause,
      },
    )
  }
}

const isSerial = (serial: Buffer): boolean =>
  serial.length <= longestSerial && ((serial[0] as number) & 0x80) === 0 && serial.some((octet) => octet !== 0)

const signerOf = (certificate: X509Certificate, parts: ReadCertificate, issuers: Issuer[]): Issuer | undefined =>
  issuers.find((issuer) => parts.issuer.equals(issuer.subject) && certificate.verify(issuer.certificate.publicKey))

/**
 * What a peer's certificate says, when one of the issuers signed it: same Name, signature verified with its key, a positive
 * serial number of at most 20 octets. Undefined otherwise. Does not look at the clock. Never throws.
 */
export const presentedBy = (
  certificate: X509Certificate,
  issuers: Issuer[],
  profile: ClientProfile,
): PresentedCertificate | undefined => {
  try {
    const parts = read(certificate)
    if (!isSerial(parts.serial)) return undefined
    const issuer = signerOf(certificate, parts, issuers)
    if (!issuer) return undefined
    const claimed = claimIfOurs(parts, profile)
    return {
      serial_number: parts.serial
        .toString('hex')
        .replace(/^(00)+/, '')
        .padStart(32, '0'),
      fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
      issuer_id: issuer.issuer_id,
      not_before: parts.not_before,
      // Whatever it says itself, it does not outlive who vouches for it. @see RFC 5280 §6.1.3 (a) (2)
      expires_at: Math.min(parts.not_after, issuer.not_after),
      ...(claimed && { claimed }),
    }
  } catch {
    return undefined
  }
}

const claimIfOurs = (parts: ReadCertificate, profile: ClientProfile): ClientIdentity | undefined => {
  try {
    return claimOf(parts, profile)
  } catch {
    return undefined
  }
}

const uriTag = 0x86

const uriOf = (name: DerElement | undefined): string =>
  contentOf(name, uriTag, 'a published address').toString('latin1')

const single = (element: DerElement | undefined, ...tags: number[]): DerElement | undefined =>
  tags.reduce<DerElement | undefined>((at, step) => childrenOf(at, step, 'a published address', 1)[0], element)

/** One distribution point with one full name. @see RFC 5280 §4.2.1.13 */
const crlAddressOf = (value: Buffer): string => uriOf(single(readDer(value), tag.sequence, tag.sequence, 0xa0, 0xa0))

/** `method address` of each access description. @see RFC 5280 §4.2.2.1 */
const accessOf = (value: Buffer): string[] =>
  childrenOf(readDer(value), tag.sequence, 'the access information').map((description) => {
    const [method, location] = childrenOf(description, tag.sequence, 'an access description', 2)
    return `${dottedOid(contentOf(method, tag.oid, 'an access method'))} ${uriOf(location)}`
  })

const differencesOf = (
  der: Buffer,
  grant: ClientGrant,
  profile: ClientProfile,
  issuer: Issuer,
): [what: string, same: boolean][] => {
  const parts = readCertificate(der)
  const claim = claimOf(parts, profile)
  const extensionOf = (id: string): Buffer | undefined =>
    parts.extensions.find((extension) => extension.oid === id)?.value
  const published = publishedAt(profile, issuer.issuer_id)
  const crl = extensionOf(oid.crlDistributionPoints)
  const access = extensionOf(oid.authorityInfoAccess)
  const keyId = single(readDer(extensionOf(oid.authorityKeyIdentifier) as Buffer), tag.sequence)
  return [
    ['principal', claim.principal_id === grant.principal_id && claim.principal_type === grant.principal_type],
    ['serial number', parts.serial.toString('hex') === grant.serial_number],
    ['start', parts.not_before === grant.not_before],
    ['end', parts.not_after === grant.expires_at],
    ['end of the issuer', grant.expires_at <= issuer.not_after],
    ['key', parts.spki.equals(grant.spki)],
    ['issuer', parts.issuer.equals(issuer.subject)],
    ['authority key identifier', keyId?.content.equals(issuer.key_id) === true],
    ['CRL address', (crl && crlAddressOf(crl)) === published?.crl],
    [
      'access information',
      (access && accessOf(access).join()) ===
        (published && `${oid.ocsp} ${published.ocsp},${oid.caIssuers} ${published.certificate}`),
    ],
    ['signature', verify('sha256', parts.tbs, issuer.certificate.publicKey, parts.signature)],
  ]
}

/**
 * Compares what was signed with what was granted, through a reader that shares nothing with what built it: our DER walk,
 * which leaves no octet of it open, and the signature by node:crypto. Throws a plain Error (an internal one, never shown to
 * a caller) at the first difference.
 */
export const inspectIssued = (der: Buffer, grant: ClientGrant, profile: ClientProfile, issuer: Issuer): void => {
  let different: [string, boolean] | undefined
  try {
    different = differencesOf(der, grant, profile, issuer).find(([, same]) => !same)
  } catch (cause) {
    throw new Error('what was signed is not a client certificate of this plane', { cause })
  }
  if (different) throw new Error(`what was signed is not what was granted: ${different[0]}`)
}

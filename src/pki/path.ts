import type { X509Certificate } from 'node:crypto'
import { childrenOf, readDer } from './der.ts'
import { tag } from './der-encode.ts'
import { oid } from './oids.ts'
import { extendedKeyUsageOf, type ReadCertificate, readCertificate } from './read-certificate.ts'

/** The single questions that a certification path is made of. @see RFC 5280 §6.1 */

export type IssuerUsage = 'client' | 'server'

const keyCertSignBit = 0x04

/** True when the names connect and the signature verifies. Never throws. */
export const signedBy = (certificate: X509Certificate, authority: X509Certificate): boolean => {
  try {
    return (
      readCertificate(certificate.raw).issuer.equals(readCertificate(authority.raw).subject) &&
      certificate.verify(authority.publicKey)
    )
  } catch {
    return false
  }
}

/** How a certificate is out of its validity at `now` (Unix milliseconds), or undefined. */
export const currency = (read: ReadCertificate, now: number): string | undefined => {
  if (now > read.not_after) return `expired at ${new Date(read.not_after).toISOString()}`
  if (now < read.not_before) return `is not valid before ${new Date(read.not_before).toISOString()}`
  return undefined
}

/** CA:TRUE, and a key usage, when there is one, that says keyCertSign. */
export const mayCertify = (certificate: X509Certificate, read: ReadCertificate): boolean => {
  const usage = read.extensions.find((extension) => extension.oid === oid.keyUsage)
  return certificate.ca && (!usage || ((readDer(usage.value).content[1] ?? 0) & keyCertSignBit) !== 0)
}

/** True when basicConstraints lets no authority stand below this one. */
export const endsPath = (read: ReadCertificate): boolean => {
  const extension = read.extensions.find(({ oid: id }) => id === oid.basicConstraints)
  const length = extension && childrenOf(readDer(extension.value), tag.sequence, 'basicConstraints')[1]
  return length?.content.equals(Uint8Array.of(0)) ?? false
}

/** Why an issuer is not confined to its kind, or undefined. */
export const usageProblem = (read: ReadCertificate, usage: IssuerUsage): string | undefined => {
  const [wanted, other] =
    usage === 'client' ? (['clientAuth', 'serverAuth'] as const) : (['serverAuth', 'clientAuth'] as const)
  const usages = extendedKeyUsageOf(read)
  if (!usages?.includes(oid[wanted])) return `has no extendedKeyUsage ${wanted}`
  if (usages.includes(oid[other]) || usages.includes(oid.anyExtendedKeyUsage))
    return `has an extendedKeyUsage beyond ${wanted}`
  return undefined
}

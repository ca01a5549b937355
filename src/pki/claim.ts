import { createHash } from 'node:crypto'
import { isPrincipalId } from '../core/ids.ts'
import { type PrincipalType, principalTypes } from '../core/principal.ts'
import { childrenOf, contentOf, DerProblem, readDer } from './der.ts'
import { encodeTime, tag } from './der-encode.ts'
import { isP256Spki, pointOf } from './keys.ts'
import { dottedOid, oid } from './oids.ts'
import { type ClientProfile, privateExtensionsOf } from './profile.ts'
import { extendedKeyUsageOf, type ReadCertificate, type ReadExtension } from './read-certificate.ts'

/** Who a certificate says it belongs to. */
export interface ClientIdentity {
  principal_id: string
  principal_type: PrincipalType
}

/** AlgorithmIdentifier of ecdsa-with-SHA256 without parameters. @see RFC 5758 §3.2 */
const ecdsaWithSha256 = Buffer.from('300a06082a8648ce3d040302', 'hex')
const emptySequence = Buffer.from('3000', 'hex')
const digitalSignatureOnly = Buffer.from('03020780', 'hex')
const uriTag = 0x86
const keyIdentifierTag = 0x80
const serialOctets = 16
const longestCommonName = 64

const demand: (holds: boolean, why: string) => asserts holds = (holds, why) => {
  if (!holds) throw new DerProblem(why)
}

const taker = (extensions: ReadExtension[]) => {
  const left = new Map(extensions.map((extension) => [extension.oid, extension]))
  return {
    take(id: string, what: string, critical: boolean): Buffer {
      const extension = left.get(id)
      demand(extension !== undefined, `it has no ${what}`)
      demand(extension.critical === critical, `its ${what} is ${critical ? 'not ' : ''}critical`)
      left.delete(id)
      return extension.value
    },
    rest: () => [...left.values()],
  }
}

const textOf = (value: Buffer, what: string): string => contentOf(readDer(value), tag.utf8String, what).toString('utf8')

/** The one CN of a subject, as UTF8String; undefined for an empty subject. */
const commonNameOf = (subject: Buffer): string | undefined => {
  if (subject.equals(emptySequence)) return undefined
  const [rdn] = childrenOf(readDer(subject), tag.sequence, 'its subject', 1)
  const [attribute] = childrenOf(rdn, tag.set, 'its subject', 1)
  const [type, value] = childrenOf(attribute, tag.sequence, 'its subject', 2)
  demand(dottedOid(contentOf(type, tag.oid, 'its subject')) === oid.commonName, 'its subject is not a common name')
  return contentOf(value, tag.utf8String, 'its common name').toString('utf8')
}

const checkFrame = (certificate: ReadCertificate): void => {
  demand(certificate.version === 3 && !certificate.unique_ids, 'it is not of version 3')
  demand(
    certificate.serial.length === serialOctets && ((certificate.serial[0] as number) & 0x80) === 0,
    'its serial number is not of 16 octets',
  )
  demand(
    certificate.signed_algorithm.equals(ecdsaWithSha256) && certificate.outer_algorithm.equals(ecdsaWithSha256),
    'it is not signed with ecdsa-with-SHA256',
  )
  const { validity, not_before, not_after } = certificate
  demand(
    not_before < not_after &&
      validity.subarray(2).equals(Buffer.concat([encodeTime(not_before), encodeTime(not_after)])),
    'its validity is not written as RFC 5280 says',
  )
  demand(isP256Spki(certificate.spki), 'its key is not an uncompressed point on P-256')
}

const checkKeyIdentifiers = (subject: Buffer, authority: Buffer, spki: Buffer): void => {
  const expected = createHash('sha1').update(pointOf(spki)).digest()
  const found = contentOf(readDer(subject), tag.octetString, 'its subject key identifier')
  demand(found.equals(expected), 'its subject key identifier is not that of its key')
  const [keyId] = childrenOf(readDer(authority), tag.sequence, 'its authority key identifier', 1)
  contentOf(keyId, keyIdentifierTag, 'its authority key identifier')
}

/**
 * The principal that a certificate names, when every field is as our client profile has it: frame, constraints, usages, one
 * SPIFFE URI, subject, and the private extensions in agreement. CRL and OCSP addresses may be absent, as `public_url` was
 * when it was issued. Throws DerProblem.
 */
export const claimOf = (certificate: ReadCertificate, profile: ClientProfile): ClientIdentity => {
  checkFrame(certificate)
  const extensions = taker(certificate.extensions)
  const arcs = privateExtensionsOf(profile)
  demand(
    extensions.take(oid.basicConstraints, 'basicConstraints', true).equals(emptySequence),
    'its basicConstraints are not CA:FALSE',
  )
  demand(
    extensions.take(oid.keyUsage, 'keyUsage', true).equals(digitalSignatureOnly),
    'its keyUsage is not digitalSignature alone',
  )
  extensions.take(oid.extKeyUsage, 'extendedKeyUsage', false)
  const usages = extendedKeyUsageOf(certificate)
  demand(usages?.length === 1 && usages[0] === oid.clientAuth, 'its extendedKeyUsage is not clientAuth alone')
  checkKeyIdentifiers(
    extensions.take(oid.subjectKeyIdentifier, 'subjectKeyIdentifier', false),
    extensions.take(oid.authorityKeyIdentifier, 'authorityKeyIdentifier', false),
    certificate.spki,
  )
  const principal_type = textOf(extensions.take(arcs.type, 'principal type', false), 'its principal type')
  const principal_id = textOf(extensions.take(arcs.id, 'principal id', false), 'its principal id')
  demand(isPrincipalType(principal_type), 'its principal type is unknown')
  demand(isPrincipalId(principal_id), 'its principal id is not one')

  const short = principal_id.length <= longestCommonName
  const names = extensions.take(oid.subjectAltName, 'subjectAltName', !short)
  const [name] = childrenOf(readDer(names), tag.sequence, 'its alternative names', 1)
  const uri = contentOf(name, uriTag, 'its alternative name').toString('latin1')
  demand(
    uri === `spiffe://${profile.hostname}/${principal_type}/${principal_id}`,
    'its alternative name is not the SPIFFE id of its principal',
  )
  demand(commonNameOf(certificate.subject) === (short ? principal_id : undefined), 'its subject is not its principal')

  const optional: string[] = [oid.crlDistributionPoints, oid.authorityInfoAccess]
  for (const extension of extensions.rest())
    demand(optional.includes(extension.oid) && !extension.critical, 'it has an extension that is not ours')
  return { principal_id, principal_type }
}

const isPrincipalType = (text: string): text is PrincipalType => (principalTypes as readonly string[]).includes(text)

import { createHash } from 'node:crypto'
import {
  encode,
  encodeExtension,
  encodeTime,
  objectIdentifier,
  sequence,
  tag,
  unsignedInteger,
  utf8String,
} from './der-encode.ts'
import * as extensions from './extensions.ts'
import type { Issuer } from './issuer.ts'
import { pointOf } from './keys.ts'
import { fitsCommonName, nameOf } from './names.ts'
import { oid } from './oids.ts'
import { type ClientGrant, type ClientProfile, privateExtensionsOf, publishedAt, spiffeIdOf } from './profile.ts'
import { buildTbs, signatureAlgorithm } from './tbs.ts'

/** Method 1: SHA-1 over the public key bits, an identifier and no protection. @see RFC 5280 §4.2.1.2 */
export const keyIdentifierOf = (spki: Uint8Array): Buffer => createHash('sha1').update(pointOf(spki)).digest()

/** Those that an issuer writes alike into every client certificate. */
const fixedExtensions = (issuer: Issuer, profile: ClientProfile) => {
  const published = publishedAt(profile, issuer.issuer_id)
  return {
    leading: [
      extensions.basicConstraints(undefined),
      extensions.keyUsage('digitalSignature'),
      extensions.extendedKeyUsage(oid.clientAuth),
    ],
    authority: extensions.authorityKeyIdentifier(issuer.key_id),
    published: published
      ? [
          extensions.crlDistributionPoint(published.crl),
          extensions.authorityInfoAccess({ ocsp: published.ocsp, caIssuers: published.certificate }),
        ]
      : [],
  }
}

/** The reference: the whole signed part through pkijs, some milliseconds each. makeClientTbs gives the same octets. */
export const buildClientTbs = (issuer: Issuer, profile: ClientProfile, grant: ClientGrant): Buffer => {
  const fixed = fixedExtensions(issuer, profile)
  const arcs = privateExtensionsOf(profile)
  const uri = spiffeIdOf(profile, grant.principal_type, grant.principal_id)
  return buildTbs({
    serial_number: grant.serial_number,
    issuer: issuer.subject,
    subject: nameOf(grant.principal_id),
    not_before: grant.not_before,
    not_after: grant.expires_at,
    spki: grant.spki,
    extensions: [
      ...fixed.leading,
      extensions.subjectKeyIdentifier(keyIdentifierOf(grant.spki)),
      fixed.authority,
      extensions.uriName(uri, !fitsCommonName(grant.principal_id)),
      ...fixed.published,
      extensions.textExtension(arcs.type, grant.principal_type),
      extensions.textExtension(arcs.id, grant.principal_id),
    ],
  })
}

const versionTag = 0xa0
const extensionsTag = 0xa3
const uriTag = 0x86
const version3 = encode(versionTag, unsignedInteger('02'))
const subjectKeyIdentifier = objectIdentifier(oid.subjectKeyIdentifier)
const subjectAltName = objectIdentifier(oid.subjectAltName)

/**
 * Encodes with pkijs what all certificates of an issuer share, once; then splices serial, validity, subject, key, names and
 * private extensions in as DER by hand, since a whole build would cost more than all the cryptography of an issue.
 */
export const makeClientTbs = (issuer: Issuer, profile: ClientProfile): ((grant: ClientGrant) => Buffer) => {
  const fixed = fixedExtensions(issuer, profile)
  const leading = Buffer.concat(fixed.leading.map(extensions.encodedExtension))
  const authority = extensions.encodedExtension(fixed.authority)
  const published = Buffer.concat(fixed.published.map(extensions.encodedExtension))
  const arcs = privateExtensionsOf(profile)
  const typeArc = objectIdentifier(arcs.type)
  const idArc = objectIdentifier(arcs.id)
  return (grant) => {
    const uri = Buffer.from(spiffeIdOf(profile, grant.principal_type, grant.principal_id), 'latin1')
    return sequence(
      version3,
      unsignedInteger(grant.serial_number),
      signatureAlgorithm,
      issuer.subject,
      sequence(encodeTime(grant.not_before), encodeTime(grant.expires_at)),
      nameOf(grant.principal_id),
      grant.spki,
      encode(
        extensionsTag,
        sequence(
          leading,
          encodeExtension(subjectKeyIdentifier, false, encode(tag.octetString, keyIdentifierOf(grant.spki))),
          authority,
          encodeExtension(subjectAltName, !fitsCommonName(grant.principal_id), sequence(encode(uriTag, uri))),
          published,
          encodeExtension(typeArc, false, utf8String(grant.principal_type)),
          encodeExtension(idArc, false, utf8String(grant.principal_id)),
        ),
      ),
    )
  }
}

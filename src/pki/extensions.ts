import { BitString, Null, OctetString, Utf8String } from 'asn1js'
import * as pkijs from 'pkijs'
import { oid } from './oids.ts'

/** How extensions are built: pkijs writes them once per issuer or authority, never per client certificate. */

const extension = (extnID: string, critical: boolean, value: { toBER(): ArrayBuffer }): pkijs.Extension =>
  new pkijs.Extension({ extnID, critical, extnValue: value.toBER() })

/** @see RFC 5280 §4.2.1.9 */
export const basicConstraints = (ca: { pathLength: number } | undefined): pkijs.Extension =>
  extension(
    oid.basicConstraints,
    true,
    new pkijs.BasicConstraints(ca ? { cA: true, pathLenConstraint: ca.pathLength } : {}).toSchema(),
  )

/** Octet of the KeyUsage BIT STRING and its unused bits. @see RFC 5280 §4.2.1.3 */
const keyUsages = {
  digitalSignature: { octet: 0x80, unused: 7 },
  'keyCertSign, cRLSign': { octet: 0x06, unused: 1 },
}

export const keyUsage = (usage: keyof typeof keyUsages): pkijs.Extension => {
  const { octet, unused } = keyUsages[usage]
  return extension(oid.keyUsage, true, new BitString({ valueHex: Uint8Array.of(octet).buffer, unusedBits: unused }))
}

/** @see RFC 5280 §4.2.1.12 */
export const extendedKeyUsage = (...keyPurposes: string[]): pkijs.Extension =>
  extension(oid.extKeyUsage, false, new pkijs.ExtKeyUsage({ keyPurposes }).toSchema())

const owned = (octets: Uint8Array): ArrayBuffer => Uint8Array.from(octets).buffer

/** @see RFC 5280 §4.2.1.2 */
export const subjectKeyIdentifier = (keyId: Uint8Array): pkijs.Extension =>
  extension(oid.subjectKeyIdentifier, false, new OctetString({ valueHex: owned(keyId) }))

/** @see RFC 5280 §4.2.1.1 */
export const authorityKeyIdentifier = (keyId: Uint8Array): pkijs.Extension =>
  extension(
    oid.authorityKeyIdentifier,
    false,
    new pkijs.AuthorityKeyIdentifier({ keyIdentifier: new OctetString({ valueHex: owned(keyId) }) }).toSchema(),
  )

const uri = (value: string): pkijs.GeneralName => new pkijs.GeneralName({ type: 6, value })

const alternativeNames = (names: pkijs.GeneralName[], critical: boolean): pkijs.Extension =>
  extension(oid.subjectAltName, critical, new pkijs.GeneralNames({ names }).toSchema())

/** @see RFC 5280 §4.2.1.6 */
export const uriName = (value: string, critical: boolean): pkijs.Extension => alternativeNames([uri(value)], critical)

/** DNS names and IP addresses (octets in network order). */
export const hostNames = (dns: string[], ip: Uint8Array[], critical: boolean): pkijs.Extension =>
  alternativeNames(
    [
      ...dns.map((value) => new pkijs.GeneralName({ type: 2, value })),
      ...ip.map((octets) => new pkijs.GeneralName({ type: 7, value: new OctetString({ valueHex: owned(octets) }) })),
    ],
    critical,
  )

/** @see RFC 5280 §4.2.1.13 */
export const crlDistributionPoint = (url: string): pkijs.Extension =>
  extension(
    oid.crlDistributionPoints,
    false,
    new pkijs.CRLDistributionPoints({
      distributionPoints: [new pkijs.DistributionPoint({ distributionPoint: [uri(url)] })],
    }).toSchema(),
  )

/** @see RFC 5280 §4.2.2.1 */
export const authorityInfoAccess = (access: { ocsp: string; caIssuers: string }): pkijs.Extension =>
  extension(
    oid.authorityInfoAccess,
    false,
    new pkijs.InfoAccess({
      accessDescriptions: [
        new pkijs.AccessDescription({ accessMethod: oid.ocsp, accessLocation: uri(access.ocsp) }),
        new pkijs.AccessDescription({ accessMethod: oid.caIssuers, accessLocation: uri(access.caIssuers) }),
      ],
    }).toSchema(),
  )

/** An OCSP responder's certificate is not itself asked about: it lives for days. @see RFC 6960 §4.2.2.2.1 */
export const ocspNoCheck = (): pkijs.Extension => extension(oid.ocspNoCheck, false, new Null())

/** A private extension whose value is one UTF8String. */
export const textExtension = (extnID: string, value: string): pkijs.Extension =>
  extension(extnID, false, new Utf8String({ value }))

/** The octets that an extension is written as. */
export const encodedExtension = (built: pkijs.Extension): Buffer => Buffer.from(built.toSchema().toBER())

import { fromBER, Integer } from 'asn1js'
import * as pkijs from 'pkijs'
import { encode, sequence, tag } from './der-encode.ts'
import { oid } from './oids.ts'
import type { Signer } from './signer.ts'

/** What a certificate says. Names and key as DER, times in Unix milliseconds, whole seconds. */
export interface TbsFields {
  /** Hex digits of a positive number. */
  serial_number: string
  issuer: Buffer
  subject: Buffer
  not_before: number
  not_after: number
  spki: Buffer
  extensions: pkijs.Extension[]
}

const firstGeneralizedYear = 2050
const utcTime = 0
const generalizedTime = 1

const timeOf = (at: number): pkijs.Time => {
  const value = new Date(at)
  return new pkijs.Time({ type: value.getUTCFullYear() < firstGeneralizedYear ? utcTime : generalizedTime, value })
}

const parsed = (der: Buffer) => fromBER(Uint8Array.from(der).buffer).result

/** AlgorithmIdentifier of ecdsa-with-SHA256: no parameters. @see RFC 5758 §3.2 */
export const signatureAlgorithm: Buffer = Buffer.from(
  new pkijs.AlgorithmIdentifier({ algorithmId: oid.ecdsaWithSha256 }).toSchema().toBER(),
)

/** The part of a version 3 certificate that is signed, as pkijs writes it. @see RFC 5280 §4.1.2 */
export const buildTbs = (fields: TbsFields): Buffer => {
  const certificate = new pkijs.Certificate()
  certificate.version = 2
  certificate.serialNumber = new Integer({ valueHex: Uint8Array.from(Buffer.from(fields.serial_number, 'hex')).buffer })
  certificate.signature = new pkijs.AlgorithmIdentifier({ algorithmId: oid.ecdsaWithSha256 })
  certificate.issuer = new pkijs.RelativeDistinguishedNames({ schema: parsed(fields.issuer) })
  certificate.notBefore = timeOf(fields.not_before)
  certificate.notAfter = timeOf(fields.not_after)
  certificate.subject = new pkijs.RelativeDistinguishedNames({ schema: parsed(fields.subject) })
  certificate.subjectPublicKeyInfo = new pkijs.PublicKeyInfo({ schema: parsed(fields.spki) })
  certificate.extensions = fields.extensions
  return Buffer.from(certificate.encodeTBS().toBER())
}

/** Signs and puts together a certificate, DER. @see RFC 5280 §4.1.1 */
export const signTbs = async (tbs: Buffer, signer: Signer): Promise<Buffer> =>
  sequence(tbs, signatureAlgorithm, encode(tag.bitString, Uint8Array.of(0), await signer.sign(tbs)))

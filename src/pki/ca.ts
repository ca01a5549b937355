import type { KeyObject, X509Certificate } from 'node:crypto'
import { isIPv4 } from 'node:net'
import { day, minute, second } from '../core/time.ts'
import { keyIdentifierOf } from './client-tbs.ts'
import * as extensions from './extensions.ts'
import { type Issuer, issuerOf } from './issuer.ts'
import { isP256Spki, spkiOf } from './keys.ts'
import { fitsCommonName, nameOf } from './names.ts'
import { oid } from './oids.ts'
import { certificatePem } from './pem.ts'
import { newSerialNumber } from './serial.ts'
import type { Signer } from './signer.ts'
import { buildTbs, signTbs, type TbsFields } from './tbs.ts'

/** A certificate that was just made, in both forms. */
export interface Made {
  der: Buffer
  pem: string
}

export const rootValidity = 3650 * day
export const issuerValidity = 365 * day
export const serverValidity = 7 * day
/** For clocks that run late. */
const backdating = minute

const spkiOfP256 = (publicKey: KeyObject): Buffer => {
  const spki = spkiOf(publicKey)
  if (!isP256Spki(spki)) throw new Error('an authority certifies P-256 keys only')
  return spki
}

const commonNameOf = (text: string): Buffer => {
  if (text === '' || !fitsCommonName(text)) throw new Error('the name of an authority has 1 to 64 characters')
  return nameOf(text)
}

type Described = Omit<TbsFields, 'serial_number' | 'not_before' | 'not_after'>

const make = async (
  described: Described,
  signer: Signer,
  term: { now: number; validity: number; latest?: number },
): Promise<Made> => {
  const start = Math.floor(term.now / second) * second
  const not_after = Math.min(start + term.validity, term.latest ?? Number.POSITIVE_INFINITY)
  if (not_after <= start) throw new Error('the authority has expired')
  const fields = { ...described, serial_number: newSerialNumber(term.now), not_before: start - backdating, not_after }
  const der = await signTbs(buildTbs(fields), signer)
  return { der, pem: certificatePem(der) }
}

export interface RootOrder {
  signer: Signer
  common_name: string
  /** Unix milliseconds. */
  now: number
  /** Milliseconds; 10 years unless said. */
  validity?: number
}

/** A self-signed root that lets one level of authorities stand below it. */
export const createRoot = async ({ signer, common_name, now, validity = rootValidity }: RootOrder): Promise<Made> => {
  const name = commonNameOf(common_name)
  const spki = spkiOfP256(signer.publicKey)
  const keyId = keyIdentifierOf(spki)
  const described = {
    issuer: name,
    subject: name,
    spki,
    extensions: [
      extensions.basicConstraints({ pathLength: 1 }),
      extensions.keyUsage('keyCertSign, cRLSign'),
      extensions.subjectKeyIdentifier(keyId),
      extensions.authorityKeyIdentifier(keyId),
    ],
  }
  return make(described, signer, { now, validity })
}

export interface IssuerOrder {
  root: { certificate: X509Certificate; signer: Signer }
  publicKey: KeyObject
  common_name: string
  usage: 'client' | 'server'
  /** Unix milliseconds. */
  now: number
  /** Milliseconds; one year unless said, and never past the root's end. */
  validity?: number
}

const purposesOf = { client: [oid.clientAuth, oid.ocspSigning], server: [oid.serverAuth] }

/** An authority below a root that signs leaves of one kind only. */
export const createIssuer = async (order: IssuerOrder): Promise<Made> => {
  const root = issuerOf(order.root.certificate.raw, order.root.signer)
  const spki = spkiOfP256(order.publicKey)
  const described = {
    issuer: root.subject,
    subject: commonNameOf(order.common_name),
    spki,
    extensions: [
      extensions.basicConstraints({ pathLength: 0 }),
      extensions.keyUsage('keyCertSign, cRLSign'),
      extensions.extendedKeyUsage(...purposesOf[order.usage]),
      extensions.subjectKeyIdentifier(keyIdentifierOf(spki)),
      extensions.authorityKeyIdentifier(root.key_id),
    ],
  }
  if (described.subject.equals(described.issuer)) throw new Error('an issuer needs a name of its own')
  const { now, validity = issuerValidity } = order
  return make(described, order.root.signer, { now, validity, latest: root.not_after })
}

export interface ServerOrder {
  /** With its signer. */
  issuer: Issuer
  publicKey: KeyObject
  hostname: string
  /** Beside the hostname: `localhost` and 127.0.0.1 in development. IPv4 only. */
  extra_names?: { dns: string[]; ip: string[] }
  /** Unix milliseconds. */
  now: number
  /** Milliseconds; 7 days unless said, and never past the issuer's end. */
  validity?: number
}

const addressOf = (ip: string): Uint8Array => {
  if (!isIPv4(ip)) throw new Error('a server certificate takes IPv4 addresses only')
  return Uint8Array.from(ip.split('.').map(Number))
}

/** A TLS server's certificate. `pem` is the leaf alone: its chain is it and the issuer's PEM. */
export const createServerCertificate = async (order: ServerOrder): Promise<Made> => {
  const { issuer, hostname, extra_names, now, validity = serverValidity } = order
  if (!issuer.signer) throw new Error('this server holds no key of an issuer of servers')
  const spki = spkiOfP256(order.publicKey)
  const dns = [...new Set([hostname, ...(extra_names?.dns ?? [])])]
  const described = {
    issuer: issuer.subject,
    subject: nameOf(hostname),
    spki,
    extensions: [
      extensions.basicConstraints(undefined),
      extensions.keyUsage('digitalSignature'),
      extensions.extendedKeyUsage(oid.serverAuth),
      extensions.subjectKeyIdentifier(keyIdentifierOf(spki)),
      extensions.authorityKeyIdentifier(issuer.key_id),
      extensions.hostNames(dns, (extra_names?.ip ?? []).map(addressOf), !fitsCommonName(hostname)),
    ],
  }
  return make(described, issuer.signer, { now, validity, latest: issuer.not_after })
}

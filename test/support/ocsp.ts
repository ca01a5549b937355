import { createHash, verify, X509Certificate } from 'node:crypto'
import { childrenOf, contentOf, type DerElement, octetsOfBits, readDer } from '../../src/pki/der.ts'
import { encode, objectIdentifier, sequence, tag, unsignedInteger } from '../../src/pki/der-encode.ts'
import type { Issuer } from '../../src/pki/issuer.ts'
import { pointOf, spkiOf } from '../../src/pki/keys.ts'
import { oid } from '../../src/pki/oids.ts'

const nullValue = Buffer.from('0500', 'hex')

export interface CertIdOptions {
  hash?: 'sha1' | 'sha256'
  /** Whether the parameters of the hash are NULL, or absent. */
  parameters?: boolean
}

type Named = Pick<Issuer, 'subject' | 'certificate'>

export const certId = (issuer: Named, serial: string, { hash = 'sha1', parameters = true }: CertIdOptions = {}) => {
  const hashed = (bytes: Uint8Array) => encode(tag.octetString, createHash(hash).update(bytes).digest())
  return sequence(
    sequence(objectIdentifier(oid[hash]), ...(parameters ? [nullValue] : [])),
    hashed(issuer.subject),
    hashed(pointOf(spkiOf(issuer.certificate.publicKey))),
    unsignedInteger(serial),
  )
}

/** An OCSPRequest around certificate ids; `parts` come before and behind the list of requests. */
export const ocspRequest = (ids: Buffer[], parts: { before?: Buffer[]; behind?: Buffer[]; after?: Buffer[] } = {}) =>
  sequence(
    sequence(...(parts.before ?? []), sequence(...ids.map((id) => sequence(id))), ...(parts.behind ?? [])),
    ...(parts.after ?? []),
  )

export interface ReadSingle {
  status: 'good' | 'revoked' | 'unknown'
  id: Buffer
  revoked_at?: string
  reason?: number
  this_update: string
  next_update: string
}

export interface ReadAnswer {
  /** OCSPResponseStatus. */
  code: number
  singles: ReadSingle[]
  produced_at?: string
  /** Of the certificate that comes along. */
  responder?: X509Certificate
  /** The signature is good by that certificate's key. */
  signed?: boolean
}

const text = (element: DerElement | undefined, identifier: number) =>
  contentOf(element, identifier, 'a time').toString('latin1')

const statuses: Record<number, ReadSingle['status']> = { 128: 'good', 161: 'revoked', 130: 'unknown' }

const readSingle = (element: DerElement): ReadSingle => {
  const [id, status, thisUpdate, next] = childrenOf(element, tag.sequence, 'a single answer', 4) as DerElement[]
  const [revokedAt, reason] = status?.children ?? []
  return {
    id: id?.bytes as Buffer,
    status: statuses[status?.tag ?? 0] as ReadSingle['status'],
    ...(revokedAt && { revoked_at: text(revokedAt, tag.generalizedTime) }),
    ...(reason && { reason: reason.children[0]?.content[0] as number }),
    this_update: text(thisUpdate, tag.generalizedTime),
    next_update: text(childrenOf(next, 0xa0, 'nextUpdate', 1)[0], tag.generalizedTime),
  }
}

/** Takes an OCSPResponse apart, as strictly as our own reader of DER does. Throws for anything else. */
export const readOcspAnswer = (der: Buffer): ReadAnswer => {
  const [status, bytes] = childrenOf(readDer(der), tag.sequence, 'the answer')
  const code = contentOf(status, tag.enumerated, 'the status')[0] as number
  if (!bytes) return { code, singles: [] }
  const [type, octets] = childrenOf(childrenOf(bytes, 0xa0, 'the bytes', 1)[0], tag.sequence, 'the bytes', 2)
  if (!type?.bytes.equals(objectIdentifier(oid.ocspBasic))) throw new Error('not a basic answer')
  const basic = readDer(contentOf(octets, tag.octetString, 'the answer'))
  const [data, , bits, certificates] = childrenOf(basic, tag.sequence, 'the basic answer', 4) as DerElement[]
  const [, producedAt, responses] = childrenOf(data, tag.sequence, 'what is signed', 3)
  const [list] = childrenOf(certificates, 0xa0, 'the certificates', 1)
  const responder = new X509Certificate(childrenOf(list, tag.sequence, 'the certificates', 1)[0]?.bytes as Buffer)
  return {
    code,
    singles: childrenOf(responses, tag.sequence, 'the answers').map(readSingle),
    produced_at: text(producedAt, tag.generalizedTime),
    responder,
    signed: verify('sha256', data?.bytes as Buffer, responder.publicKey, octetsOfBits(bits, 'the signature')),
  }
}

/** Asks by POST; throws unless it is answered 200 with the type of an OCSP answer. */
export const askOcsp = async (address: string, request: Buffer): Promise<ReadAnswer> => {
  const answer = await fetch(`http://${address}/pki/ocsp`, {
    method: 'POST',
    headers: { 'content-type': 'application/ocsp-request' },
    body: Uint8Array.from(request),
  })
  const type = answer.headers.get('content-type')
  if (answer.status !== 200 || type !== 'application/ocsp-response') throw new Error(`${answer.status} ${type}`)
  return readOcspAnswer(Buffer.from(await answer.arrayBuffer()))
}

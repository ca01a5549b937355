import { createPublicKey, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto'
import { connect } from 'node:tls'
import type * as pkijs from 'pkijs'
import type { CertificateRecord } from '../../src/core/certificate.ts'
import type { PrincipalType } from '../../src/core/principal.ts'
import { day, dayOf, minute } from '../../src/core/time.ts'
import { keyIdentifierOf } from '../../src/pki/client-tbs.ts'
import * as extensions from '../../src/pki/extensions.ts'
import type { Issuer } from '../../src/pki/issuer.ts'
import { spkiOf } from '../../src/pki/keys.ts'
import { nameOf } from '../../src/pki/names.ts'
import { oid } from '../../src/pki/oids.ts'
import { certificatePem } from '../../src/pki/pem.ts'
import type { Signer } from '../../src/pki/signer.ts'
import { buildTbs, signTbs } from '../../src/pki/tbs.ts'
import type { Identity } from './client.ts'

export const arc = '1.3.6.1.4.1.99999.1'

/** A client certificate that looks like one of ours; every field can be made another. */
export interface ForgeOrder {
  /** Whose name and key identifier stand in it. */
  issuer: Issuer
  /** Who really signs it. */
  signer: Signer
  serial_number: string
  principal_id?: string
  principal_type?: PrincipalType
  hostname?: string
  /** Unix milliseconds. */
  not_before?: number
  not_after?: number
  ca?: boolean
  usages?: string[]
  /** Of the subject, the private extensions and the alternative name, where they shall disagree. */
  subject?: string
  claimed_type?: string
  claimed_id?: string
  uri?: string
  more?: pkijs.Extension[]
  /** Its own key; a fresh one unless said. */
  key?: KeyObject
}

export interface Forged extends Identity {
  der: Buffer
  x509: X509Certificate
}

export const freshKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey

/** Signs a client certificate that the plane would never have signed, or never so. */
export const forge = async (order: ForgeOrder): Promise<Forged> => {
  const {
    issuer,
    signer,
    serial_number,
    principal_id = 'worker-1',
    principal_type = 'worker',
    hostname = 'localhost',
  } = order
  const key = order.key ?? freshKey()
  const spki = spkiOf(createPublicKey(key))
  const now = Math.floor(Date.now() / 1000) * 1000
  const tbs = buildTbs({
    serial_number,
    issuer: issuer.subject,
    subject: nameOf(order.subject ?? principal_id),
    not_before: order.not_before ?? now - minute,
    not_after: order.not_after ?? now + day,
    spki,
    extensions: [
      extensions.basicConstraints(order.ca ? { pathLength: 0 } : undefined),
      extensions.keyUsage(order.ca ? 'keyCertSign, cRLSign' : 'digitalSignature'),
      ...(order.usages?.length === 0 ? [] : [extensions.extendedKeyUsage(...(order.usages ?? [oid.clientAuth]))]),
      extensions.subjectKeyIdentifier(keyIdentifierOf(spki)),
      extensions.authorityKeyIdentifier(issuer.key_id),
      extensions.uriName(order.uri ?? `spiffe://${hostname}/${principal_type}/${principal_id}`, false),
      extensions.textExtension(`${arc}.1`, order.claimed_type ?? principal_type),
      extensions.textExtension(`${arc}.2`, order.claimed_id ?? principal_id),
      ...(order.more ?? []),
    ],
  })
  const der = await signTbs(tbs, signer)
  return {
    der,
    x509: new X509Certificate(der),
    certificate: certificatePem(der) + issuer.pem,
    key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

/** The row that would let a forged certificate in, were its row all that counted. */
export const rowOf = (forged: Forged, order: ForgeOrder): CertificateRecord => ({
  serial_number: order.serial_number,
  fingerprint: forged.x509.fingerprint256.replaceAll(':', '').toLowerCase(),
  principal_id: order.principal_id ?? 'worker-1',
  principal_type: order.principal_type ?? 'worker',
  subject_dn: '',
  spiffe_id: '',
  issuer_id: order.issuer.issuer_id,
  issued_at: forged.x509.validFromDate.getTime(),
  not_before: forged.x509.validFromDate.getTime(),
  expires_at: forged.x509.validToDate.getTime(),
  expiry_day: dayOf(forged.x509.validToDate.getTime()),
  issued_by: 'test',
  kind: 'issued',
  revoked: false,
  certificate_der: forged.der,
  spki_sha256: '',
  ttl: Math.floor((forged.x509.validToDate.getTime() + 30 * day) / 1000),
})

export interface Exchange {
  /** Everything that came back inside TLS, until the peer closed. */
  received: string
  /** False when it was us who lost patience. */
  closed: boolean
  /** Whether the handshake was finished, as far as the client can tell. */
  secured: boolean
  resumed: boolean
  /** Of the connection, when there was one. */
  error?: string
}

export interface RawOptions {
  root: string
  identity?: Identity | undefined
  maxVersion?: 'TLSv1.2' | 'TLSv1.3'
  session?: Buffer
  onSession?: (session: Buffer) => void
}

/** Sends octets over TLS, whatever the peer says to the handshake, and takes down what comes until it closes. */
export const exchangeRaw = (address: string, request: string, options: RawOptions): Promise<Exchange> =>
  new Promise((resolve, reject) => {
    const [host = '', port = ''] = address.split(':')
    const { root, identity, maxVersion = 'TLSv1.3', session, onSession } = options
    const exchange: Exchange = { received: '', closed: false, secured: false, resumed: false }
    const socket = connect({
      host,
      port: Number(port),
      servername: 'localhost',
      ca: root,
      minVersion: 'TLSv1.2',
      maxVersion,
      ...(identity && { cert: identity.certificate, key: identity.key }),
      ...(session && { session }),
    })
    const patience = setTimeout(() => socket.destroy(), 30_000)
    socket.on('secureConnect', () => {
      exchange.secured = true
      exchange.resumed = socket.isSessionReused()
      socket.write(request)
    })
    if (onSession) socket.on('session', onSession)
    socket.on('data', (part) => {
      exchange.received += part.toString('latin1')
    })
    socket.on('end', () => {
      exchange.closed = true
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // Of a certificate of the server that is not ours nobody should go on to judge the rest.
      if (error.message.includes('verify')) reject(error)
      exchange.closed = true
      exchange.error = error.code ?? error.message
    })
    socket.on('close', () => {
      clearTimeout(patience)
      resolve(exchange)
    })
  })

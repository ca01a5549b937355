import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { sha256Hex } from '../core/bytes.ts'
import { minute, second } from '../core/time.ts'
import type { HeldCrl } from './crls.ts'
import { etagOf, holds } from './etag.ts'
import { makeOcspHttp, type OcspHttpDeps } from './ocsp-http.ts'
import { makePlainServer, send, sendText } from './plain-http.ts'

export interface PkiFiles {
  /** PEM of the roots. */
  trustBundle(): string
  /** DER by issuer_id. */
  issuerCertificates(): Map<string, Buffer>
  ocsp: OcspHttpDeps
  crl(issuerId: string): HeldCrl | 'pending' | undefined
  clock: () => number
}

/** Caches may keep these for an hour: they change when an authority does, and a stale one still verifies. */
const cacheControl = 'public, max-age=3600'
/** A CRL changes with each revocation; a cache may not make it much older than it has to be. Milliseconds. */
const longestLifeOfCrl = minute
const filePath = /^\/pki\/issuers\/([0-9a-f]{16})\.(cer|crl)$/

interface Publication {
  type: string
  body: Buffer
  etag: string
  cacheControl: string
  /** Unix milliseconds, whole seconds. */
  modified?: number
}

const publish = (request: IncomingMessage, response: ServerResponse, publication: Publication): true => {
  const { type, body, etag, cacheControl, modified } = publication
  response.setHeader('ETag', etag)
  response.setHeader('Cache-Control', cacheControl)
  if (modified !== undefined) response.setHeader('Last-Modified', new Date(modified).toUTCString())
  if (holds(request, etag, modified)) {
    response.statusCode = 304
    response.end()
  } else send(response, 200, type, body)
  return true
}

const publishFile = (request: IncomingMessage, response: ServerResponse, type: string, body: Buffer): true =>
  publish(request, response, { type, body, etag: etagOf(sha256Hex(body)), cacheControl })

const publishCrl = (request: IncomingMessage, response: ServerResponse, { head, der }: HeldCrl, now: number): true => {
  const seconds = Math.max(0, Math.floor(Math.min(longestLifeOfCrl, head.next_update - now) / second))
  return publish(request, response, {
    type: 'application/pkix-crl',
    body: der,
    etag: etagOf(head.sha256),
    cacheControl: `public, max-age=${seconds}`,
    modified: head.this_update,
  })
}

/** The public PKI files and the OCSP responder, over plain HTTP by design: each carries its own signature. */
export const makePkiServer = (files: PkiFiles): Server => {
  const ocsp = makeOcspHttp(files.ocsp)
  return makePlainServer((path, request, response) => {
    if (path === '/pki/trust-bundle.pem')
      return publishFile(request, response, 'application/x-pem-file', Buffer.from(files.trustBundle()))
    const [, issuerId = '', kind] = filePath.exec(path) ?? []
    if (kind === undefined) return ocsp.get(path, request, response)
    if (kind === 'cer') {
      const der = files.issuerCertificates().get(issuerId)
      return der === undefined ? false : publishFile(request, response, 'application/pkix-cert', der)
    }
    const crl = files.crl(issuerId)
    if (crl === undefined) return false
    if (crl !== 'pending') return publishCrl(request, response, crl, files.clock())
    response.setHeader('Retry-After', '2')
    sendText(response, 503, 'not built yet\n')
    return true
  }, ocsp.posting)
}

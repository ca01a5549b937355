import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { sha256Hex } from '../core/bytes.ts'
import { makePlainServer, send } from './plain-http.ts'

export interface PkiFiles {
  /** PEM of the roots. */
  trustBundle(): string
  /** DER by issuer_id. */
  issuerCertificates(): Map<string, Buffer>
}

/** Caches may keep these for an hour: they change when an authority does, and a stale one still verifies. */
const cacheControl = 'public, max-age=3600'
const issuerPath = /^\/pki\/issuers\/([0-9a-f]{16})\.cer$/

/** True when the reader already holds this version. @see RFC 9110 §13.1.2 */
const holds = (request: IncomingMessage, etag: string): boolean => {
  const header = request.headers['if-none-match']
  if (header === undefined) return false
  return header.trim() === '*' || header.split(',').some((held) => held.trim().replace(/^W\//, '') === etag)
}

const publish = (request: IncomingMessage, response: ServerResponse, type: string, body: Buffer): true => {
  const etag = `"${sha256Hex(body).slice(0, 32)}"`
  response.setHeader('ETag', etag)
  response.setHeader('Cache-Control', cacheControl)
  if (holds(request, etag)) {
    response.statusCode = 304
    response.end()
  } else send(response, 200, type, body)
  return true
}

/** The public PKI files, over plain HTTP by design: each carries its own signature. */
export const makePkiServer = (files: PkiFiles): Server =>
  makePlainServer((path, request, response) => {
    if (path === '/pki/trust-bundle.pem') {
      return publish(request, response, 'application/x-pem-file', Buffer.from(files.trustBundle()))
    }
    const der = files.issuerCertificates().get(issuerPath.exec(path)?.[1] ?? '')
    return der === undefined ? false : publish(request, response, 'application/pkix-cert', der)
  })

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { OcspAnswer } from '../authority/ocsp/answer-ocsp.ts'
import { sha256Hex } from '../core/bytes.ts'
import { second } from '../core/time.ts'
import { longestOcspRequest } from '../pki/ocsp-request.ts'
import { etagOf, holds } from './etag.ts'
import { type Posting, send, sendText } from './plain-http.ts'

export interface OcspHttpDeps {
  answer: (request: Buffer) => Promise<OcspAnswer>
  clock: () => number
}

const path = '/pki/ocsp'
const requestType = 'application/ocsp-request'
const responseType = 'application/ocsp-response'
/** Characters of a whole URL. */
const longestUrl = 2048
const base64 = /^[A-Za-z0-9+/]*={0,2}$/

/** What no answer is for: an empty request, which is malformed. */
const nothing = Buffer.alloc(0)

/**
 * The request within a path: base64, of which nothing, some or all is percent-encoded. An address that ends in a slash gives
 * two in a row; base64 of a request begins with none. @see RFC 6960 appendix A.1
 */
const requestIn = (encoded: string): Buffer => {
  try {
    const text = decodeURIComponent(encoded).replace(/^\/+/, '')
    return base64.test(text) ? Buffer.from(text, 'base64') : nothing
  } catch {
    return nothing
  }
}

/** OCSP over HTTP: what the responder says is 200, whatever it says. @see RFC 6960 appendix A, RFC 5019 §6.2 */
export const makeOcspHttp = ({ answer, clock }: OcspHttpDeps) => {
  const respond = async (request: IncomingMessage, response: ServerResponse, asked: Buffer): Promise<true> => {
    const { der, times } = await answer(asked)
    // An answer to POST is nobody else's, and a failure is over when it is over.
    if (times === undefined || request.method === 'POST') {
      response.setHeader('Cache-Control', 'no-store')
      send(response, 200, responseType, der)
      return true
    }
    const age = Math.max(0, Math.floor((times.fresh_until - clock()) / second))
    const etag = etagOf(sha256Hex(der))
    response.setHeader('Cache-Control', `public, max-age=${age}, no-transform, must-revalidate`)
    response.setHeader('ETag', etag)
    response.setHeader('Last-Modified', new Date(times.this_update).toUTCString())
    response.setHeader('Expires', new Date(times.next_update).toUTCString())
    if (holds(request, etag, times.this_update)) {
      response.statusCode = 304
      response.end()
    } else send(response, 200, responseType, der)
    return true
  }

  const posting: Posting = {
    takes: (asked) => asked === path || asked === `${path}/`,
    type: requestType,
    limit: longestOcspRequest,
    handle: (body, request, response) => respond(request, response, body),
  }
  return {
    posting,
    /** Answers GET and HEAD of its paths; false for all others. */
    get: (asked: string, request: IncomingMessage, response: ServerResponse): boolean | Promise<boolean> => {
      if (asked !== path && !asked.startsWith(`${path}/`)) return false
      if ((request.url ?? '').length > longestUrl) {
        sendText(response, 414, 'this is too long for a GET: send it by POST\n')
        return true
      }
      return respond(request, response, requestIn(asked.slice(path.length)))
    },
  }
}

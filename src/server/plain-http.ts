import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { second } from '../core/time.ts'
import { httpLimits } from './limits.ts'
import { deliverLastAnswers, isLingering } from './plugins/last-answer.ts'

/** Answers a GET or HEAD of a path, or says with false that there is nothing. A body is left out of HEAD by the caller. */
export type PlainHandler = (
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
) => boolean | Promise<boolean>

/** Connections at once on a plain listener: probes, scrapers and readers of public files need few. */
const maxConnections = 1024
/** Who takes nothing of an answer for so long is cut: else some that never read hold all connections. Milliseconds. */
const longestSilence = 30 * second

/** Sends a whole answer; Node leaves the body out of one to HEAD. */
export const send = (response: ServerResponse, status: number, type: string, body: string | Buffer): void => {
  response.statusCode = status
  response.setHeader('Content-Type', type)
  response.setHeader('Content-Length', Buffer.byteLength(body))
  response.end(body)
}

const text = 'text/plain; charset=utf-8'

export const sendText = (response: ServerResponse, status: number, body: string): void =>
  send(response, status, text, body)

/** What is taken by POST: one type of body, up to a limit in octets. */
export interface Posting {
  takes(path: string): boolean
  type: string
  limit: number
  handle(body: Buffer, request: IncomingMessage, response: ServerResponse): Promise<boolean>
}

/** The whole body, or undefined as soon as it is longer than `limit`; what still comes is not read then. */
const readBody = (request: IncomingMessage, limit: number): Promise<Buffer | undefined> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    request.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= limit) chunks.push(chunk)
      else {
        request.pause()
        resolve(undefined)
      }
    })
    request.once('end', () => resolve(Buffer.concat(chunks)))
    request.once('error', reject)
    request.once('close', () => reject(new Error('the request was cut off')))
  })

const takePost = async (posting: Posting, request: IncomingMessage, response: ServerResponse): Promise<boolean> => {
  const refuse = (status: number, why: string): boolean => {
    response.setHeader('Connection', 'close')
    sendText(response, status, why)
    return true
  }
  const type = (request.headers['content-type'] ?? '').split(';', 1)[0] as string
  if (type.trim().toLowerCase() !== posting.type) return refuse(415, `expected ${posting.type}\n`)
  const tooLong = `expected at most ${posting.limit} octets\n`
  if (Number(request.headers['content-length'] ?? 0) > posting.limit) return refuse(413, tooLong)
  const body = await readBody(request, posting.limit)
  return body === undefined ? refuse(413, tooLong) : posting.handle(body, request, response)
}

/** A small server for what needs no TLS: probes, metrics, public files. Bodies are read of what it takes by POST alone. */
export const makePlainServer = (handle: PlainHandler, posting?: Posting): Server => {
  const server = createServer({ ...httpLimits, keepAliveTimeout: 65 * second }, (request, response) => {
    if (isLingering(request.socket)) return
    response.setHeader('X-Content-Type-Options', 'nosniff')
    const { method, url = '/' } = request
    // As a proxy is asked, which a server has to understand as well. @see RFC 9112 §3.2.2
    const path = url.replace(/^http:\/\/[^/?#]*/i, '').split('?', 1)[0] as string
    const taking = posting?.takes(path) === true ? posting : undefined
    const failed = () => (response.headersSent ? response.destroy() : sendText(response, 503, 'unavailable\n'))
    if (method === 'POST' && taking !== undefined) return void takePost(taking, request, response).catch(failed)
    // A body that nobody reads would be taken for the next request.
    if (request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined) {
      response.setHeader('Connection', 'close')
    }
    if (method !== 'GET' && method !== 'HEAD') {
      response.setHeader('Allow', taking === undefined ? 'GET, HEAD' : 'GET, HEAD, POST')
      return sendText(response, 405, 'method not allowed\n')
    }
    Promise.resolve()
      .then(() => handle(path, request, response))
      .then((found) => {
        if (!found) sendText(response, 404, 'not found\n')
      })
      .catch(failed)
  })
  server.maxConnections = maxConnections
  server.timeout = longestSilence
  deliverLastAnswers(server)
  return server
}

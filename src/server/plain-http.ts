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

/** A small server for what needs no TLS: probes, metrics, public files. Bodies of requests are never read. */
export const makePlainServer = (handle: PlainHandler): Server => {
  const server = createServer({ ...httpLimits, keepAliveTimeout: 65 * second }, (request, response) => {
    if (isLingering(request.socket)) return
    response.setHeader('X-Content-Type-Options', 'nosniff')
    // A body that nobody reads would be taken for the next request.
    if (request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined) {
      response.setHeader('Connection', 'close')
    }
    const { method, url = '/' } = request
    if (method !== 'GET' && method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD')
      return sendText(response, 405, 'method not allowed\n')
    }
    const failed = () => (response.headersSent ? response.destroy() : sendText(response, 503, 'unavailable\n'))
    Promise.resolve()
      .then(() => handle(url.split('?', 1)[0] as string, request, response))
      .then((found) => {
        if (!found) sendText(response, 404, 'not found\n')
      })
      .catch(failed)
  })
  server.maxConnections = maxConnections
  deliverLastAnswers(server)
  return server
}

import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { ErrorCode } from '../../core/errors.ts'
import { timeOrderedId } from '../../core/ids.ts'
import type { Clock } from '../../core/time.ts'
import { problemOf, statusOfCode } from '../../wire/problem.ts'
import { httpLimits } from '../limits.ts'
import { deliverLastAnswers, isLingering, linger } from './last-answer.ts'
import { inspectShape, markFault } from './request-shape.ts'

/** Where the parser gives up. Above our own limit, so that nearly all that is too large is refused by the router. */
const parserLimit = 32 * 1024

/** Answers what never became a request: the same document, written to the socket by hand. */
const refuse = (socket: Duplex, code: ErrorCode, clock: Clock, headers = ''): void => {
  const requestId = timeOrderedId(clock())
  const body = JSON.stringify(problemOf({ code }, requestId))
  const status = statusOfCode[code]
  socket.write(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/problem+json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nCache-Control: no-store\r\nX-Request-Id: ${requestId}\r\n` +
      `${headers}Connection: close\r\n\r\n${body}`,
  )
}

const codeOfParserError = (error: NodeJS.ErrnoException): ErrorCode => {
  if (error.code === 'HPE_HEADER_OVERFLOW') return 'headers_too_large'
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'request_timeout'
  if (error.code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') return 'payload_too_large'
  return 'invalid_request'
}

/** A socket, with the response that it waits for: the only way to learn of it outside of a handler. */
interface Answering extends Duplex {
  _httpMessage?: ServerResponse | null
}

/** What arrives is no HTTP: a request that was received whole before it still gets its answer, then all ends. */
export const refuseUnreadable = (error: NodeJS.ErrnoException, socket: Answering, clock: Clock): void => {
  if (isLingering(socket)) return
  const response = socket._httpMessage ?? undefined
  if (response?.req.complete === true && !response.headersSent) response.setHeader('Connection', 'close')
  else if (error.code === 'ECONNRESET' || !socket.writable || response?.headersSent === true) socket.destroy()
  else {
    const code = codeOfParserError(error)
    refuse(socket, code, clock)
    // A slow sender has had its time.
    if (code === 'request_timeout') socket.end(() => socket.destroy())
    else linger(socket)
  }
}

const awaitingContinue = new WeakSet<IncomingMessage>()

/** True when the peer holds its body back until it is told to go on (`Expect: 100-continue`). */
export const awaitsContinue = (request: IncomingMessage): boolean => awaitingContinue.has(request)

/**
 * The HTTP side of a listener that accepts elsewhere and hands its sockets over with `emit('connection', socket)`.
 * Limits are here and in request-shape.ts; what the parser refuses is answered with a problem document as well.
 */
export const makeHttpServer = (
  handle: (request: IncomingMessage, response: ServerResponse) => void,
  clock: Clock,
): Server => {
  const server = createServer(
    { ...httpLimits, maxHeaderSize: parserLimit, requireHostHeader: false, insecureHTTPParser: false },
    (request, response) => {
      if (isLingering(request.socket)) return
      inspectShape(request)
      handle(request, response)
    },
  )
  // Without a limit of the parser's, which drops what is beyond silently; request-shape.ts counts.
  server.maxHeadersCount = 0
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    awaitingContinue.add(request)
    server.emit('request', request, response)
  })
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    markFault(request, 'invalid_request', 'the only expectation that can be met is 100-continue')
    server.emit('request', request, response)
  })
  server.on('connect', (_request, socket: Duplex) => {
    refuse(socket, 'method_not_allowed', clock, 'Allow: \r\n')
    linger(socket)
  })
  deliverLastAnswers(server)
  // The timeouts are enforced by a timer that starts with `listening`, which this server never does by itself.
  server.emit('listening')
  return server
}

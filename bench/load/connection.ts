import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import type { Identity } from '../../test/support/client.ts'

export interface Answer {
  status: number
  body: string
}

export const contextOf = (identity: Identity | undefined, ca: string): SecureContext =>
  createSecureContext({ ca, ...(identity && { cert: identity.certificate, key: identity.key }) })

/** One answer at the front of a text, one character for each octet, or undefined when it is not all there. Understands what the measured servers send. */
export const readAnswer = (text: string): Answer | undefined => {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const head = text.slice(0, end)
  const status = Number(head.slice(9, 12))
  const rest = text.slice(end + 4)
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  if (length !== undefined)
    return rest.length < Number(length) ? undefined : { status, body: rest.slice(0, Number(length)) }
  if (/\r\ntransfer-encoding: *chunked/i.test(head))
    return /(^|\r\n)0\r\n\r\n$/.test(rest) ? { status, body: unchunk(rest) } : undefined
  return { status, body: '' }
}

const unchunk = (text: string): string => {
  let body = ''
  for (let rest = text; ; ) {
    const line = rest.indexOf('\r\n')
    const size = Number.parseInt(rest.slice(0, line), 16)
    if (!(size > 0)) return body
    body += rest.slice(line + 2, line + 2 + size)
    rest = rest.slice(line + 2 + size + 2)
  }
}

/** No answer takes so long, however busy the machine is. Milliseconds. */
const patience = 30_000

/** The server hung up before the handshake was over: nothing was asked, and it may be tried again. */
export class NotConnected extends Error {}

/** A TLS connection that speaks one request at a time. Sessions are never resumed: each connection is a full handshake. */
export const openConnection = (address: string, secureContext: SecureContext) => {
  const [host = '', port = ''] = address.split(':')
  const socket: TLSSocket = connect({
    host,
    port: Number(port),
    servername: 'localhost',
    secureContext,
    ALPNProtocols: ['http/1.1'],
  })
  socket.setNoDelay(true)
  const secured = Promise.withResolvers<void>()
  secured.promise.catch(() => undefined)
  let isSecured = false
  let isStale = false
  socket.once('secureConnect', () => {
    isSecured = true
    secured.resolve()
  })
  let text = ''
  let waiting: PromiseWithResolvers<Answer> | undefined
  const fail = (why: string) => {
    const error = isSecured ? new Error(why) : new NotConnected(why)
    secured.reject(error)
    waiting?.reject(error)
    waiting = undefined
  }
  socket.setTimeout(patience, () => {
    fail(`no answer within ${patience} ms`)
    socket.destroy()
  })
  socket.on('error', (error) => fail(error.message))
  socket.on('close', () => fail(`the connection was closed after ${text.length} characters`))
  socket.setEncoding('latin1')
  socket.on('data', (part: string) => {
    text += part
    const answer = readAnswer(text)
    if (answer === undefined) return
    text = ''
    // Told off for asking nothing so long: the server is about to close it.
    if (waiting === undefined) isStale = true
    waiting?.resolve(answer)
    waiting = undefined
  })
  return {
    socket,
    secured: () => secured.promise,
    /** Whether another request may be sent. */
    isOpen: () => !isStale && socket.writable && !socket.readableEnded,
    /** May be called before the handshake is over. */
    ask: (request: string): Promise<Answer> => {
      waiting = Promise.withResolvers<Answer>()
      if (socket.writable) socket.write(request)
      else queueMicrotask(() => fail('the connection is closed'))
      return waiting.promise
    },
    close: () => void socket.end(),
  }
}
export type Connection = ReturnType<typeof openConnection>

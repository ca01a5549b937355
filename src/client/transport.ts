import type { X509Certificate } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { isIP } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { ServerAddress } from './address.ts'
import { networkCode } from './network-code.ts'

/**
 * How an exchange failed: nobody could be reached; the TLS handshake was refused by us (`untrusted`) or by the server
 * (`refused`); the server hung up after the handshake without a byte (`cut`); the connection broke (`lost`); no answer
 * came in time; we were told to stop.
 */
export type Failure = 'unreachable' | 'untrusted' | 'refused' | 'cut' | 'lost' | 'timed_out' | 'stopped'

export class TransportError extends Error {
  readonly failure: Failure
  /** The code of Node or OpenSSL. */
  readonly code: string
  /** False when the server cannot have seen the request. */
  readonly sent: boolean

  constructor(failure: Failure, code: string, sent: boolean, cause: unknown) {
    super(cause instanceof Error && cause.message !== '' ? cause.message : code, { cause })
    this.name = 'TransportError'
    this.failure = failure
    this.code = code
    this.sent = sent
  }
}

export interface Exchange {
  method: string
  path: string
  headers: Record<string, string>
  body?: Buffer | string
}

export interface Answer {
  status: number
  headers: IncomingMessage['headers']
  body: Buffer
}

/** An answer whose body goes on. */
export interface OpenAnswer {
  status: number
  headers: IncomingMessage['headers']
  body: IncomingMessage
}

export interface Transport {
  exchange(exchange: Exchange): Promise<Answer>
  /** Over a connection of its own; the time limit ends with the headers of the answer. Whoever opens it destroys it. */
  open(exchange: Exchange): Promise<OpenAnswer>
  /** DNS names in the certificate of the server, as it was last verified. */
  peerNames(): string[]
  close(): void
}

export interface TransportOptions {
  server: ServerAddress
  /** PEM of the roots, the only ones that are trusted. */
  ca: string
  /** The client's certificate and its key; absent where none is asked for. */
  cert?: string
  key?: string
  /** For a connection to be made, and then for the answer; milliseconds each. */
  timeout: number
  signal: AbortSignal
}

const answerLimit = 16 * 1024 * 1024
const unreachableCodes = new Set([
  'ENOTFOUND',
  'EAI_AGAIN',
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
])
const lostCodes = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED'])

interface Progress {
  connected: boolean
  secured: boolean
  answered: boolean
  timedOut: boolean
}

const classify = (error: NodeJS.ErrnoException, progress: Progress, stopped: boolean): TransportError => {
  const code = networkCode(error)
  const as = (failure: Failure, sent: boolean) => new TransportError(failure, code, sent, error)
  if (stopped) return as('stopped', progress.secured)
  if (progress.timedOut) return as(progress.connected ? 'timed_out' : 'unreachable', progress.secured)
  if (unreachableCodes.has(code) || (code === 'ETIMEDOUT' && !progress.connected)) return as('unreachable', false)
  if (lostCodes.has(code) || code === 'ETIMEDOUT')
    return as(progress.secured && !progress.answered ? 'cut' : 'lost', progress.secured)
  // OpenSSL reports an alert of the server, and bytes that are no TLS, under codes of its own; the rest is our verdict.
  if (code.startsWith('ERR_SSL_') || code === 'EPROTO') return as('refused', progress.secured)
  if (code.startsWith('HPE_')) return as('lost', progress.secured)
  return progress.secured ? as('lost', true) : as('untrusted', false)
}

/** HTTP over TLS 1.3, with a client certificate if there is one; one connection is kept for all exchanges. */
export const makeTransport = (options: TransportOptions): Transport => {
  const { server } = options
  // Node takes an empty bundle for the public root store.
  if (options.ca.trim() === '') throw new TypeError('no root is trusted')
  const tls = {
    maxCachedSessions: 0,
    ca: options.ca,
    ...(options.cert === undefined ? {} : { cert: options.cert }),
    ...(options.key === undefined ? {} : { key: options.key }),
    minVersion: 'TLSv1.3',
    // Said aloud, because NODE_TLS_REJECT_UNAUTHORIZED=0 would otherwise turn it off.
    rejectUnauthorized: true,
    servername: isIP(server.host) ? '' : server.host,
    ALPNProtocols: ['http/1.1'],
  } as const
  const agent = new Agent({ ...tls, keepAlive: true, maxSockets: 1 })
  const opened = new Set<IncomingMessage>()
  let peer: X509Certificate | undefined

  const begin = <T>(
    { method, path, headers, body }: Exchange,
    over: Agent,
    onResponse: (response: IncomingMessage, finish: () => void, fail: (error: Error) => void) => Promise<T>,
  ): Promise<T> =>
    new Promise((resolve, reject) => {
      const progress: Progress = { connected: false, secured: false, answered: false, timedOut: false }
      const fail = (error: Error) => {
        finish()
        reject(classify(error, progress, options.signal.aborted))
      }
      const sent = request({
        agent: over,
        host: server.host,
        port: server.port,
        method,
        path,
        headers: { ...headers, ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }) },
      })
      const clock = setTimeout(() => {
        progress.timedOut = true
        sent.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' }))
      }, options.timeout)
      const stop = () => sent.destroy(Object.assign(new Error('stopped'), { code: 'ABORT_ERR' }))
      options.signal.addEventListener('abort', stop, { once: true })
      const finish = () => {
        clearTimeout(clock)
        options.signal.removeEventListener('abort', stop)
      }
      if (options.signal.aborted) stop()

      sent.on('socket', (socket) => {
        if (sent.reusedSocket) {
          progress.connected = progress.secured = true
          return
        }
        socket.once('connect', () => {
          progress.connected = true
        })
        socket.once('secureConnect', () => {
          progress.secured = (socket as TLSSocket).authorized
          if (progress.secured) peer = (socket as TLSSocket).getPeerX509Certificate()
          clock.refresh()
        })
      })
      sent.on('error', fail)
      sent.on('response', (response) => {
        progress.answered = true
        onResponse(response, finish, fail).then(resolve, fail)
      })
      sent.end(body)
    })

  const exchange = (asked: Exchange): Promise<Answer> =>
    begin(
      asked,
      agent,
      (response, finish, fail) =>
        new Promise((resolve) => {
          const chunks: Buffer[] = []
          let length = 0
          response.on('data', (chunk: Buffer) => {
            length += chunk.length
            if (length > answerLimit)
              response.destroy(Object.assign(new Error('the answer is too large'), { code: 'HPE_ANSWER_TOO_LARGE' }))
            else chunks.push(chunk)
          })
          response.on('error', fail)
          response.on('end', () => {
            finish()
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) })
          })
        }),
    )

  const open = (asked: Exchange): Promise<OpenAnswer> =>
    begin(asked, new Agent({ ...tls, keepAlive: false }), async (response, finish) => {
      finish()
      opened.add(response)
      response.once('close', () => opened.delete(response))
      return { status: response.statusCode ?? 0, headers: response.headers, body: response }
    })

  return {
    exchange,
    open,
    peerNames: () =>
      [...(peer?.subjectAltName ?? '').matchAll(/(?:^|, )DNS:([^,]+)/g)].map(([, name]) => name as string),
    close: () => {
      agent.destroy()
      for (const response of opened) response.destroy()
    },
  }
}

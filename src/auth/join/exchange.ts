import type { lookup as systemLookup } from 'node:dns'
import { request as plainRequest, type RequestOptions } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { isIP } from 'node:net'
import { ControlError } from '../../core/errors.ts'
import { isForbiddenAddress, makeGuardedLookup } from './forbidden-address.ts'

/** A request to the platform that vouches for a joiner. */
export interface Exchange {
  url: URL
  method: 'GET' | 'POST'
  headers?: Record<string, string>
  body?: string
  /** PEM of the roots that may vouch for the other side, instead of the public ones. */
  ca?: string
}

export interface Answer {
  status: number
  body: Buffer
}

/** Why there is no answer. Nothing of the other side's text is in it. */
export class ExchangeFailed extends Error {
  /** The other side was not heard; asked again, it may be. */
  readonly passing: boolean

  constructor(message: string, passing: boolean, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ExchangeFailed'
    this.passing = passing
  }
}

export interface ExchangeOptions {
  /** For everything, from the name look-up to the last byte. Milliseconds. */
  timeout: number
  /** Bytes of the answer's body. */
  limit: number
  /** `http:` as well, where whoever runs the server has named the address. */
  allowPlain?: boolean
  /** Of names; absent: the system's. */
  lookup?: typeof systemLookup
}

/** Exchanges under way at once in this process; who joins does not decide how much we ask of others. */
const maximumAtOnce = 64

const forbiddenAddress = () => new ExchangeFailed('the address is one where nothing is asked', false)

/**
 * One request and its answer, over TLS and a connection of its own. A redirect is an answer like any other and is never
 * followed; an address of one link, such as that of a metadata service, is never asked. Throws ExchangeFailed, or
 * `overloaded` when too much is under way.
 */
export const makeExchange = ({ timeout, limit, allowPlain = false, lookup }: ExchangeOptions) => {
  let underWay = 0
  const guardedLookup = makeGuardedLookup(forbiddenAddress, lookup)

  const send = ({ url, method, headers = {}, body, ca }: Exchange): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const isPlain = url.protocol === 'http:' && allowPlain
      if (url.protocol !== 'https:' && !isPlain) throw new ExchangeFailed('the address is not https', false)
      // To Node an empty list of roots means the public ones, which is the opposite of what was meant.
      if (ca?.trim() === '') throw new ExchangeFailed('there is no root that could vouch for the other side', false)
      const host = url.hostname.replace(/^\[|\]$/g, '')
      if (isForbiddenAddress(host)) throw forbiddenAddress()
      const options: RequestOptions = {
        agent: false,
        lookup: guardedLookup,
        host,
        port: url.port === '' ? (isPlain ? 80 : 443) : Number(url.port),
        method,
        path: `${url.pathname}${url.search}`,
        headers: {
          host: url.host,
          ...headers,
          ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
        },
      }
      const sent = isPlain
        ? plainRequest(options)
        : tlsRequest({
            ...options,
            // The name of the address and not of the Host header is what the certificate must carry.
            servername: isIP(host) === 0 ? host : '',
            minVersion: 'TLSv1.2',
            // Said aloud, because NODE_TLS_REJECT_UNAUTHORIZED=0 would otherwise turn it off.
            rejectUnauthorized: true,
            ...(ca === undefined ? {} : { ca }),
          })
      const fail = (error: Error) => {
        clearTimeout(clock)
        const { code } = error as NodeJS.ErrnoException
        const lost = () => new ExchangeFailed(`the connection failed (${code ?? error.name})`, true, { cause: error })
        reject(error instanceof ExchangeFailed ? error : lost())
      }
      const clock = setTimeout(() => sent.destroy(new ExchangeFailed(`no answer within ${timeout} ms`, true)), timeout)
      sent.on('error', fail)
      sent.on('response', (response) => {
        const chunks: Buffer[] = []
        let length = 0
        response.on('data', (chunk: Buffer) => {
          length += chunk.length
          if (length > limit) sent.destroy(new ExchangeFailed(`the answer is longer than ${limit} bytes`, false))
          else chunks.push(chunk)
        })
        // The request's own error says more, where there is one: this one then comes second and changes nothing.
        response.on('error', fail)
        response.on('end', () => {
          clearTimeout(clock)
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) })
        })
      })
      sent.end(body)
    })

  return async (exchange: Exchange): Promise<Answer> => {
    if (underWay >= maximumAtOnce)
      throw new ControlError('overloaded', 'too many proofs are being verified', { retryAfterSeconds: 2 })
    underWay += 1
    try {
      return await send(exchange)
    } finally {
      underWay -= 1
    }
  }
}
export type ExchangePort = ReturnType<typeof makeExchange>

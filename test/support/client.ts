import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { Agent, request } from 'node:https'
import { connect, type TLSSocket } from 'node:tls'
import { makeCsr } from '../../src/pki/request.ts'
import type { IssuedCertificate } from '../../src/wire/certificates.ts'

export interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  // biome-ignore lint/suspicious/noExplicitAny: tests look into documents of every shape
  body: any
}

/** Asks again while the server is too busy, as every client does: a machine under load is no fault of what is tested. */
export const patiently = async (ask: () => Promise<Answer>): Promise<Answer> => {
  for (let tries = 0; ; tries++) {
    const answer = await ask()
    if (answer.status !== 503 || tries === 400) return answer
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

export interface CallOptions {
  key?: string
  headers?: Record<string, string>
  timeout?: number
}

export interface Identity {
  certificate: string
  key: string
}

export const makeKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey

/** A fresh key and the request for it. */
export const makeRequest = async (key: KeyObject = makeKey()): Promise<{ key: string; csr_pem: string }> => ({
  key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
  csr_pem: await makeCsr(key, 'ignored'),
})

/**
 * Speaks to one server over mTLS with one certificate; `address` is `host:port`. A server that is too busy has done nothing:
 * it is asked up to `repeats` times again, which takes half a minute, as every client of ours does.
 */
export const makeClient = (address: string, root: string, identity?: Identity, repeats = 300) => {
  const [host = '', port = ''] = address.split(':')
  const tls = {
    host,
    port: Number(port),
    servername: 'localhost',
    ca: root,
    ...(identity && { cert: identity.certificate, key: identity.key }),
  }
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  const callOnce = (method: string, path: string, body?: unknown, options: CallOptions = {}): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body)
      const outgoing = request(
        {
          ...tls,
          agent,
          method,
          path,
          timeout: options.timeout ?? 60_000,
          headers: {
            ...(text === undefined
              ? {}
              : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
            ...(options.key === undefined ? {} : { 'idempotency-key': options.key }),
            ...options.headers,
          },
        },
        (response) => {
          let received = ''
          response.setEncoding('utf8')
          response.on('data', (part) => {
            received += part
          })
          response.on('error', reject)
          response.on('end', () => {
            const isJson = String(response.headers['content-type']).includes('json')
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: isJson && received !== '' ? JSON.parse(received) : received,
            })
          })
        },
      )
      outgoing.on('timeout', () => outgoing.destroy(new Error('timeout')))
      outgoing.on('error', reject)
      outgoing.end(text)
    })
  const call: typeof callOnce = async (...asked) => {
    for (let tries = 0; ; tries++) {
      const answer = await callOnce(...asked)
      if (answer.body?.code !== 'overloaded' || tries >= repeats) return answer
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
  return {
    address,
    identity,
    call,
    get: (path: string, options?: CallOptions) => call('GET', path, undefined, options),
    post: (path: string, body?: unknown, options?: CallOptions) => call('POST', path, body, options),
    /** A bare TLS connection, its handshake finished. */
    open: (): Promise<TLSSocket> =>
      new Promise((resolve, reject) => {
        const socket = connect({ ...tls, ALPNProtocols: ['http/1.1'] }, () => resolve(socket))
        socket.once('error', reject)
      }),
    close: () => agent.destroy(),
  }
}
export type Client = ReturnType<typeof makeClient>

/** What a certificate that was just issued lets its holder be. Throws when what came was a refusal instead. */
export const identityOf = (issued: IssuedCertificate, key: string): Identity => {
  if (issued.chain_pem === undefined) throw new Error(JSON.stringify(issued))
  return { certificate: issued.chain_pem, key }
}

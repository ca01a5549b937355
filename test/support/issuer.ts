import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { exportJWK, type JWK, SignJWT } from 'jose'
import type { Test } from 'tap'
import type { Authority } from './authority.ts'

export interface IssuerKey {
  alg: string
  kid: string
  privateKey: KeyObject
  publicKey: KeyObject
  jwk: JWK
}

/** A key of an issuer, as it signs with it and as it publishes it. */
export const makeIssuerKey = async (alg: string, kid: string): Promise<IssuerKey> => {
  const pair =
    alg === 'EdDSA'
      ? generateKeyPairSync('ed25519')
      : alg.startsWith('ES')
        ? generateKeyPairSync('ec', { namedCurve: alg === 'ES384' ? 'P-384' : 'P-256' })
        : generateKeyPairSync('rsa', { modulusLength: 2048 })
  return { alg, kid, ...pair, jwk: { ...(await exportJWK(pair.publicKey)), alg, kid, use: 'sig' } }
}

export interface IssuerAnswer {
  status?: number
  headers?: Record<string, string>
  body?: string
  /** Milliseconds before it. */
  delay?: number
}

export interface TestIssuer {
  /** `https://localhost:PORT`, and the path that was asked for. */
  url: string
  /** Paths, in the order in which they were asked for. */
  requests: string[]
  published: { keys: unknown[] }
  /** Instead of an honest answer; undefined: that one. */
  answerWith: ((path: string) => IssuerAnswer | undefined) | undefined
  /** Signs what an honest issuer would never say. Seconds of `exp` from `now` on; undefined members are left out. */
  sign(key: IssuerKey, claims: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>
}

/** An issuer of ID tokens that says and signs whatever a test wants, over TLS on this machine, until the test ends. */
export const startIssuer = async (
  t: Pick<Test, 'teardown'>,
  authority: Pick<Authority, 'env'>,
  path = '',
): Promise<TestIssuer> => {
  const server = createServer({ cert: authority.env.AIRUNNER_SERVER_CERT, key: authority.env.AIRUNNER_SERVER_KEY })
  const issuer: TestIssuer = {
    url: '',
    requests: [],
    published: { keys: [] },
    answerWith: undefined,
    sign: (key, claims, header = {}) =>
      // Its header is not typed for what must be refused.
      new SignJWT(claims)
        .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: 'JWT', ...header })
        .sign(key.privateKey),
  }
  server.on('request', async (request, response) => {
    issuer.requests.push(request.url ?? '')
    const base = issuer.url.replace(/\/$/, '')
    const honest: Record<string, unknown> = {
      '/.well-known/openid-configuration': { issuer: issuer.url, jwks_uri: `${base}/keys` },
      '/keys': issuer.published,
    }
    const found = honest[(request.url ?? '').replace(path.replace(/\/$/, ''), '')]
    const odd = issuer.answerWith?.(request.url ?? '')
    if (odd?.delay !== undefined) await new Promise((resolve) => setTimeout(resolve, odd.delay).unref())
    response.writeHead(odd?.status ?? (found === undefined ? 404 : 200), {
      'content-type': 'application/json',
      ...odd?.headers,
    })
    response.end(odd?.body ?? JSON.stringify(found ?? {}))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    return new Promise<void>((resolve) => server.close(() => resolve()))
  })
  issuer.url = `https://localhost:${(server.address() as AddressInfo).port}${path}`
  return issuer
}

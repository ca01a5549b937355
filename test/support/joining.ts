import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { type Answer, type CallOptions, type Client, makeClient, makeRequest } from './client.ts'
import type { RunningServer, TestPlane } from './plane.ts'

export interface Joiner {
  client: Client
  /** Makes a token as an admin; throws unless that succeeds. */
  createToken(body?: Record<string, unknown>): Promise<{ join_token_id: string; join_token: string; command: string }>
  createRule(body: Record<string, unknown>): Promise<{ join_rule_id: string; version: number }>
  /** Joins with a fresh key, or with the request given. */
  join(proof: Record<string, unknown> | string, more?: Record<string, unknown>, options?: CallOptions): Promise<Joined>
}

export interface Joined extends Answer {
  key: string
  csr_pem: string
}

/** What a machine without a certificate does, and the admin who lets it. */
export const makeJoiner = (plane: TestPlane, server: RunningServer = plane.server): Joiner => {
  const client = makeClient(server.enroll, plane.authority.root_pem)
  const made = async (path: string, body: unknown) => {
    const answer = await plane.admin.post(path, body)
    if (answer.status !== 201) throw new Error(JSON.stringify(answer.body))
    return answer.body
  }
  return {
    client,
    createToken: (body = {}) => made('/v1/join-tokens', { principal_type: 'worker', ...body }),
    createRule: (body) => made('/v1/join-rules', body),
    join: async (proof, more = {}, options = {}) => {
      const { key, csr_pem } = await makeRequest()
      const sent = typeof proof === 'string' ? { method: 'token', join_token: proof } : proof
      const body = { ...sent, csr_pem, ...more }
      return { ...(await client.post('/v1/enrollments', body, options)), key, csr_pem: String(body.csr_pem) }
    },
  }
}

/** An issuer of ID tokens, whose keys a rule states. */
export const makeTokenIssuer = (issuer = 'https://tokens.example') => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwks = { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'ES256', use: 'sig' }] }
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return {
    issuer,
    jwks,
    idToken: (claims: Record<string, unknown>, key: KeyObject = privateKey): string => {
      const now = Math.floor(Date.now() / 1000)
      const all = { iss: issuer, aud: 'airunner', iat: now, exp: now + 600, jti: crypto.randomUUID(), ...claims }
      const text = `${encode({ alg: 'ES256', kid: 'k1', typ: 'JWT' })}.${encode(all)}`
      return `${text}.${sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
    },
  }
}

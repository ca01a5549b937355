import { errors, type JWTPayload, jwtVerify } from 'jose'
import { sha256Hex } from '../../core/bytes.ts'
import type { OidcCondition } from '../../core/joining.ts'
import { day, second } from '../../core/time.ts'
import { type ExchangePort, makeExchange } from './exchange.ts'
import { keySourceOf } from './key-source.ts'
import { attributesOf } from './oidc-claims.ts'
import { makeIssuerKeys } from './oidc-keys.ts'
import { JoinRefused, JoinUnproven, type Proven, type VerifyProof } from './proof.ts'

const algorithms = ['RS256', 'ES256', 'EdDSA']
/** Characters, which are bytes here. */
const longestToken = 16 * 1024
/** How far `exp` may be away: so long a used token is remembered. Milliseconds. */
const longestLife = 1 * day
/** How far the issuer's clock may be ahead of ours, for `nbf` and `iat`. `exp` has no tolerance. Milliseconds. */
const clockTolerance = 30 * second
/** Rules with keys of their own for one issuer and audience that are tried for a token. */
const maximumSources = 8
/** Headers that bring a key along, or name where to get it, or demand to be understood. @see RFC 7515 §4.1 */
const refusedHeaders = ['jwk', 'jku', 'x5c', 'x5u', 'crit', 'b64', 'zip']

export interface VerifyOidcDeps {
  /** The conditions of every enabled rule, oldest first. */
  conditions: () => Promise<readonly OidcCondition[]>
  clock: () => number
  exchange?: ExchangePort
}

const issuerTimeout = 3 * second
const issuerLimit = 256 * 1024

interface Unverified {
  header: Record<string, unknown>
  claims: Record<string, unknown>
}

const readObject = (part: string): Record<string, unknown> => {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch {
    // As below.
  }
  throw new JoinRefused('the token is malformed')
}

/** What the token says of itself, nothing of it believed yet. */
const readUnverified = (token: string): Unverified => {
  if (token.length > longestToken) throw new JoinRefused('the token is longer than 16 KB')
  const parts = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)$/.exec(token)
  if (parts === null) throw new JoinRefused('the token is malformed')
  const header = readObject(parts[1] as string)
  if (!algorithms.includes(header['alg'] as string)) throw new JoinRefused('the algorithm of the token is not allowed')
  const refused = refusedHeaders.find((name) => Object.hasOwn(header, name))
  if (refused !== undefined) throw new JoinRefused(`the token has a header ${refused}`)
  const { kid, typ } = header
  // Others are for another use: `at+jwt`, `logout+jwt`. @see RFC 8725 §3.11
  if (typ !== undefined && (typeof typ !== 'string' || typ.toUpperCase() !== 'JWT'))
    throw new JoinRefused('the token is of another type')
  if (kid !== undefined && typeof kid !== 'string') throw new JoinRefused('the token is malformed')
  return { header, claims: readObject(parts[2] as string) }
}

/** The one audience. A token for two could be sent on by the other one. */
const audienceOf = ({ aud }: Record<string, unknown>): string => {
  const all: unknown[] = Array.isArray(aud) ? aud : [aud]
  const [only] = all
  if (all.length > 1) throw new JoinRefused('the token is for several audiences')
  if (typeof only !== 'string') throw new JoinRefused('the token is for no audience')
  return only
}

/** Conditions whose issuer and audience are those of the token, the first one of each set of keys. */
const candidatesOf = (conditions: readonly OidcCondition[], claims: Record<string, unknown>): OidcCondition[] => {
  const ofIssuer = conditions.filter(({ issuer }) => issuer === claims['iss'])
  if (ofIssuer.length === 0) throw new JoinRefused('no rule knows the issuer of the token')
  const audience = audienceOf(claims)
  const found = ofIssuer.filter(({ audiences }) => audiences.includes(audience))
  if (found.length === 0) throw new JoinRefused('the token is for another audience')
  const bySource = new Map(found.toReversed().map((each) => [keySourceOf(each), each]))
  return found.filter((each) => bySource.get(keySourceOf(each)) === each).slice(0, maximumSources)
}

/** Why jose refused; for what only other keys could change, `again` is true. */
const readRefusal = (error: unknown): { reason: string; again: boolean } | undefined => {
  if (error instanceof JoinRefused) return { reason: error.reason, again: true }
  if (error instanceof errors.JWKSNoMatchingKey)
    return { reason: 'the token is signed with a key that its issuer does not name', again: true }
  if (error instanceof errors.JWKSMultipleMatchingKeys)
    return { reason: 'the token does not say which key of its issuer has signed it', again: true }
  if (error instanceof errors.JWSSignatureVerificationFailed)
    return { reason: 'the signature of the token does not verify', again: true }
  if (error instanceof errors.JWTExpired) return { reason: 'the token is expired', again: false }
  if (error instanceof errors.JWTClaimValidationFailed) {
    const how = error.reason === 'missing' ? 'is missing' : error.claim === 'nbf' ? 'is in the future' : 'is wrong'
    return { reason: `${error.claim} of the token ${how}`, again: false }
  }
  // TypeError: a key that cannot be used, such as RSA below 2048 bits.
  if (error instanceof errors.JOSEError || error instanceof TypeError || error instanceof DOMException)
    return { reason: 'the token, or the key that it names, is malformed', again: true }
  return undefined
}

/** `exp` in Unix milliseconds. Throws JoinRefused for dates that no honest issuer gives. */
const checkDates = ({ exp = 0, iat, nbf = 0 }: JWTPayload, now: number): number => {
  const expiresAt = exp * second
  if (expiresAt <= now) throw new JoinRefused('the token is expired')
  if (expiresAt > now + longestLife) throw new JoinRefused('exp of the token is over 24 hours away')
  if (iat !== undefined && iat * second > now + clockTolerance)
    throw new JoinRefused('iat of the token is in the future')
  if ((iat ?? 0) >= exp || nbf >= exp) throw new JoinRefused('the token ends before it begins')
  return Math.ceil(expiresAt)
}

/**
 * What must not be used twice. The signature is left out where there is no `jti`: of one of ECDSA anybody can make another
 * that verifies as well.
 */
const proofIdOf = (token: string, { iss, jti }: JWTPayload): string => {
  if (jti !== undefined && (typeof jti !== 'string' || jti === ''))
    throw new JoinRefused('jti of the token is malformed')
  const what = jti === undefined ? ['hash', sha256Hex(token.slice(0, token.lastIndexOf('.')))] : ['jti', jti]
  return sha256Hex(JSON.stringify(['oidc', iss, ...what]))
}

/** For the audit: on one line, and no longer than it takes to know somebody again. */
const subjectOf = ({ iss, sub }: JWTPayload): string =>
  `${iss} ${typeof sub === 'string' ? sub.slice(0, 256) : ''}`.replaceAll(/\p{C}/gu, ' ').trim()

/**
 * Verifies an ID token of an issuer that a rule names. What it answers holds for rules with the same keys only
 * (`key_source`). Throws JoinRefused, and JoinUnproven when the issuer's keys cannot be had now, for nothing is proven
 * then.
 * @see OpenID Connect Core 1.0 §3.1.3.7, RFC 8725
 */
export const makeVerifyOidc = ({
  conditions,
  clock,
  exchange = makeExchange({ timeout: issuerTimeout, limit: issuerLimit }),
}: VerifyOidcDeps): VerifyProof<{ id_token: string }> => {
  const keysOf = makeIssuerKeys({ exchange, clock })

  const verifyWith = async (token: string, header: Record<string, unknown>, condition: OidcCondition, now: number) => {
    const keys = await keysOf(condition, header['kid'] as string | undefined)
    const { payload } = await jwtVerify(token, keys, {
      algorithms,
      issuer: condition.issuer,
      audience: condition.audiences,
      requiredClaims: ['exp'],
      currentDate: new Date(now),
      clockTolerance: clockTolerance / second,
    })
    return payload
  }

  /** Tries the keys of each candidate; the first failure that is not about keys is the answer, else that of the first. */
  const verify = async (token: string, now: number): Promise<{ payload: JWTPayload; condition: OidcCondition }> => {
    const { header, claims } = readUnverified(token)
    let first: JoinRefused | undefined
    let silent: JoinUnproven | undefined
    for (const condition of candidatesOf(await conditions(), claims)) {
      try {
        return { payload: await verifyWith(token, header, condition, now), condition }
      } catch (error) {
        if (error instanceof JoinUnproven) {
          silent ??= error
          continue
        }
        const refusal = readRefusal(error)
        if (refusal === undefined) throw error
        first ??= new JoinRefused(refusal.reason)
        if (!refusal.again) throw new JoinRefused(refusal.reason)
      }
    }
    // Its keys could be those of the one that did not answer.
    throw silent ?? first ?? new JoinRefused('no rule knows the issuer of the token')
  }

  return async ({ id_token: token }, { now }): Promise<Proven> => {
    const { payload, condition } = await verify(token, now)
    const attributes = { ...attributesOf({ ...payload, aud: undefined }), aud: audienceOf(payload) }
    return {
      method: 'oidc',
      attributes,
      key_source: keySourceOf(condition),
      proof_id: proofIdOf(token, payload),
      keep_until: checkDates(payload, now),
      subject: subjectOf(payload),
    }
  }
}

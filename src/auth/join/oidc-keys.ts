import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import type { OidcCondition } from '../../core/joining.ts'
import { minute, second } from '../../core/time.ts'
import { ExchangeFailed, type ExchangePort } from './exchange.ts'
import { isHttpsUrl } from './https-url.ts'
import { keySourceOf } from './key-source.ts'
import { JoinRefused, JoinUnproven } from './proof.ts'

/** Keys are read again after this long: so long at most is one believed that its issuer has withdrawn. Milliseconds. */
const keysLife = 10 * minute
/** After keys were read, an unknown key id is not looked for this long: anybody can invent one. Milliseconds. */
const coolDown = 30 * second
/** After a failure, the next attempt. Milliseconds. */
const failureCoolDown = 5 * second
/** Sources that are kept; rules name them, so there are few. */
const maximumSources = 256
const maximumKeys = 100

interface KeySet {
  find: JWTVerifyGetKey
  kids: Set<string>
}

interface Source {
  keys?: KeySet
  readAt: number
  triedAt: number
  /** Of the last attempt, when it failed. */
  failure?: JoinRefused
  reading?: Promise<KeySet>
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const keySetOf = (document: unknown): KeySet => {
  const all = isObject(document) ? document['keys'] : undefined
  if (!Array.isArray(all) || all.length > maximumKeys) throw new JoinRefused('the keys of the issuer are malformed')
  // Secrets that somebody published would be keys of HS256; others are for encryption, or of kinds yet to come.
  const keys = all.filter((key) => isObject(key) && ['RSA', 'EC', 'OKP'].includes(String(key['kty'])))
  const kids = keys.map((key) => key.kid).filter((kid) => typeof kid === 'string')
  return { find: createLocalJWKSet({ keys } as JSONWebKeySet), kids: new Set(kids) }
}

export interface IssuerKeysDeps {
  exchange: ExchangePort
  clock: () => number
}

/** Finds the keys by which a rule's issuer signs, and keeps them for a while. */
export const makeIssuerKeys = ({ exchange, clock }: IssuerKeysDeps) => {
  const sources = new Map<string, Source>()

  /** `address`: of a rule, or held to the same. */
  const readJson = async (what: string, address: string, ca: string | undefined): Promise<unknown> => {
    const url = new URL(address)
    const headers = { accept: 'application/json' }
    const answer = await exchange({ url, method: 'GET', headers, ...(ca === undefined ? {} : { ca }) }).catch(
      (error: unknown) => {
        if (!(error instanceof ExchangeFailed)) throw error
        const reason = `${what} could not be read: ${error.message}`
        throw error.passing ? new JoinUnproven(reason) : new JoinRefused(reason)
      },
    )
    if (answer.status >= 500 || answer.status === 429)
      throw new JoinUnproven(`${what} could not be read: status ${answer.status}`)
    if (answer.status !== 200) throw new JoinRefused(`${what} could not be read: status ${answer.status}`)
    try {
      return JSON.parse(answer.body.toString('utf8'))
    } catch {
      throw new JoinRefused(`${what} is not JSON`)
    }
  }

  /** @see OpenID Connect Discovery 1.0 §4 */
  const discover = async (issuer: string, ca: string | undefined): Promise<string> => {
    const address = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
    const found = await readJson('the discovery document of the issuer', address, ca)
    if (!isObject(found) || found['issuer'] !== issuer || typeof found['jwks_uri'] !== 'string')
      throw new JoinRefused('the discovery document is not that of the issuer')
    // An issuer is believed about its keys, and not free to choose what is asked from here.
    if (!isHttpsUrl(found['jwks_uri'], true))
      throw new JoinRefused('the discovery document names no https URL where the keys of the issuer are')
    return found['jwks_uri']
  }

  const read = async ({ issuer, jwks, jwks_url: url, ca_pem: ca }: OidcCondition): Promise<KeySet> => {
    if (jwks !== undefined) return keySetOf(jwks)
    return keySetOf(await readJson('the keys of the issuer', url ?? (await discover(issuer, ca)), ca))
  }

  const readOnce = (source: Source, condition: OidcCondition): Promise<KeySet> => {
    source.reading ??= read(condition)
      .then(
        (keys) => {
          source.keys = keys
          source.readAt = clock()
          delete source.failure
          return keys
        },
        (error: unknown) => {
          if (error instanceof JoinRefused) source.failure = error
          throw error
        },
      )
      .finally(() => {
        source.triedAt = clock()
        delete source.reading
      })
    return source.reading
  }

  const sourceOf = (condition: OidcCondition): Source => {
    const id = keySourceOf(condition)
    const known = sources.get(id)
    if (known !== undefined) return known
    const oldest = sources.keys().next().value
    if (sources.size >= maximumSources && oldest !== undefined) sources.delete(oldest)
    const source: Source = { readAt: Number.NEGATIVE_INFINITY, triedAt: Number.NEGATIVE_INFINITY }
    sources.set(id, source)
    return source
  }

  /** The keys of the rule's issuer; looked up again when `kid` is not among them. Throws JoinRefused. */
  return async (condition: OidcCondition, kid: string | undefined): Promise<JWTVerifyGetKey> => {
    const source = sourceOf(condition)
    const since = (at: number): number => {
      const elapsed = clock() - at
      // A clock that was set back must not make anything last longer.
      return elapsed < 0 ? Number.POSITIVE_INFINITY : elapsed
    }
    const { keys, failure } = source
    const isGood = keys !== undefined && (condition.jwks !== undefined || since(source.readAt) < keysLife)
    if (isGood && (kid === undefined || keys.kids.has(kid) || condition.jwks !== undefined)) return keys.find
    if (source.reading === undefined) {
      // The key may be among those that could not be read: that is an outage, and proves nothing against whoever asks.
      if (failure !== undefined && since(source.triedAt) < failureCoolDown) throw failure
      if (isGood && since(source.readAt) < coolDown) return keys.find
    }
    return (await readOnce(source, condition)).find
  }
}
export type IssuerKeys = ReturnType<typeof makeIssuerKeys>

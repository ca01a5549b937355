import type { X509Certificate } from 'node:crypto'
import { type Issuer, issuerIdOf } from '../pki/issuer.ts'
import { spkiOf } from '../pki/keys.ts'
import type { IssuerUsage } from '../pki/path.ts'
import { bundleOf, isEnded, type TrustBundle, verifyIssuer } from '../pki/trust.ts'
import { variables } from './options.ts'

/** An issuer or a root whose time is over, or an issuer whose root's is, and where it still stands. */
export interface Ended {
  kind: 'issuer' | 'root'
  issuer_id: string
  certificate: X509Certificate
  /** Unix milliseconds: of itself, or of the root that signed it. */
  ended_at: number
  /** The variable that holds it; absent: the registry alone. */
  variable?: string
}

/** The roots of a bundle that have ended. */
export const endedRoots = (bundle: TrustBundle | undefined, variable: string): Ended[] =>
  (bundle?.ended ?? []).map((certificate) => ({
    kind: 'root',
    issuer_id: issuerIdOf(spkiOf(certificate.publicKey)),
    certificate,
    ended_at: certificate.validToDate.getTime(),
    variable,
  }))

/**
 * When an issuer came to its end, by its own date or by that of the root that signed it, Unix milliseconds; undefined while
 * it is current, and when it never was any good.
 */
export const endOf = (
  { certificate }: Pick<Issuer, 'certificate'>,
  bundle: TrustBundle,
  now: number,
  usage: IssuerUsage,
): number | undefined => {
  const own = certificate.validToDate.getTime()
  const at = Math.min(now, own)
  if (verifyIssuer(certificate, bundle, at, usage) === undefined) return isEnded(certificate, now) ? own : undefined
  const root = bundle.ended.find((each) => verifyIssuer(certificate, bundleOf([each]), at, usage) === undefined)
  return root && Math.min(own, root.validToDate.getTime())
}

/**
 * Sets aside the issuers that have ended while others stand beside them: who forgets to take one out of the configuration
 * after a rotation must be able to start a year later. When all have ended none is set aside.
 */
export const withoutEnded = (
  issuers: Issuer[],
  bundle: TrustBundle,
  { now, usage, variable }: { now: number; usage: IssuerUsage; variable: string },
): { current: Issuer[]; over: Ended[] } => {
  const ends = issuers.map((issuer) => endOf(issuer, bundle, now, usage))
  const current = issuers.filter((_, index) => ends[index] === undefined)
  if (current.length === 0) return { current: issuers, over: [] }
  const over = issuers.flatMap(({ issuer_id, certificate }, index): Ended[] => {
    const ended_at = ends[index]
    return ended_at === undefined ? [] : [{ kind: 'issuer', issuer_id, certificate, ended_at, variable }]
  })
  return { current, over }
}

/** All that has ended, with the variable to take it out of: before the start, and since. */
export const endedOf = (
  secrets: { ended: Ended[]; issuers: Issuer[] },
  bundle: TrustBundle,
  over: Issuer[],
  ends: ReadonlyMap<string, number | undefined>,
): Ended[] => {
  const configured = new Set(secrets.issuers.map(({ issuer_id }) => issuer_id))
  const since = over.map(({ issuer_id, certificate }) => ({
    kind: 'issuer' as const,
    issuer_id,
    certificate,
    ended_at: ends.get(issuer_id) ?? 0,
    ...(configured.has(issuer_id) ? { variable: variables.issuerCert.env } : {}),
  }))
  const all = [...secrets.ended, ...endedRoots(bundle, variables.caCert.env), ...since]
  return all.filter(
    (one, index) => all.findIndex(({ certificate }) => certificate.raw.equals(one.certificate.raw)) === index,
  )
}

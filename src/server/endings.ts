import type { X509Certificate } from 'node:crypto'
import { nearEnd } from '../core/authority.ts'
import { day, toRfc3339 } from '../core/time.ts'
import { type Issuer, issuerIdOf } from '../pki/issuer.ts'
import { spkiOf } from '../pki/keys.ts'
import { signedBy } from '../pki/path.ts'
import type { Authorities } from './authorities.ts'
import type { Log } from './log.ts'

const sayAgainAfter = day

type Known = Pick<ReturnType<Authorities>, 'issuers' | 'ended' | 'roots' | 'stateOf'>

/** Issuers that sign or are meant to, and the roots that vouch for them. One that is retired ends in peace, and so does its root. */
const wanted = ({ issuers, roots, stateOf }: Known): { kind: 'issuer' | 'root'; id: string; end: number }[] => {
  const used = issuers.filter(({ issuer_id }) => stateOf(issuer_id) !== 'retired')
  const vouches = (root: X509Certificate) => used.some(({ certificate }: Issuer) => signedBy(certificate, root))
  return [
    ...used.map(({ issuer_id: id, not_after: end }) => ({ kind: 'issuer' as const, id, end })),
    ...roots.roots.filter(vouches).map((root) => ({
      kind: 'root' as const,
      id: issuerIdOf(spkiOf(root.publicKey)),
      end: root.validToDate.getTime(),
    })),
  ]
}

/** Says which issuers and roots have ended, once, and which are about to, every day. To be asked after each change, and now and then. */
export const makeEndings = ({ clock, log }: { clock: () => number; log: Pick<Log, 'warn'> }) => {
  const saidAt = new Map<string, number>()
  let lookedAt: Known | undefined
  let found: ReturnType<typeof wanted> = []
  /** Whether it was not said within `pause`. */
  const isNews = (what: string, pause: number): boolean => {
    const last = saidAt.get(what)
    if (last !== undefined && clock() - last < pause) return false
    saidAt.set(what, clock())
    return true
  }
  return (known: Known): void => {
    for (const { kind, issuer_id, ended_at, variable } of known.ended) {
      if (!isNews(`${kind}_expired_ignored ${issuer_id}`, Number.POSITIVE_INFINITY)) continue
      const remedy = variable === undefined ? `airunner ca remove ${issuer_id}` : `take it out of ${variable}`
      log.warn({ event: `${kind}_expired_ignored`, issuer_id, expired_at: toRfc3339(ended_at), remedy })
    }
    if (lookedAt !== known) found = wanted(known)
    lookedAt = known
    for (const { kind, id: issuer_id, end } of found)
      if (end - clock() < nearEnd && isNews(`${kind}_expires_soon ${issuer_id}`, sayAgainAfter))
        log.warn({ event: `${kind}_expires_soon`, issuer_id, expires_at: toRfc3339(end) })
  }
}

import type { X509Certificate } from 'node:crypto'
import type { Presented } from '../auth/caller.ts'
import type { ActiveIssuer } from '../authority/issuing.ts'
import { type AuthorityRecord, type IssuerState, type StoredAuthorities, stateOf } from '../core/authority.ts'
import { sha256Hex } from '../core/bytes.ts'
import { day } from '../core/time.ts'
import { makeIssueClientCertificate } from '../pki/certificate.ts'
import { presentedBy } from '../pki/inspect.ts'
import { type Issuer, issuerIdOf, issuerOf } from '../pki/issuer.ts'
import { spkiOf } from '../pki/keys.ts'
import type { ClientProfile } from '../pki/profile.ts'
import { rememberPresented } from '../pki/remember-presented.ts'
import type { Signer } from '../pki/signer.ts'
import { currentBundle, isEnded, verifyIssuer } from '../pki/trust.ts'
import type { TrustBundle } from '../wire/trust-bundle.ts'
import { endedOf, endOf } from './ended.ts'
import type { Secrets } from './secrets.ts'

/** Issuers of which this process has been told that they are in KMS. */
export interface StoredKeys {
  /** Names the keys that are wanted; those that are not named any more are let go. */
  want(kmsKeyIds: string[]): void
  known(): Signer[]
}

export interface AuthoritiesDeps {
  secrets: () => Secrets
  stored: () => StoredAuthorities
  profile: ClientProfile
  clock: () => number
  keys?: StoredKeys | undefined
}

/** A removed issuer's key is held so long, for its last CRL. Milliseconds. */
const keyOutlives = day

const spkiSha256 = (certificate: X509Certificate): string => sha256Hex(spkiOf(certificate.publicKey))

/** An issuer as its row has it, undefined when that is of no use. */
const readRow = (row: AuthorityRecord, keys: Signer[]): Issuer | undefined => {
  try {
    const signer = keys.find((key) => issuerIdOf(spkiOf(key.publicKey)) === row.issuer_id)
    const issuer = issuerOf(Buffer.from(row.certificate_der), signer)
    return issuer.issuer_id === row.issuer_id ? issuer : undefined
  } catch {
    return undefined
  }
}

const withoutKey = ({ signer: _, ...issuer }: Issuer): Issuer => issuer

const authoritiesOf = (deps: AuthoritiesDeps, secrets: Secrets, stored: StoredAuthorities) => {
  const { profile, clock } = deps
  const { serverIssuer } = secrets
  const now = clock()
  const bundle = currentBundle(secrets.bundle, now)
  const rows = new Map(stored.issuers.map((row) => [row.issuer_id, row]))
  const states = new Map(stored.issuers.map((row) => [row.issuer_id, stateOf(row, stored.active?.issuer_id)]))
  const isRemoved = ({ issuer_id }: { issuer_id: string }): boolean => states.get(issuer_id) === 'removed'

  // A server that was given no issuer signs nothing, whatever the registry offers.
  const verifiesOnly = secrets.issuers.length === 0
  const wanted = stored.issuers.flatMap((row) =>
    row.kms_key_id !== undefined && (!isRemoved(row) || (row.removed_at ?? 0) > now - keyOutlives)
      ? [row.kms_key_id]
      : [],
  )
  if (!verifiesOnly) deps.keys?.want(wanted)
  const keys = verifiesOnly ? [] : (deps.keys?.known() ?? [])

  const own = new Map(secrets.issuers.map((issuer) => [issuer.issuer_id, issuer]))
  const all = [
    ...secrets.issuers.map((issuer) => {
      const signer = issuer.signer ?? keys.find((key) => issuerIdOf(spkiOf(key.publicKey)) === issuer.issuer_id)
      return signer === undefined ? issuer : { ...issuer, signer }
    }),
    ...stored.issuers.flatMap((row) => (own.has(row.issuer_id) ? [] : (readRow(row, keys) ?? []))),
  ]
  const ends = new Map(all.map((issuer) => [issuer.issuer_id, endOf(issuer, bundle, now, 'client')]))
  const isOver = ({ issuer_id }: Issuer): boolean => ends.get(issuer_id) !== undefined
  /** A row alone is never trusted: a root of this server's own bundle must have signed it. */
  const vouchedFor = (issuer: Issuer): boolean =>
    !isOver(issuer) &&
    (own.has(issuer.issuer_id) || verifyIssuer(issuer.certificate, bundle, now, 'client') === undefined)
  const issuers = all.filter((issuer) => !isRemoved(issuer) && vouchedFor(issuer))
  const over = all.filter((issuer) => !isRemoved(issuer) && isOver(issuer))
  // Of a row that no root vouches for nothing is signed, not even a last list.
  const removed = [
    ...all.filter(isRemoved).map((issuer) => (vouchedFor(issuer) ? issuer : withoutKey(issuer))),
    ...over.map(withoutKey),
  ]

  const withKey = issuers.filter((issuer) => issuer.signer !== undefined)
  const pointed = withKey.find((issuer) => issuer.issuer_id === stored.active?.issuer_id)
  // As long as no admin has said which one signs, it is the first that is configured with its key.
  const isConfigured = stored.active === undefined || stored.active.adopted === true
  const firstConfigured = withKey.find(({ issuer_id }) => own.has(issuer_id) && states.get(issuer_id) !== 'retired')
  const signing = isConfigured ? (firstConfigured ?? pointed) : pointed
  const active: ActiveIssuer | undefined =
    signing === undefined || verifiesOnly
      ? undefined
      : { issuer: signing, profile, sign: makeIssueClientCertificate({ issuer: signing, profile }) }

  /** The one that would sign, had it not ended. */
  const lost = over.find(({ issuer_id }) => issuer_id === (stored.active ?? secrets.issuers[0])?.issuer_id)
  const trusted = new Map(issuers.map((issuer) => [issuer.issuer_id, issuer]))
  /** What they have signed ends with them at the latest, and whoever holds it is told so. */
  const endedBySelf = new Set(over.flatMap((issuer) => (isEnded(issuer.certificate, now) ? [issuer.issuer_id] : [])))
  const known = [...issuers, ...removed]
  const times = [...secrets.bundle.roots, ...known.map(({ certificate }) => certificate)].map((one) =>
    one.validToDate.getTime(),
  )
  const trustBundle: TrustBundle = { roots_pem: bundle.pem, sha256: bundle.sha256, version: bundle.version }
  const stateHere = (issuerId: string): IssuerState =>
    states.get(issuerId) ?? (stored.active === undefined && issuerId === signing?.issuer_id ? 'active' : 'prepared')
  return {
    /** All that are known and not removed, with a `signer` where this process has the key. */
    issuers,
    /** Those whose certificates are refused, because they were removed or have ended; enough to say so, and to sign a last CRL. */
    removed,
    /** Issuers and roots that have ended, and were not removed. */
    ended: endedOf(secrets, bundle, over, ends),
    /** Those of the configuration alone, in its order. */
    configured: secrets.issuers,
    active,
    roots: bundle,
    trustBundle,
    verifiesOnly,
    stored,
    rowOf: (issuerId: string): AuthorityRecord | undefined => rows.get(issuerId),
    stateOf: stateHere,
    trusts: (issuerId: string): boolean => trusted.has(issuerId) || endedBySelf.has(issuerId),
    /** An issuer that is trusted, undefined otherwise. */
    trusted: (issuerId: string): Issuer | undefined => trusted.get(issuerId),
    keys: new Set(
      [
        ...bundle.roots,
        ...bundle.ended,
        ...secrets.ended.map(({ certificate }) => certificate),
        ...known.map((issuer) => issuer.certificate),
        ...(serverIssuer ? [serverIssuer.certificate] : []),
      ].map(spkiSha256),
    ),
    /** Removed ones as well: whoever has a chain of theirs can look at it. */
    certificates: new Map(known.filter((issuer) => !isOver(issuer)).map((issuer) => [issuer.issuer_id, issuer.der])),
    knows: (issuerId: string): boolean => known.some(({ issuer_id }) => issuer_id === issuerId),
    /** Also of a removed issuer, so that its holder is told. */
    present: rememberPresented((certificate): Presented | undefined => presentedBy(certificate, known, profile)),
    /** Ids of the issuers that this process can sign with now. */
    usableKeys: (): string[] =>
      verifiesOnly
        ? []
        : issuers.flatMap(({ issuer_id, signer }) =>
            signer === undefined || signer.ready?.() === false ? [] : [issuer_id],
          ),
    /** For those who verify our certificates without us: issuers, then roots, in an order that all servers agree on. */
    truststorePem: [
      ...[...issuers].sort((a, b) => (a.issuer_id < b.issuer_id ? -1 : 1)).map(({ pem }) => pem),
      bundle.pem,
    ].join(''),
    /** Unix milliseconds of the first end among them. */
    rootsEnd: Math.min(...bundle.roots.map((root) => root.validToDate.getTime())),
    /** Of the issuer that signs, or would: one that was replaced may end in peace. */
    issuersEnd: (active?.issuer ?? lost)?.not_after ?? Math.min(...issuers.map((issuer) => issuer.not_after)),
    /** Unix milliseconds, undefined where nothing is to be signed. */
    issuerEnd: (active?.issuer ?? lost)?.not_after,
    /** All of this holds while nothing more has ended: after `from`, and until `until`, Unix milliseconds. */
    holds: {
      from: Math.max(Number.NEGATIVE_INFINITY, ...times.filter((end) => end < now)),
      until: Math.min(Number.POSITIVE_INFINITY, ...times.filter((end) => end >= now)),
    },
    horizon: Math.max(0, ...issuers.map((issuer) => issuer.not_after)),
  }
}

/** What follows from the secrets in use and from the registry, worked out once for each state of both and of the calendar. */
export const makeAuthorities = (deps: AuthoritiesDeps) => {
  let from: [Secrets, StoredAuthorities] | undefined
  let made: ReturnType<typeof authoritiesOf> | undefined
  return (): ReturnType<typeof authoritiesOf> => {
    const now: [Secrets, StoredAuthorities] = [deps.secrets(), deps.stored()]
    const at = deps.clock()
    const isSame = from?.[0] === now[0] && from[1] === now[1]
    // An issuer or a root has ended, or has not after all: the clock was set.
    if (made === undefined || !isSame || at > made.holds.until || at <= made.holds.from) {
      made = authoritiesOf(deps, ...now)
      from = now
    }
    return made
  }
}
export type Authorities = ReturnType<typeof makeAuthorities>

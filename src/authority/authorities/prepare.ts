import { X509Certificate } from 'node:crypto'
import { type AuthorityRecord, type StoredAuthorities, stateOf } from '../../core/authority.ts'
import { sha256Hex } from '../../core/bytes.ts'
import { ControlError } from '../../core/errors.ts'
import { type Issuer, issuerOf } from '../../pki/issuer.ts'
import { spkiOf } from '../../pki/keys.ts'
import { readCertificateChain, TrustProblem, verifyIssuer } from '../../pki/trust.ts'
import type { Authority, PrepareAuthority } from '../../wire/authorities.ts'
import type { CallerRequest } from '../request.ts'
import { type AuthorityDeps, exclusive, type Trust, writesOf } from './deps.ts'
import { renderIssuer } from './render.ts'

/** Every handshake may look at each of them. */
const mostIssuers = 64

const unfit = (why: string): ControlError =>
  new ControlError('invalid_request', `certificate_pem: ${why}`, {
    errors: [{ pointer: '/certificate_pem', detail: why }],
  })

/** Reads the certificate of an issuer as strictly as one that is configured; a root of the bundle must have signed it. */
const readIssuer = (pem: string, { roots }: Trust, now: number): Issuer => {
  try {
    const [certificate, ...others] = readCertificateChain(pem)
    if (certificate === undefined || others.length > 0) throw unfit('found several certificates, expected one')
    const problem = verifyIssuer(certificate, roots, now, 'client')
    if (problem !== undefined) throw unfit(problem)
    return issuerOf(certificate.raw)
  } catch (error) {
    if (error instanceof TrustProblem) throw unfit(error.message)
    throw error
  }
}

const keyTaken = () =>
  new ControlError('key_already_registered', 'the key of this issuer is that of a client, a root or a server issuer')

/** Issuers that ended after they were removed, the oldest first: they make room. */
const forgettable = ({ issuers }: StoredAuthorities, now: number): AuthorityRecord[] =>
  issuers
    .filter((record) => record.state === 'removed' && (record.removed_at ?? now) < now)
    .filter(({ certificate_der }) => new X509Certificate(certificate_der).validToDate.getTime() < now)

export interface Prepared {
  authority: Authority
  /** False: it was known before. */
  created: boolean
}

/**
 * Makes an issuer known: every server trusts what it signs, and it signs nothing yet. Its key is none of this: servers have
 * it from their configuration, or from KMS. Again, changes nothing; a removed one is known again.
 */
export const makePrepareAuthority =
  ({ registry, trust, refresh, clock }: AuthorityDeps) =>
  async (request: CallerRequest, { certificate_pem, kms_key_id }: PrepareAuthority): Promise<Prepared> => {
    await refresh()
    const issuer = readIssuer(certificate_pem, trust(), clock())
    const { issuer_id, der, certificate } = issuer
    const spki = sha256Hex(spkiOf(certificate.publicKey))
    const own = [...trust().issuers, ...trust().removed].find((known) => known.issuer_id === issuer_id)
    if (own === undefined && trust().keys.has(spki)) throw keyTaken()

    const prepared = await registry.commit<Prepared>({
      attribution: request.attribution,
      once: request.once,
      exclusive,
      plan: async () => {
        const stored = await registry.authorities.read()
        const { roots } = trust()
        const active = stored.active?.issuer_id
        const read = stored.issuers.find((record) => record.issuer_id === issuer_id)
        const there = read === undefined ? own?.der : Buffer.from(read.certificate_der)
        const removed = read !== undefined && stateOf(read, active) === 'removed'
        if (there !== undefined && !there.equals(der) && !removed)
          throw new ControlError(
            'invalid_transition',
            'an issuer with this key is known with another certificate: make a new key for a new issuer',
          )
        const now = clock()
        const kms = kms_key_id === undefined ? {} : { kms_key_id }
        if (request.once !== undefined) request.once.status = read === undefined ? 201 : 200
        if (read !== undefined && !removed && (kms_key_id ?? read.kms_key_id) === read.kms_key_id)
          return { unchanged: { authority: renderIssuer(read, active, roots), created: false } }
        const gone = forgettable(stored, now).filter((record) => record.issuer_id !== issuer_id)
        if (read === undefined && stored.issuers.length - gone.length >= mostIssuers)
          throw new ControlError('invalid_request', `there are ${mostIssuers} issuers, which is the most`)

        const after: AuthorityRecord =
          read !== undefined && !removed
            ? { ...read, ...kms, version: read.version + 1 }
            : {
                issuer_id,
                certificate_der: der,
                ...kms,
                state: 'prepared',
                prepared_at: now,
                // What it signed last was signed then, removed in between or not.
                ...(read?.deactivated_at === undefined ? {} : { deactivated_at: read.deactivated_at }),
                version: (read?.version ?? 0) + 1,
              }
        const before = read ?? { ...after, version: 0 }
        const authority = renderIssuer(after, active, roots)
        return {
          writes: [
            ...writesOf({ registry }, stored, [[before, after]]),
            ...(read === undefined ? gone.map((record) => ({ item: registry.authorities.forget(record) })) : []),
            { item: registry.keys.mustBeFree(spki), refuse: keyTaken },
          ],
          events: [
            {
              action: 'authority.prepare',
              target: issuer_id,
              ...(read === undefined ? {} : { before: { state: stateOf(read, active), ...kmsOf(read) } }),
              after: { state: authority.state, sha256: authority.sha256, ...kmsOf(after) },
            },
          ],
          changes: [{ type: 'authorities_changed' }],
          answer: { authority, created: read === undefined },
          kept: authority,
        }
      },
    })
    return prepared
  }

const kmsOf = ({ kms_key_id }: AuthorityRecord) => (kms_key_id === undefined ? {} : { kms_key_id })

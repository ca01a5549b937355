import { sha256Hex } from '../core/bytes.ts'
import { type CertificateKind, type CertificateRecord, lineageOf } from '../core/certificate.ts'
import { ControlError } from '../core/errors.ts'
import type { PrincipalRecord } from '../core/principal.ts'
import { renewalWindowOf } from '../core/renewal-window.ts'
import { dayOf, toRfc3339 } from '../core/time.ts'
import type { Csr } from '../pki/csr.ts'
import type { Issuer } from '../pki/issuer.ts'
import { certificatePem } from '../pki/pem.ts'
import { type ClientGrant, type ClientProfile, chooseValidity, spiffeIdOf, subjectDnOf } from '../pki/profile.ts'
import { newSerialNumber } from '../pki/serial.ts'
import { ttlOfCertificate } from '../store/certificates.ts'
import type { Registry } from '../store/registry.ts'
import type { Write } from '../store/transaction.ts'
import { type IssuedCertificate, renderCertificate } from '../wire/certificates.ts'

/** The issuer that signs now, with what it takes to sign for a client. */
export interface ActiveIssuer {
  issuer: Issuer
  profile: ClientProfile
  sign: (grant: ClientGrant) => Promise<Buffer>
}

export interface IssuingDeps {
  /**
   * The one that signs now, by what was read from the registry a moment ago. Undefined: this server has no key for it, or
   * verifies and revokes only. Throws `store_unavailable`.
   */
  activeIssuer: () => Promise<ActiveIssuer | undefined> | ActiveIssuer | undefined
  trustBundlePem: () => string
  /** SHA-256 of the SPKI of every CA that we know: none of these keys is ever a client's. */
  isAuthorityKey: (spkiSha256: string) => boolean
  /** Milliseconds. */
  maxValidity: number
  clock: () => number
  observeIssue?: (seconds: number) => void
}

/** A certificate that was signed and is not yet in the registry: it must not leave the process. */
export interface Signed {
  record: CertificateRecord
  issuer: Issuer
}

export const mustBeClientKey = (deps: Pick<IssuingDeps, 'isAuthorityKey'>, csr: Csr): void => {
  if (deps.isAuthorityKey(csr.spki_sha256)) throw keyTaken()
}

export const keyTaken = (): ControlError =>
  new ControlError(
    'key_already_registered',
    'this key belongs to another, or was compromised: make a new key and send its request',
  )

/**
 * Binds the key of a certificate to its holder for as long as one of that key may live: a shorter one that comes later
 * must not shorten it.
 */
export const bindKey = (
  { maxValidity }: Pick<IssuingDeps, 'maxValidity'>,
  { keys }: Pick<Registry, 'keys'>,
  { spki_sha256, principal_id, issued_at }: CertificateRecord,
): Write => ({
  item: keys.bind(spki_sha256, principal_id, ttlOfCertificate(issued_at + maxValidity)),
  refuse: keyTaken,
})

/**
 * Signs, in memory, what the registry is then asked to accept. The row decides who it is for; of the request, only the
 * key is taken. Throws `invalid_request` for a validity out of bounds, `issuer_unavailable` when nothing can sign.
 */
export const signFor = async (
  deps: IssuingDeps,
  principal: Pick<PrincipalRecord, 'principal_id' | 'type'>,
  csr: Csr,
  asked: {
    validity_seconds?: number | undefined
    kind: CertificateKind
    issued_by: string
    /** Of a renewal: the certificate that is presented. */
    predecessor?: CertificateRecord
    description?: string | undefined
  },
): Promise<Signed> => {
  const active = await deps.activeIssuer()
  if (active === undefined)
    throw new ControlError(
      'issuer_unavailable',
      'this server has no issuer that can sign: revocation and admission go on',
      {
        retryAfterSeconds: 30,
      },
    )
  const { issuer, profile } = active
  const issuedAt = deps.clock()
  const validity = chooseValidity({
    now: issuedAt,
    asked_seconds: asked.validity_seconds,
    max_validity: deps.maxValidity,
    issuer_not_after: issuer.not_after,
  })
  const grant: ClientGrant = {
    serial_number: newSerialNumber(issuedAt),
    principal_id: principal.principal_id,
    principal_type: principal.type,
    spki: csr.spki,
    ...validity,
  }
  const started = performance.now()
  const der = await active.sign(grant).catch((cause: unknown) => {
    throw cause instanceof ControlError
      ? cause
      : new ControlError('issuer_unavailable', 'the issuer did not sign; try again', { cause, retryAfterSeconds: 5 })
  })
  deps.observeIssue?.((performance.now() - started) / 1000)
  const record: CertificateRecord = {
    serial_number: grant.serial_number,
    fingerprint: sha256Hex(der),
    principal_id: principal.principal_id,
    principal_type: principal.type,
    subject_dn: subjectDnOf(principal.principal_id),
    spiffe_id: spiffeIdOf(profile, principal.type, principal.principal_id),
    issuer_id: issuer.issuer_id,
    issued_at: issuedAt,
    not_before: grant.not_before,
    expires_at: grant.expires_at,
    expiry_day: dayOf(grant.expires_at),
    issued_by: asked.issued_by,
    kind: asked.kind,
    ...(asked.predecessor && { renewed_from: asked.predecessor.serial_number, lineage: lineageOf(asked.predecessor) }),
    revoked: false,
    ...(asked.description === undefined ? {} : { description: asked.description }),
    certificate_der: der,
    spki_sha256: csr.spki_sha256,
    ttl: ttlOfCertificate(grant.expires_at),
  }
  return { record, issuer }
}

/**
 * `signed`, or what `again` signs in its place when another issuer has become the active one since. Asked where the
 * transaction is planned: so nothing is committed of an issuer that was replaced longer ago than `latecomers`.
 */
export const signedByActive = async (
  deps: Pick<IssuingDeps, 'activeIssuer'>,
  signed: Signed,
  again: () => Promise<Signed>,
): Promise<Signed> => ((await deps.activeIssuer())?.issuer.issuer_id === signed.issuer.issuer_id ? signed : again())

/** The answer that hands a committed certificate over. */
export const renderIssued = (
  { record, issuer }: { record: CertificateRecord; issuer: Pick<Issuer, 'pem'> },
  trustBundlePem: string,
  now: number,
): IssuedCertificate => {
  const pem = certificatePem(record.certificate_der)
  const { renew_after, renew_before } = renewalWindowOf(record)
  return {
    certificate: renderCertificate(record, now),
    certificate_pem: pem,
    chain_pem: `${pem}${issuer.pem}`,
    trust_bundle_pem: trustBundlePem,
    renew_after: toRfc3339(renew_after),
    renew_before: toRfc3339(renew_before),
  }
}

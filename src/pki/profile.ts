import { ControlError } from '../core/errors.ts'
import type { PrincipalType } from '../core/principal.ts'
import { day, minute, second } from '../core/time.ts'
import { fitsCommonName } from './names.ts'

/** What all client certificates of a plane have in common. */
export interface ClientProfile {
  /** The SPIFFE trust domain. */
  hostname: string
  /** Arc of the two private extensions, dotted. */
  oid_arc: string
  /** Base of the CRL, OCSP and issuer URLs; none of them is written without it. */
  public_url?: string
}

/** What one client certificate says. Times in Unix milliseconds, whole seconds. */
export interface ClientGrant {
  /** 32 lower-case hex digits. */
  serial_number: string
  principal_id: string
  principal_type: PrincipalType
  /** SubjectPublicKeyInfo, DER. */
  spki: Buffer
  not_before: number
  expires_at: number
}

/** The identity of a principal as a URI. @see SPIFFE-ID §2 */
export const spiffeIdOf = (profile: Pick<ClientProfile, 'hostname'>, type: PrincipalType, id: string): string =>
  `spiffe://${profile.hostname}/${type}/${id}`

/** The subject of a client certificate as text: `CN=…`, or nothing when the id is over 64 characters long. */
export const subjectDnOf = (id: string): string => (fitsCommonName(id) ? `CN=${id}` : '')

/** The two private extensions, dotted: the principal's type and id. */
export const privateExtensionsOf = (profile: Pick<ClientProfile, 'oid_arc'>): { type: string; id: string } => ({
  type: `${profile.oid_arc}.1`,
  id: `${profile.oid_arc}.2`,
})

/** Where an issuer's files are published, when the profile says a base. */
export const publishedAt = (
  profile: Pick<ClientProfile, 'public_url'>,
  issuerId: string,
): { crl: string; ocsp: string; certificate: string } | undefined => {
  if (profile.public_url === undefined) return undefined
  const base = `${profile.public_url.replace(/\/+$/, '')}/pki`
  return {
    crl: `${base}/issuers/${issuerId}.crl`,
    ocsp: `${base}/ocsp`,
    certificate: `${base}/issuers/${issuerId}.cer`,
  }
}

export const shortestValidity = 5 * minute
export const defaultValidity = 90 * day
/** For clocks that run late. */
export const backdating = minute

export interface ValidityRequest {
  /** Unix milliseconds. */
  now: number
  /** Seconds; absent: 90 days, or the maximum when that is shorter. */
  asked_seconds?: number | undefined
  /** Milliseconds. */
  max_validity: number
  /** Unix milliseconds. */
  issuer_not_after: number
}

export interface Validity {
  /** Unix milliseconds, whole seconds. */
  not_before: number
  expires_at: number
}

const pointer = '/validity_seconds'

/**
 * From a minute ago until what was asked from now, never past the issuer's end. Throws ControlError `invalid_request` when
 * less than 5 minutes or more than the maximum is asked, `issuer_unavailable` when the issuer itself has less than 5 minutes
 * left.
 */
export const chooseValidity = ({ now, asked_seconds, max_validity, issuer_not_after }: ValidityRequest): Validity => {
  const start = Math.floor(now / second) * second
  const length = asked_seconds === undefined ? Math.min(defaultValidity, max_validity) : asked_seconds * second
  const longest = Math.floor(max_validity / second)
  if (!Number.isInteger(length / second) || length < shortestValidity || length > max_validity) {
    const detail = `must be a whole number of seconds from ${shortestValidity / second} to ${longest}`
    throw new ControlError('invalid_request', `validity_seconds ${detail}`, { errors: [{ pointer, detail }] })
  }
  if (issuer_not_after - start < shortestValidity)
    throw new ControlError('issuer_unavailable', 'the issuer expires before a new certificate could be of use')
  return { not_before: start - backdating, expires_at: Math.min(start + length, issuer_not_after) }
}

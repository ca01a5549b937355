import type { X509Certificate } from 'node:crypto'
import type { Presented } from '../auth/caller.ts'
import type { ActiveIssuer } from '../authority/issuing.ts'
import { sha256Hex } from '../core/bytes.ts'
import { makeIssueClientCertificate } from '../pki/certificate.ts'
import { presentedBy } from '../pki/inspect.ts'
import type { ClientProfile } from '../pki/profile.ts'
import type { TrustBundle } from '../wire/trust-bundle.ts'
import type { Secrets } from './secrets.ts'

const spkiSha256 = (certificate: X509Certificate): string =>
  sha256Hex(certificate.publicKey.export({ type: 'spki', format: 'der' }))

const authoritiesOf = (secrets: Secrets, profile: ClientProfile) => {
  const { bundle, issuers, serverIssuer } = secrets
  const signing = issuers.find((issuer) => issuer.signer !== undefined)
  const active: ActiveIssuer | undefined = signing && {
    issuer: signing,
    profile,
    sign: makeIssueClientCertificate({ issuer: signing, profile }),
  }
  const authorityCertificates = [
    ...bundle.roots,
    ...issuers.map((issuer) => issuer.certificate),
    ...(serverIssuer ? [serverIssuer.certificate] : []),
  ]
  const trustBundle: TrustBundle = { roots_pem: bundle.pem, sha256: bundle.sha256, version: bundle.version }
  return {
    active,
    trustBundle,
    keys: new Set(authorityCertificates.map(spkiSha256)),
    certificates: new Map(issuers.map((issuer) => [issuer.issuer_id, issuer.der])),
    present: (certificate: X509Certificate): Presented | undefined => presentedBy(certificate, issuers, profile),
    /** Unix milliseconds of the first end among them. */
    rootsEnd: Math.min(...bundle.roots.map((root) => root.validToDate.getTime())),
    issuersEnd: Math.min(...issuers.map((issuer) => issuer.not_after)),
    horizon: Math.max(0, ...issuers.map((issuer) => issuer.not_after)),
  }
}

/** What follows from the secrets in use, worked out once for each set of them. */
export const makeAuthorities = (secrets: () => Secrets, profile: ClientProfile) => {
  let from: Secrets | undefined
  let made: ReturnType<typeof authoritiesOf> | undefined
  return (): ReturnType<typeof authoritiesOf> => {
    const now = secrets()
    if (made === undefined || from !== now) {
      made = authoritiesOf(now, profile)
      from = now
    }
    return made
  }
}
export type Authorities = ReturnType<typeof makeAuthorities>

import { sha256Hex } from '../../core/bytes.ts'
import { day, systemClock } from '../../core/time.ts'
import { makeIssueClientCertificate } from '../../pki/certificate.ts'
import { spkiOf } from '../../pki/keys.ts'
import type { ClientProfile } from '../../pki/profile.ts'
import type { Registry } from '../../store/registry.ts'
import { makeCreatePrincipal } from '../create-principal.ts'
import { makeIssue } from '../issue.ts'
import { makeRegisterAdmin } from '../register-admin.ts'
import type { SettledAuthorities } from './root.ts'
import { entriesOf } from './vault.ts'

/** Has the first certificate signed by the issuer that was just settled. */
export const makeBootstrapRegister = (
  wish: { hostname: string; oid_arc: string },
  registry: Registry,
  { vault, issuer }: SettledAuthorities,
  bundlePem: string,
) => {
  const profile: ClientProfile = { hostname: wish.hostname, oid_arc: wish.oid_arc }
  const authorities = entriesOf(vault).map(({ certificate }) => certificate.publicKey)
  const keys = new Set(authorities.map((key) => sha256Hex(spkiOf(key))))
  const active = { issuer, profile, sign: makeIssueClientCertificate({ issuer, profile }) }
  return makeRegisterAdmin({
    registry,
    createPrincipal: makeCreatePrincipal({ registry, clock: systemClock }),
    issue: makeIssue({
      registry,
      activeIssuer: () => active,
      trustBundlePem: () => bundlePem,
      isAuthorityKey: (spkiSha256) => keys.has(spkiSha256),
      maxValidity: 90 * day,
      clock: systemClock,
    }),
  })
}

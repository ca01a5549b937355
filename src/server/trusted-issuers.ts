import { decisionLife } from '../auth/admission.ts'
import { issuingAge } from '../authority/authorities/remove.ts'
import type { ActiveIssuer } from '../authority/issuing.ts'
import type { ServerLease } from '../core/agent.ts'
import type { StoredAuthorities } from '../core/authority.ts'
import { second } from '../core/time.ts'
import { withDeadline } from '../store/deadline.ts'
import { makeAuthorities, type StoredKeys } from './authorities.ts'
import type { Config } from './config.ts'
import type { Secrets } from './secrets.ts'
import { makeStoredAuthorities } from './stored-authorities.ts'

/** Ports are opened so much later when the store does not answer. Milliseconds. */
const startPatience = 2 * second

export interface TrustedIssuersDeps {
  config: Pick<Config, 'hostname' | 'oidArc' | 'publicUrl'>
  secrets: () => Secrets
  read: () => Promise<StoredAuthorities>
  keys: StoredKeys | undefined
  clock: () => number
  onChange: () => void
  onFailure: (error: unknown) => void
  outsideOfRequests: <T>(run: () => T) => T
}

/** Whom this process trusts and with whom it signs: by its configuration and the registry, neither of them too old. */
export const makeTrustedIssuers = (deps: TrustedIssuersDeps) => {
  const { config, clock } = deps
  const stored = makeStoredAuthorities({
    read: () => deps.outsideOfRequests(() => withDeadline(5 * second, deps.read)),
    clock,
    onChange: () => deps.outsideOfRequests(deps.onChange),
    onFailure: deps.onFailure,
  })
  const authorities = makeAuthorities({
    secrets: deps.secrets,
    stored: stored.get,
    profile: {
      hostname: config.hostname,
      oid_arc: config.oidArc,
      ...(config.publicUrl === undefined ? {} : { public_url: config.publicUrl }),
    },
    clock,
    keys: deps.keys,
  })
  return {
    stored,
    authorities,
    /** For admission: throws `store_unavailable` when it is too long ago that anybody said who is trusted. */
    know: (): Promise<void> | undefined => (stored.isFresh(decisionLife) ? undefined : stored.demand(decisionLife)),
    /** Before the first handshake. Of a store that does not answer the feed says so, which is read next. */
    prepare: (): Promise<void> => withDeadline(startPatience, () => stored.demand(decisionLife)).catch(() => undefined),
    /** For issuing, which must not go on with an issuer that was replaced. */
    active: async (): Promise<ActiveIssuer | undefined> => {
      if (!stored.isFresh(issuingAge)) await stored.demand(issuingAge)
      // Another one may sign since a moment ago, and that one's key may be here.
      if (authorities().active === undefined && !authorities().verifiesOnly) await stored.demand(0)
      return authorities().active
    },
    /** What the other servers are to know. */
    lease: (): Pick<ServerLease, 'issuer_keys' | 'signs_with' | 'verifies_only' | 'trust_bundle_version'> => {
      const { active, usableKeys, verifiesOnly, trustBundle } = authorities()
      return {
        issuer_keys: usableKeys(),
        ...(active && { signs_with: active.issuer.issuer_id }),
        ...(verifiesOnly ? { verifies_only: true } : {}),
        trust_bundle_version: trustBundle.version,
      }
    },
  }
}
export type TrustedIssuers = ReturnType<typeof makeTrustedIssuers>

import { makeActivateAuthority } from '../authority/authorities/activate.ts'
import { makeAdoptIssuer } from '../authority/authorities/adopt.ts'
import type { AuthorityDeps } from '../authority/authorities/deps.ts'
import { makePrepareAuthority } from '../authority/authorities/prepare.ts'
import { makeAuthorityQueries } from '../authority/authorities/queries.ts'
import { makeRemoveAuthority } from '../authority/authorities/remove.ts'
import { makeRetireAuthority } from '../authority/authorities/retire.ts'
import type { CertificateRecord } from '../core/certificate.ts'
import { type RenewalWindow, renewalWindowOf } from '../core/renewal-window.ts'
import { second } from '../core/time.ts'
import type { Registry } from '../store/registry.ts'
import type { Hub } from './agents/hub.ts'
import type { Authorities } from './authorities.ts'
import type { Connections } from './connections.ts'
import { makeEndings } from './endings.ts'
import type { Log } from './log.ts'
import type { StoredAuthoritiesView } from './stored-authorities.ts'

export interface AuthorityStepsDeps {
  registry: Registry
  authorities: Authorities
  stored: StoredAuthoritiesView
  agents: Pick<Hub, 'trustChanged'>
  connections: Connections
  clock: () => number
  horizon: () => number
  /** Milliseconds; absent: as long as there may be any. */
  latecomers: number | undefined
  log: Log
  /** Runs what nobody waits for. */
  aside: (run: () => Promise<unknown>) => void
  /** Makes an issuer's last CRL. */
  lastCrl?: (issuerId: string) => void
}

/** It is looked whether something is to be written down that the store did not take. Milliseconds. */
const lookEvery = 5 * second
/** The issuer that is configured first may have its key in a KMS that is slow: before that, no other is taken for the active one. */
const patience = 30 * second

/** The verbs of a rotation, and what a change of issuers or roots does to this process. */
export const makeAuthoritySteps = (deps: AuthorityStepsDeps) => {
  const { registry, authorities, stored, agents, connections, clock, log, aside } = deps
  const listeners: (() => void)[] = []
  const common: AuthorityDeps = {
    registry,
    trust: authorities,
    refresh: () => stored.demand(0),
    clock,
    horizon: deps.horizon,
  }
  const adopt = makeAdoptIssuer(common)
  let toldVersion = authorities().trustBundle.version
  let keptVersion: string | undefined
  const startedAt = clock()
  let timer: NodeJS.Timeout | undefined

  /** Whom this process no longer knows is cut off; whom it knows to be untrusted is told so at his next request. */
  const cutUntrusted = () => {
    const { trusts, knows } = authorities()
    for (const issuer_id of new Set([...connections.entries()].map(({ presented }) => presented.issuer_id)))
      if (!knows(issuer_id)) connections.cut({ issuer_id }, 'certificate_untrusted')
    for (const [socket] of connections.streams()) {
      const presented = connections.presentedOf(socket)
      if (presented === undefined || trusts(presented.issuer_id)) continue
      socket.destroy()
      const { serial_number } = presented
      log.info({ event: 'connection_cut', cause: 'certificate_untrusted', serial_number })
    }
  }

  /** Writes down which issuer signs, and which roots the bundle holds: once, unless the store does not answer. */
  const writeDown = async () => {
    const { trustBundle } = authorities()
    if (keptVersion !== trustBundle.version) {
      await registry.authorities.keepBundle(trustBundle)
      keptVersion = trustBundle.version
    }
    const { active, configured } = authorities()
    const isFirst = active?.issuer.issuer_id === configured[0]?.issuer_id
    const known = stored.get().active
    const isNews = known === undefined || (known.adopted === true && known.issuer_id !== active?.issuer.issuer_id)
    if (isNews && (isFirst || clock() - startedAt > patience)) await adopt()
  }

  const endings = makeEndings({ clock, log })
  let seen = authorities()
  endings(seen)

  const tell = () => {
    const { active, issuers, removed, stateOf, verifiesOnly } = authorities()
    const states = [...issuers, ...removed].map(({ issuer_id }) => `${issuer_id}:${stateOf(issuer_id)}`)
    log.info({ event: 'authorities_changed', active: active?.issuer.issuer_id ?? null, issuers: states })
    const wanted = stored.get().active?.issuer_id
    if (active === undefined && wanted !== undefined && !verifiesOnly)
      log.error({ event: 'issuer_key_missing', issuer_id: wanted })
  }

  const changed = () => {
    seen = authorities()
    const { trustBundle } = seen
    endings(seen)
    cutUntrusted()
    if (trustBundle.version !== toldVersion) agents.trustChanged()
    toldVersion = trustBundle.version
    for (const listener of listeners) listener()
    if (timer === undefined) return
    tell()
    aside(writeDown)
  }

  return {
    verbs: {
      ...makeAuthorityQueries(common),
      prepareAuthority: makePrepareAuthority(common),
      activateAuthority: makeActivateAuthority(common),
      retireAuthority: makeRetireAuthority(common),
      removeAuthority: makeRemoveAuthority({
        ...common,
        latecomers: deps.latecomers,
        lastCrl: deps.lastCrl ?? (() => undefined),
      }),
    },
    /** The registry or the configuration has brought other issuers or roots. */
    changed,
    /** What the listeners show. */
    shown: {
      trustBundle: () => authorities().trustBundle,
      issuerCertificates: () => authorities().certificates,
      authoritiesPem: () => [authorities().trustBundle.roots_pem, ...authorities().issuers.map(({ pem }) => pem)],
      issuerEnd: () => authorities().issuerEnd,
      onAuthoritiesChange: (listener: () => void): void => {
        listeners.push(listener)
      },
    },
    /** When a certificate is to be renewed: of a retired issuer, within the time that was given for it. */
    renewalWindow: (certificate: CertificateRecord): RenewalWindow => {
      const usual = renewalWindowOf(certificate)
      const row = authorities().rowOf(certificate.issuer_id)
      if (row?.state !== 'retired' || row.retired_at === undefined || row.renew_until === undefined) return usual
      if (usual.renew_before <= row.renew_until) return usual
      return { renew_after: row.retired_at, renew_before: row.renew_until }
    },
    start: (): void => {
      const look = () => {
        // One of them has ended, of which no row and no file tells.
        if (authorities() !== seen) changed()
        else endings(seen)
        aside(writeDown)
      }
      timer = setInterval(look, lookEvery)
      tell()
      look()
    },
    stop: (): void => {
      clearInterval(timer)
      timer = undefined
    },
  }
}
export type AuthoritySteps = ReturnType<typeof makeAuthoritySteps>

import { AsyncLocalStorage } from 'node:async_hooks'
import { makeDecisions } from '../auth/decisions.ts'
import { makeClaimCommand } from '../authority/deliver-command.ts'
import type { IssuingDeps } from '../authority/issuing.ts'
import { makeRevocationWorker } from '../authority/mass-revocation.ts'
import { timeOrderedId } from '../core/ids.ts'
import { day, second } from '../core/time.ts'
import { makeChainWriter } from '../store/chain-writer.ts'
import { openStore, type StoreOptions } from '../store/client.ts'
import { withDeadline } from '../store/deadline.ts'
import { feedGap, largestSkew, makeFeedReader } from '../store/feed.ts'
import { openRegistry } from '../store/registry.ts'
import { makeFleet } from './agents/fleet.ts'
import { type Hub, makeHub } from './agents/hub.ts'
import { type AuditTimes, makeAuditWatch } from './audit-watch.ts'
import type { StoredKeys } from './authorities.ts'
import { makeAuthoritySteps } from './authority-steps.ts'
import { makeBackground } from './background.ts'
import { composeAdmission } from './compose-admission.ts'
import { composeGuard, makeWhenOpen, makeWhileOpen } from './compose-guard.ts'
import { composePublishing } from './compose-publishing.ts'
import { composeVerbs } from './compose-verbs.ts'
import type { Config } from './config.ts'
import type { Connections } from './connections.ts'
import { makeEffects } from './effects.ts'
import { makeJoining } from './joining.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import type { Plane } from './plane.ts'
import { currentSocket } from './plugins/current-socket.ts'
import { makeReadiness } from './readiness.ts'
import type { Secrets } from './secrets.ts'
import type { StoreGuardDeps } from './store-guard.ts'
import { makeTrustedIssuers } from './trusted-issuers.ts'

export interface PlaneDeps {
  config: Pick<
    Config,
    | 'tables'
    | 'hostname'
    | 'oidArc'
    | 'publicUrl'
    | 'maxValidity'
    | 'supersedeGrace'
    | 'feedInterval'
    | 'awsRegions'
    | 'stsEndpoint'
    | 'aws'
    | 'auditBucket'
    | 'auditRetention'
    | 'auditLockMode'
    | 'storeEpoch'
    | 'pkiListen'
    | 'truststoreBucket'
  >
  secrets: () => Secrets
  log: Log
  metrics: Metrics
  connections: Connections
  clock: () => number
  /** Where the store is, when not where the standard AWS variables say. */
  store?: Pick<StoreOptions, 'endpoint' | 'region' | 'credentials'>
  /** Where machines join, once the port is open. */
  enrollPort?: () => number | undefined
  /** How long a mass revocation watches for latecomers, milliseconds. Absent: as long as there may be any. */
  settlingTime?: number | undefined
  /** Keys in KMS that the registry names; absent: none is looked for. */
  storedKeys?: StoredKeys | undefined
  /** How patient the audit chains are. */
  auditTimes?: AuditTimes | undefined
  /** How often the truststore is looked at, milliseconds. */
  truststoreLook?: number | undefined
  /** Where the Parameter Store is, when not where the standard AWS variables say. */
  ssm?: Parameters<typeof composeGuard>[0]['ssm']
  /** How often tables and memory are compared, where not as usual. */
  guardTiming?: StoreGuardDeps['timing'] | undefined
  /** Whether this process builds CRLs; absent: where it publishes them, on the PKI listener. */
  buildsCrls?: boolean | undefined
}

/** Puts one process's plane together: the one place where adapters are chosen. */
export const makePlane = (deps: PlaneDeps): Plane => {
  const { config, log, metrics, connections, clock } = deps
  const store = openStore({ tables: config.tables, observe: metrics.storeAnswered, ...deps.store })
  const server_id = timeOrderedId(clock())
  const decisions = makeDecisions()
  // Background work must not inherit the deadline, nor the socket, of the request that set it off.
  const outsideOfRequests = AsyncLocalStorage.snapshot()
  const trust = makeTrustedIssuers({
    config,
    secrets: deps.secrets,
    read: () => registry.authorities.read(),
    keys: deps.storedKeys,
    clock,
    onChange: () => steps.changed(),
    onFailure: (error) => storeFailed(error),
    outsideOfRequests,
  })
  const { stored, authorities } = trust
  const applyEffects = makeEffects({
    decisions,
    connections,
    clock,
    supersedeGrace: config.supersedeGrace,
    onRevocationStarted: () => outsideOfRequests(() => void background.runRevocations()),
    onAuthoritiesChanged: () => outsideOfRequests(() => stored.changed()),
    onCertificateEnded: (serialNumber) => ocsp.drop(serialNumber),
    agents: () => agents,
    crls: () => crls,
  })
  const chain = makeChainWriter({
    store,
    clock,
    onFailure: (error) => log.debug({ event: 'audit_link_failed', reason: (error as Error).message }),
    onLost: (lost) => log.warn({ event: 'audit_chain_lost', chain: lost }),
    times: deps.auditTimes,
  })
  const registry = openRegistry({
    store,
    chain,
    clock,
    random: Math.random,
    callerIsThere: () => currentSocket()?.destroyed !== true,
    holdBack: (record) => feed.holdBack(record),
    onCommitted: (record) => {
      feed.noteOwn(record.id)
      applyEffects(record)
    },
    mustBeOpen: () => guard.mustBeOpen(),
    afterCommit: (actions) => guard.afterCommit(actions),
  })
  const guard = composeGuard({
    epochs: registry.epochs,
    place: config.storeEpoch,
    clock,
    log,
    onHeld: () => {
      decisions.dropAll()
      ocsp.dropAll()
      crls.revoked()
      connections.cutAll('admission_held')
    },
    isAnswering: () => currentSocket() !== undefined,
    ssm: deps.ssm,
    timing: deps.guardTiming,
  })
  const whenOpen = makeWhenOpen(guard)
  const whileOpen = makeWhileOpen(guard)
  const publishing = composePublishing({
    ...deps,
    registry,
    authorities,
    owner: server_id,
    isOpen: guard.isOpen,
    demandAuthorities: stored.demand,
    confirm: guard.confirm,
  })
  const { crls, ocsp } = publishing

  let degraded = false
  const storeFailed = (error: unknown): void => {
    if (!degraded) log.warn({ event: 'store_degraded', reason: (error as Error).message })
    degraded = true
  }
  const feed = makeFeedReader({
    store,
    clock,
    interval: config.feedInterval,
    onRecord: applyEffects,
    onGap: () => {
      decisions.dropAll()
      stored.changed()
      ocsp.dropAll()
      crls.revoked()
      void guard.confirm()
    },
    onFailure: storeFailed,
    onSuccess: (at, started) => {
      stored.confirm(at, started)
      if (degraded) {
        log.info({ event: 'store_recovered' })
        // Tables that are exchanged are away for a while.
        void guard.confirm()
      }
      degraded = false
    },
  })

  const admission = composeAdmission({
    ...deps,
    store,
    registry,
    trust,
    decisions,
    isChanging: (principalId) => feed.isWriting(principalId),
    onFailure: storeFailed,
  })

  const agents: Hub = makeHub({
    server_id,
    registry,
    claim: makeClaimCommand({ registry, clock }),
    fleet: (streams) =>
      makeFleet({
        server_id,
        clock,
        streams,
        about: trust.lease,
        renew: (lease) => withDeadline(2 * second, () => registry.leases.renew(lease)),
        read: () => withDeadline(2 * second, () => registry.leases.all()),
        onFailure: storeFailed,
      }),
    trustBundleVersion: () => authorities().trustBundle.version,
    renewalWindow: (certificate) => steps.renewalWindow(certificate),
    clock,
    random: Math.random,
    log,
    outsideOfRequests,
  })
  const horizon = () => Math.max(authorities().horizon, clock() + config.maxValidity) + day
  const issuing: IssuingDeps = {
    activeIssuer: trust.active,
    trustBundlePem: () => authorities().trustBundle.roots_pem,
    isAuthorityKey: (spkiSha256) => authorities().keys.has(spkiSha256),
    maxValidity: config.maxValidity,
    clock,
    observeIssue: metrics.issueTook,
  }
  const massRevocation = { registry, clock, horizon, settlingTime: deps.settlingTime }
  const joining = makeJoining({
    registry,
    issuing,
    config,
    log,
    clock,
    record: admission.recordDenial,
    enrollPort: deps.enrollPort ?? (() => undefined),
    issuerPem: (issuerId) => authorities().trusted(issuerId)?.pem,
    rootFingerprints: () => authorities().trustBundle.sha256,
  })
  const steps = makeAuthoritySteps({
    registry,
    authorities,
    stored,
    agents,
    connections,
    clock,
    horizon,
    latecomers: deps.settlingTime,
    log,
    lastCrl: publishing.lastCrl,
    aside: (run) => outsideOfRequests(() => void withDeadline(5 * second, run).catch(storeFailed)),
  })
  steps.shown.onAuthoritiesChange(publishing.authoritiesChanged)
  const { verbs, registerAdmin } = composeVerbs({
    ...deps,
    registry,
    issuing,
    massRevocation,
    horizon,
    agents,
    renewalWindow: steps.renewalWindow,
    others: { ...joining.verbs, ...steps.verbs },
    dropDecisions: decisions.dropPrincipal,
  })
  // Before a proof is looked at, or anything signed.
  verbs.enroll = whenOpen(verbs.enroll)

  const background = makeBackground({
    watchAudit: whileOpen(makeAuditWatch({ ...deps, registry, owner: server_id })),
    watchAuditEvery: deps.auditTimes?.watchEvery,
    revoke: whileOpen(makeRevocationWorker(massRevocation).run),
    removeDeparted: whileOpen(joining.removeDeparted),
    sweeps: [admission.denials.sweep, joining.sweep],
    onStoreFailure: storeFailed,
    log,
  })

  // A feed that was never read grows old as well.
  const startedAt = clock()
  metrics.watch({
    ...(publishing.crlAges && { crls: publishing.crlAges }),
    feedAge: () => Math.max(0, clock() - (feed.lastSuccessAt() || startedAt)) / second,
    admissionHeld: () => !guard.isOpen(),
  })

  let stopped = false
  return {
    verbs,
    present: (certificate) => authorities().present(certificate),
    admit: whenOpen(admission.admit),
    answers: registry.answers,
    attachAgent: agents.attach,
    askToRenew: agents.askToRenew,
    registerAdmin: whenOpen(registerAdmin),
    ...steps.shown,
    answerOcsp: ocsp.answer,
    crl: crls.get,
    publishCrl: crls.publish,
    trustChanged: () => {
      decisions.dropAll()
      steps.changed()
    },
    failingChecks: makeReadiness({
      // Nobody is sent here of whom a rotation does not know yet; while admission is held, nothing is announced.
      storeAnswers: () => !degraded && feed.lastSuccessAt() > 0 && (!guard.isOpen() || agents.isAnnounced()),
      feedIsFresh: () => clock() - feed.lastSuccessAt() <= feedGap,
      storeEpochIsKnown: guard.isWell,
      clockIsRight: () => store.clockSkew() <= largestSkew,
      secrets: deps.secrets,
      authorities,
      clock,
    }),
    prepare: trust.prepare,
    start: async () => {
      if (config.aws.audit_kms_keys === undefined && deps.secrets().audit === undefined)
        log.info({ event: 'audit_unsigned', reason: 'no audit key is configured: no checkpoints are made' })
      // Stopped while the store does not answer, nothing may begin any more.
      await Promise.all([feed.start(), stored.start()])
      if (stopped) return
      await chain.open().catch(storeFailed)
      if (stopped) return
      chain.start()
      admission.recheck.start()
      // Nothing is done without being asked before these tables are known to be the ones that were there before.
      await guard.start()
      if (stopped) return
      await agents.start()
      if (stopped) return
      steps.start()
      background.start()
      publishing.start()
    },
    stop: async () => {
      stopped = true
      feed.stop()
      stored.stop()
      steps.stop()
      admission.recheck.stop()
      await Promise.all([agents.stop(), background.stop(), publishing.stop()])
      // What these have still done is linked, and remembered.
      await Promise.all([chain.stop(), guard.stop()])
      store.close()
    },
  }
}

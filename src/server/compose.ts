import { AsyncLocalStorage } from 'node:async_hooks'
import { makeAdmit } from '../auth/admission.ts'
import { makeDecisions } from '../auth/decisions.ts'
import { type DenialAuditDeps, makeDenialAudit } from '../auth/denial-audit.ts'
import { makeRecheck } from '../auth/recheck.ts'
import { makeActivatePrincipal } from '../authority/activate-principal.ts'
import { makeAgentQueries } from '../authority/agent-queries.ts'
import { makeCreatePrincipal } from '../authority/create-principal.ts'
import { makeDeletePrincipal } from '../authority/delete-principal.ts'
import { makeClaimCommand } from '../authority/deliver-command.ts'
import { makeFinishCommand } from '../authority/finish-command.ts'
import { makeRecordFirstUse } from '../authority/first-use.ts'
import { makeIssue } from '../authority/issue.ts'
import type { IssuingDeps } from '../authority/issuing.ts'
import { makeRevocationWorker } from '../authority/mass-revocation.ts'
import { makeQueries } from '../authority/queries.ts'
import { makeRegisterAdmin } from '../authority/register-admin.ts'
import { makeRenew } from '../authority/renew.ts'
import { makeReportStatus } from '../authority/report-status.ts'
import { makeRevoke } from '../authority/revoke.ts'
import { makeSendCommand } from '../authority/send-command.ts'
import { makeGetRevocation, makeStartRevocation } from '../authority/start-revocation.ts'
import { makeSuspendPrincipal } from '../authority/suspend-principal.ts'
import { makeUpdatePrincipal } from '../authority/update-principal.ts'
import { timeOrderedId } from '../core/ids.ts'
import { day, second } from '../core/time.ts'
import { certificatePem } from '../pki/pem.ts'
import { makeAdmissionRows } from '../store/admission-rows.ts'
import { openStore, type StoreOptions } from '../store/client.ts'
import { withDeadline } from '../store/deadline.ts'
import { feedGap, largestSkew, makeFeedReader } from '../store/feed.ts'
import { openRegistry } from '../store/registry.ts'
import { makeFleet } from './agents/fleet.ts'
import { type Hub, makeHub } from './agents/hub.ts'
import { announce } from './announce.ts'
import { makeAuthorities } from './authorities.ts'
import { makeBackground } from './background.ts'
import type { Config } from './config.ts'
import type { Connections } from './connections.ts'
import { makeEffects } from './effects.ts'
import { makeJoining } from './joining.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import type { Plane, Verbs } from './plane.ts'
import { currentSocket } from './plugins/current-socket.ts'
import { makeReadiness } from './readiness.ts'
import type { Secrets } from './secrets.ts'

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
}

/** Puts one process's plane together: the one place where adapters are chosen. */
export const makePlane = (deps: PlaneDeps): Plane => {
  const { config, log, metrics, connections, clock } = deps
  const store = openStore({ tables: config.tables, observe: metrics.storeAnswered, ...deps.store })
  const authorities = makeAuthorities(deps.secrets, {
    hostname: config.hostname,
    oid_arc: config.oidArc,
    ...(config.publicUrl === undefined ? {} : { public_url: config.publicUrl }),
  })
  const decisions = makeDecisions()
  // Background work must not inherit the deadline, nor the socket, of the request that set it off.
  const outsideOfRequests = AsyncLocalStorage.snapshot()
  const applyEffects = makeEffects({
    decisions,
    connections,
    clock,
    supersedeGrace: config.supersedeGrace,
    onRevocationStarted: () => outsideOfRequests(() => void background.runRevocations()),
    agents: () => agents,
  })
  const registry = openRegistry({
    store,
    clock,
    random: Math.random,
    callerIsThere: () => currentSocket()?.destroyed !== true,
    holdBack: (record) => feed.holdBack(record),
    onCommitted: (record) => {
      feed.noteOwn(record.id)
      applyEffects(record)
    },
  })

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
    onGap: decisions.dropAll,
    onFailure: storeFailed,
    onSuccess: () => {
      if (degraded) log.info({ event: 'store_recovered' })
      degraded = false
    },
  })

  const rules = () => ({ supersede_grace: config.supersedeGrace })
  const rows = makeAdmissionRows(store)
  const recordDenial: DenialAuditDeps['record'] = (event, source) =>
    withDeadline(5 * second, () => registry.audit.record(event, source, clock()))
  const denials = makeDenialAudit({
    record: recordDenial,
    clock,
    onFailure: (error) => log.debug({ event: 'denial_not_audited', reason: (error as Error).message }),
  })
  const admit = makeAdmit({
    rules,
    decisions,
    readRows: rows.read,
    clock,
    recordFirstUse: makeRecordFirstUse({ registry, clock }),
    onDenied: denials.denied,
  })
  const recheck = makeRecheck({
    rules,
    decisions,
    held: connections.entries,
    isChanging: (principalId) => feed.isWriting(principalId),
    readMany: (wanted) => withDeadline(5 * second, () => rows.readMany(wanted)),
    clock,
    onLost: ({ serial_number }, code) => {
      if (code === 'certificate_superseded') connections.finish(serial_number)
      else connections.cut({ serial_number }, code)
    },
    onSilence: () => {
      for (const [socket] of connections.streams()) socket.destroy()
    },
    onFailure: storeFailed,
  })

  const commands = { registry, clock }
  const server_id = timeOrderedId(clock())
  const agents: Hub = makeHub({
    server_id,
    registry,
    claim: makeClaimCommand(commands),
    fleet: (streams) =>
      makeFleet({
        server_id,
        clock,
        streams,
        renew: (lease) => withDeadline(2 * second, () => registry.leases.renew(lease)),
        read: () => withDeadline(2 * second, () => registry.leases.all()),
        onFailure: storeFailed,
      }),
    trustBundleVersion: () => authorities().trustBundle.version,
    clock,
    random: Math.random,
    log,
    outsideOfRequests,
  })
  let toldVersion = authorities().trustBundle.version

  const horizon = () => Math.max(authorities().horizon, clock() + config.maxValidity) + day
  const issuing: IssuingDeps = {
    activeIssuer: () => authorities().active,
    trustBundlePem: () => authorities().trustBundle.roots_pem,
    isAuthorityKey: (spkiSha256) => authorities().keys.has(spkiSha256),
    maxValidity: config.maxValidity,
    clock,
    observeIssue: metrics.issueTook,
  }
  const changing = { registry, clock }
  const issue = makeIssue({ ...issuing, registry })
  const createPrincipal = makeCreatePrincipal(changing)
  const massRevocation = { registry, clock, horizon, settlingTime: deps.settlingTime }
  const joining = makeJoining({
    registry,
    issuing,
    config,
    log,
    clock,
    record: recordDenial,
    enrollPort: deps.enrollPort ?? (() => undefined),
    issuerPem: (issuerId) => {
      const der = authorities().certificates.get(issuerId)
      return der && certificatePem(der)
    },
    rootFingerprints: () => authorities().trustBundle.sha256,
  })
  const verbs: Verbs = announce(
    {
      ...makeQueries({ registry, clock, horizon }),
      createPrincipal,
      updatePrincipal: makeUpdatePrincipal(changing),
      suspendPrincipal: makeSuspendPrincipal(changing),
      activatePrincipal: makeActivatePrincipal(changing),
      deletePrincipal: makeDeletePrincipal(changing),
      issueCertificate: issue,
      renewCertificate: makeRenew({ ...issuing, registry }),
      revokeCertificate: makeRevoke(changing),
      startRevocation: makeStartRevocation(massRevocation),
      getRevocation: makeGetRevocation(massRevocation),
      ...makeAgentQueries({ registry, clock }),
      reportStatus: makeReportStatus({ registry, clock, heard: agents.heard, reportAfter: agents.reportAfter }),
      sendCommand: makeSendCommand(commands),
      finishCommand: makeFinishCommand(commands),
      ...joining.verbs,
    },
    { log, metrics, dropDecisions: decisions.dropPrincipal },
  )

  const background = makeBackground({
    revoke: makeRevocationWorker(massRevocation).run,
    removeDeparted: joining.removeDeparted,
    sweeps: [denials.sweep, joining.sweep],
    onStoreFailure: storeFailed,
    log,
  })

  // A feed that was never read grows old as well.
  const startedAt = clock()
  metrics.watch({
    feedAge: () => Math.max(0, clock() - (feed.lastSuccessAt() || startedAt)) / second,
  })

  let stopped = false
  return {
    verbs,
    present: (certificate) => authorities().present(certificate),
    admit,
    answers: registry.answers,
    attachAgent: agents.attach,
    askToRenew: agents.askToRenew,
    registerAdmin: makeRegisterAdmin({ registry, createPrincipal, issue }),
    trustBundle: () => authorities().trustBundle,
    issuerCertificates: () => authorities().certificates,
    trustChanged: () => {
      decisions.dropAll()
      const known = authorities().certificates
      for (const { presented } of connections.entries())
        if (!known.has(presented.issuer_id))
          connections.cut({ issuer_id: presented.issuer_id }, 'certificate_untrusted')
      const { version } = authorities().trustBundle
      if (version !== toldVersion) agents.trustChanged()
      toldVersion = version
    },
    failingChecks: makeReadiness({
      storeAnswers: () => !degraded && feed.lastSuccessAt() > 0,
      feedIsFresh: () => clock() - feed.lastSuccessAt() <= feedGap,
      clockIsRight: () => store.clockSkew() <= largestSkew,
      secrets: deps.secrets,
      authorities,
      clock,
    }),
    start: async () => {
      // Stopped while the store does not answer, nothing may begin any more.
      await feed.start()
      if (stopped) return
      recheck.start()
      await agents.start()
      if (stopped) return
      background.start()
    },
    stop: async () => {
      stopped = true
      feed.stop()
      recheck.stop()
      await Promise.all([agents.stop(), background.stop()])
      store.close()
    },
  }
}

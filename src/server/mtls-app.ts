import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { ControlError } from '../core/errors.ts'
import { type Clock, second, systemClock } from '../core/time.ts'
import { makeDenialLog } from './denial-log.ts'
import { describeRoutes } from './openapi.ts'
import type { Plane } from './plane.ts'
import { type AdmissionMetrics, admitCallers, type Connections } from './plugins/admission.ts'
import { type AnswerMetrics, type HttpApp, makeBaseApp } from './plugins/base-app.ts'
import { enterSocket } from './plugins/current-socket.ts'
import { type EventStreams, makeEventStreams } from './plugins/event-streams.ts'
import { answerOnce } from './plugins/idempotency.ts'
import { shedOverload } from './plugins/overload.ts'
import { demandPermissions } from './plugins/permission.ts'
import { makeRateLimit } from './plugins/rate-limit.ts'
import { limitStoreTime } from './plugins/store-time.ts'
import { addAgentEvents } from './routes/agent-events.ts'
import { addAgents } from './routes/agents.ts'
import { addAuditChains } from './routes/audit-chains.ts'
import { addAuditEvents } from './routes/audit-events.ts'
import { addAuthorities } from './routes/authorities.ts'
import { addCertificates } from './routes/certificates.ts'
import { addJoinRules } from './routes/join-rules.ts'
import { addJoinTokens } from './routes/join-tokens.ts'
import { addOpenApiDocument } from './routes/openapi-document.ts'
import { addPrincipals } from './routes/principals.ts'
import { whenAdmitting } from './routes/responses.ts'
import { addRevocations } from './routes/revocations.ts'
import { addTrustBundle } from './routes/trust-bundle.ts'
import { addWhoami } from './routes/whoami.ts'

/** Numbers of this application; the defaults are the contract's. */
export interface MtlsAppConfig {
  /** Per principal. */
  requestsPerSecond?: number
  burst?: number
  /** Milliseconds by which the event loop may be late, and requests in flight, before others than revocations wait. */
  maxLag?: number
  maxInFlight?: number
  /** Between two comments on an event stream, milliseconds. */
  heartbeat?: number
}

/** The part of the plane that speaks HTTP. */
export type ServedPlane = Pick<Plane, 'verbs' | 'admit' | 'answers' | 'trustBundle' | 'attachAgent'>

export interface MtlsAppDeps {
  plane: ServedPlane
  log: Logger
  metrics: AdmissionMetrics & AnswerMetrics
  connections: Connections
  /** The peer's address, from the PROXY header where there is one. */
  remoteAddressOf(socket: Socket): string
  clock?: Clock
  /** In [0, 1): jitter. */
  random?: () => number
  config?: MtlsAppConfig
}

export interface MtlsApp extends HttpApp {
  streams: EventStreams
}

/** What the store may take for one request, admission included, so that it is answered within 8 s. Milliseconds. */
const storeBudget = 7 * second

const limitRates = (
  app: FastifyInstance,
  clock: Clock,
  { requestsPerSecond = 50, burst = 100 }: MtlsAppConfig,
): void => {
  const limit = makeRateLimit({ perSecond: requestsPerSecond, burst, clock })
  app.addHook('onRequest', (request, _reply, done) => {
    const retryAfterSeconds = limit.take(request.caller.principal.principal_id)
    if (retryAfterSeconds === 0) return done()
    const detail = `at most ${requestsPerSecond} requests a second, ${burst} at once`
    done(new ControlError('rate_limited', detail, { retryAfterSeconds }))
  })
}

/** The whole API: for peers whose handshake our own check has passed, on sockets handed over by the TLS listener. */
export const makeMtlsApp = async (deps: MtlsAppDeps): Promise<MtlsApp> => {
  const { plane, log, connections, metrics, remoteAddressOf, clock = systemClock, config = {} } = deps
  const streams = makeEventStreams({ heartbeat: config.heartbeat ?? 25 * second, maxWaiting: 64 * 1024 })
  const base = await makeBaseApp({
    log,
    clock,
    random: deps.random,
    mayKnow: (request) => request.caller !== undefined,
    metrics,
    guard: (app) => {
      app.addHook('onRequest', (request, _reply, done) => enterSocket(request.raw.socket, done))
      limitStoreTime(app, storeBudget)
      shedOverload(app, { maxLag: config.maxLag ?? 2 * second, maxInFlight: config.maxInFlight ?? 2000 })
      admitCallers(app, {
        admit: (presented, source) => plane.admit(presented, source),
        connections,
        remoteAddressOf,
        metrics,
        denied: makeDenialLog(log, clock),
      })
      limitRates(app, clock, config)
    },
    authorize: (app) => {
      demandPermissions(app, { getCertificate: (serialNumber) => plane.verbs.getCertificate(serialNumber) })
    },
  })
  const { app } = base
  answerOnce(app, {
    find: (key) => plane.answers.find(key),
    keep: (once, body) => plane.answers.keep(once, body),
  })
  describeRoutes(app)
  addWhoami(app, clock)
  addCertificates(app, plane)
  addPrincipals(app, plane)
  addRevocations(app, plane)
  addJoinTokens(app, plane)
  addJoinRules(app, plane)
  addTrustBundle(app, () => plane.trustBundle(), whenAdmitting)
  addAuditEvents(app, plane)
  addAuditChains(app, plane)
  addAgents(app, plane)
  addAuthorities(app, plane)
  addAgentEvents(app, { plane, connections, streams })
  addOpenApiDocument(app)
  await app.ready()
  return { ...base, streams }
}

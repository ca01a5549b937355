import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import { type Clock, second, systemClock } from '../core/time.ts'
import { enterDeadline } from '../store/deadline.ts'
import { describeRoutes } from './openapi.ts'
import type { Plane } from './plane.ts'
import { type AnswerMetrics, type HttpApp, makeBaseApp } from './plugins/base-app.ts'
import { shedOverload } from './plugins/overload.ts'
import { addEnrollments } from './routes/enrollments.ts'
import { addTrustBundle } from './routes/trust-bundle.ts'

export interface EnrollAppDeps {
  plane: Pick<Plane, 'trustBundle' | 'verbs'>
  log: Logger
  metrics: AnswerMetrics
  /** The peer's address, from the PROXY header where there is one. */
  remoteAddressOf(socket: Socket): string
  clock?: Clock
  /** Milliseconds; see ServeDeps. */
  maxLag?: number
}

/** What the store may take for one request, milliseconds. */
const storeBudget = 7 * second
/** Milliseconds by which the event loop may be late, and requests in flight: fewer than of those with a certificate. */
const overload = { maxLag: second / 2, maxInFlight: 500 }

/** Joining and public trust material: for peers without a certificate, who are told no more than a code. */
export const makeEnrollApp = async (deps: EnrollAppDeps): Promise<HttpApp> => {
  const { plane, log, metrics, remoteAddressOf, clock = systemClock, maxLag = overload.maxLag } = deps
  const base = await makeBaseApp({
    log,
    clock,
    mayKnow: () => false,
    metrics,
    guard: (app) => shedOverload(app, { ...overload, maxLag }),
  })
  const { app } = base
  app.addHook('preHandler', (_request, _reply, done) => enterDeadline(storeBudget, done))
  describeRoutes(app)
  addEnrollments(app, { plane, remoteAddressOf })
  addTrustBundle(app, () => plane.trustBundle(), ['overloaded'])
  await app.ready()
  return base
}

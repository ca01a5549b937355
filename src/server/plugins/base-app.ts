import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import { ControlError } from '../../core/errors.ts'
import { timeOrderedId } from '../../core/ids.ts'
import type { Clock } from '../../core/time.ts'
import { isAcceptable } from './accept.ts'
import { awaitsContinue, makeHttpServer, refuseUnreadable } from './http-server.ts'
import { acceptJsonBodies, bodyLimit } from './json-body.ts'
import { makeKnownPaths } from './known-paths.ts'
import { answerProblems } from './problems.ts'
import { announcesBody, faultOf } from './request-shape.ts'
import { setStandingHeaders } from './security-headers.ts'
import { readQueries } from './validation.ts'
import { makeValidators } from './validators.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Media types of the answer, for Accept; JSON when absent. */
    produces?: readonly string[]
  }
}

export interface AnswerMetrics {
  answered(status: number): void
}

export interface BaseAppOptions {
  log: Logger
  clock: Clock
  /** In [0, 1): jitter. */
  random?: (() => number) | undefined
  mayKnow: (request: FastifyRequest) => boolean
  metrics: AnswerMetrics
  /** Hooks that run before a caller learns anything: admission, limits. */
  guard?: (app: FastifyInstance) => void
  /** Hooks that run once the route is known to exist. */
  authorize?: (app: FastifyInstance) => void
}

export interface HttpApp {
  app: FastifyInstance
  /** Takes sockets by `emit('connection', socket)`. */
  httpServer: Server
  /** Builds what the first requests would otherwise wait for. Throws where a schema makes no sense. */
  warm(): Promise<void>
}

const json = ['application/json'] as const

/** Refuses what the router would refuse, in its place: malformed, unknown path, wrong method. */
const refuseUnrouted = (app: FastifyInstance): void => {
  const whyUnrouted = makeKnownPaths(app)
  app.addHook('onRequest', (request, reply, done) => {
    const fault = faultOf(request.raw)
    if (fault !== undefined) return done(fault)
    if (!request.is404) return done()
    const { error, allow } = whyUnrouted(request)
    if (allow !== undefined) reply.header('allow', allow)
    done(error)
  })
}

/** Checks Accept and that no body comes where none belongs, and tells a peer that asked first that it may send its body now. */
const negotiate = (app: FastifyInstance): void => {
  app.addHook('onRequest', (request, reply, done) => {
    const produces = request.routeOptions.config.produces ?? json
    if (!isAcceptable(request.headers.accept, produces)) {
      return done(new ControlError('not_acceptable', `this is answered as ${produces.join(' or ')}`))
    }
    if ((request.method === 'GET' || request.method === 'HEAD') && announcesBody(request.raw)) {
      return done(new ControlError('invalid_request', `${request.method} takes no body`))
    }
    const tooLarge = Number(request.headers['content-length'] ?? 0) > bodyLimit
    if (awaitsContinue(request.raw) && !tooLarge) reply.raw.writeContinue()
    done()
  })
}

/**
 * What both applications are made of. The order of the hooks is the order of trust: standing headers, the guard,
 * then whether there is such a route at all, then who may use it, and only then does anybody read a body.
 */
export const makeBaseApp = async (options: BaseAppOptions): Promise<HttpApp> => {
  const { log, clock, random = Math.random, mayKnow, metrics, guard, authorize } = options
  let httpServer: Server | undefined
  const validators = makeValidators()
  const app = fastify({
    logger: false,
    serverFactory: (handler) => {
      httpServer = makeHttpServer(handler as (request: IncomingMessage, response: ServerResponse) => void, clock)
      return httpServer
    },
    clientErrorHandler: (error, socket) => refuseUnreadable(error, socket, clock),
    schemaController: validators.controller,
    bodyLimit,
    genReqId: () => timeOrderedId(clock()),
    requestIdHeader: false,
    return503OnClosing: false,
    routerOptions: { maxParamLength: 2048 },
  })
  answerProblems(app, { log, mayKnow, random })
  await setStandingHeaders(app)
  guard?.(app)
  refuseUnrouted(app)
  authorize?.(app)
  negotiate(app)
  acceptJsonBodies(app)
  readQueries(app)
  app.addHook('onResponse', (_request, reply, done) => {
    metrics.answered(reply.statusCode)
    done()
  })
  app.addHook('onClose', async () => {
    httpServer?.close()
    httpServer?.closeAllConnections()
  })
  return { app, httpServer: httpServer as Server, warm: validators.warm }
}

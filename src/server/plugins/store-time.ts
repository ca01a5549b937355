import type { FastifyInstance } from 'fastify'
import { enterDeadline, timeLeft } from '../../store/deadline.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** What was left when the body began to arrive, milliseconds. */
    storeTime: number
  }
}

/** One budget, in milliseconds, for all that a request asks of the store; it stands still while the body arrives. */
export const limitStoreTime = (app: FastifyInstance, budget: number): void => {
  app.decorateRequest('storeTime', 0)
  app.addHook('onRequest', (_request, _reply, done) => enterDeadline(budget, done))
  app.addHook('preParsing', (request, _reply, _payload, done) => {
    request.storeTime = timeLeft()
    done(null)
  })
  app.addHook('preHandler', (request, _reply, done) => enterDeadline(request.storeTime, done))
}

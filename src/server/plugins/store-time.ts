import type { FastifyInstance } from 'fastify'
import { type Deadline, deadlineOfWork, enterDeadline, resumeDeadline, timeLeft } from '../../store/deadline.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** What was left when the body began to arrive, milliseconds. */
    storeTime: number
    deadline: Deadline | undefined
  }
}

/** One budget, in milliseconds, for all that a request asks of the store; it stands still while the body arrives. */
export const limitStoreTime = (app: FastifyInstance, budget: number): void => {
  app.decorateRequest('storeTime', 0)
  app.decorateRequest('deadline', undefined)
  app.addHook('onRequest', (_request, _reply, done) => enterDeadline(budget, done))
  app.addHook('preParsing', (request, _reply, _payload, done) => {
    request.storeTime = timeLeft()
    request.deadline = deadlineOfWork()
    done(null)
  })
  app.addHook('preHandler', (request, _reply, done) => resumeDeadline(request.deadline, request.storeTime, done))
}

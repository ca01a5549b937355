import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { sha256Hex } from '../../core/bytes.ts'
import { ControlError } from '../../core/errors.ts'
import { AlreadyAnswered, type Once } from '../../core/once.ts'
import type { Plane, StoredAnswer } from '../plane.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The status of a success: kept with an answer that is to be given again. */
    success?: number
  }
  interface FastifyRequest {
    /** Present when the caller sent an Idempotency-Key. */
    once: Once | undefined
  }
}

/** Where an answer is kept: JSON keeps the four parts apart whatever they hold. */
const keyOf = ({ caller, method, url, headers }: FastifyRequest): string =>
  sha256Hex(JSON.stringify([caller.principal.principal_id, method, url.split('?')[0], headers['idempotency-key']]))

const sameAnswer = (stored: StoredAnswer, once: Once): StoredAnswer => {
  if (stored.body_sha256 === once.body_sha256) return stored
  throw new ControlError('idempotency_key_reused', 'this key came with another body before: use a new one')
}

/**
 * Writing twice: a POST that comes again with its Idempotency-Key is answered as before, and nothing happens again.
 * The verb stores its answer together with its effect; what it did not store is kept here before it leaves.
 */
export const answerOnce = (app: FastifyInstance, answers: Plane['answers']): void => {
  app.decorateRequest('once', undefined)

  /** Throws the answer that was given before; otherwise the request carries what its verb is to store. */
  const replay = async (request: FastifyRequest, once: Once): Promise<void> => {
    const stored = await answers.find(once.key)
    if (stored !== undefined) {
      const { status, body } = sameAnswer(stored, once)
      throw new AlreadyAnswered(status, body)
    }
    request.once = once
  }

  /** Of two that ran at once, the first answer stands for both. */
  const keep = async (reply: FastifyReply, once: Once, payload: unknown): Promise<unknown> => {
    const first = await answers.keep(once, payload)
    if (first === undefined) return payload
    const { status, body } = sameAnswer(first, once)
    reply.code(status).header('idempotency-replayed', 'true')
    return body
  }

  app.addHook('preHandler', (request: FastifyRequest, _reply, done) => {
    const { success } = request.routeOptions.config
    const key = request.headers['idempotency-key']
    if (request.method !== 'POST' || key === undefined || success === undefined) return done()
    const once: Once = {
      key: keyOf(request),
      body_sha256: sha256Hex(request.rawBody ?? ''),
      status: success,
      kept: false,
    }
    replay(request, once).then(() => done(), done)
  })
  app.addHook('preSerialization', (request: FastifyRequest, reply: FastifyReply, payload: unknown, done) => {
    const { once } = request
    const isFirst = once?.kept === false && reply.statusCode === once.status && !reply.hasHeader('idempotency-replayed')
    if (!isFirst) return done(null, payload)
    keep(reply, once, payload).then((answer) => done(null, answer), done)
  })
}

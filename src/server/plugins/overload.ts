import type { FastifyInstance } from 'fastify'
import { ControlError } from '../../core/errors.ts'

export interface OverloadOptions {
  /** How late the event loop may be, milliseconds, and how many requests may be in flight. */
  maxLag: number
  maxInFlight: number
}

const sampleInterval = 100

/** How late the event loop runs now: a timer that should have fired by now counts as well as the last that did. */
const makeLagMeter = () => {
  let due = performance.now() + sampleInterval
  let last = 0
  const timer = setInterval(() => {
    const now = performance.now()
    last = Math.max(0, now - due)
    due = now + sampleInterval
  }, sampleInterval)
  timer.unref()
  return { lag: () => Math.max(last, performance.now() - due), stop: () => clearInterval(timer) }
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Served even when too busy for the rest: what takes rights away. */
    first?: boolean
  }
  interface FastifyRequest {
    /** Ends this request's place among those in flight: its answer is made, whether or not the peer reads it. */
    leaveFlight: () => void
  }
}

/** Refuses work that would be late anyway, so that revocations are not. */
export const shedOverload = (app: FastifyInstance, { maxLag, maxInFlight }: OverloadOptions): void => {
  const meter = makeLagMeter()
  let inFlight = 0
  app.addHook('onClose', async () => meter.stop())
  app.decorateRequest('leaveFlight', () => undefined)
  app.addHook('onRequest', (request, reply, done) => {
    inFlight += 1
    let counted = true
    request.leaveFlight = () => {
      if (counted) inFlight -= 1
      counted = false
    }
    reply.raw.once('close', request.leaveFlight)
    if (request.routeOptions.config.first === true) return done()
    if (inFlight > maxInFlight || meter.lag() > maxLag) {
      return done(
        new ControlError('overloaded', 'too busy now; revocations are still served', { retryAfterSeconds: 2 }),
      )
    }
    done()
  })
  // What waits for a peer that does not read costs memory, and is no work.
  app.addHook('onSend', (request, _reply, payload, done) => {
    request.leaveFlight()
    done(null, payload)
  })
}

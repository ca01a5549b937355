import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import type { Straggler } from '../../core/authority.ts'
import { type ErrorCode, type InputFault, isControlError } from '../../core/errors.ts'
import { AlreadyAnswered } from '../../core/once.ts'
import { problemOf, statusOfCode } from '../../wire/problem.ts'
import { inputFaults } from './validation.ts'

/** What is said of a refusal; `unknown` when nobody meant it. */
interface Refusal {
  code: ErrorCode
  detail?: string
  errors?: InputFault[] | undefined
  stragglers?: Straggler[] | undefined
  retryAfterSeconds?: number | undefined
  unknown?: true
}

const codeOfFrameworkError: Record<string, ErrorCode> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'payload_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_MAX_PARAM_LENGTH: 'uri_too_long',
}

const detailOfCode: Partial<Record<ErrorCode, string>> = {
  payload_too_large: 'a body has at most 65536 octets',
  unsupported_media_type: 'send the body as application/json',
}

const fromFramework = (error: FastifyError): Refusal => {
  if (error.validation !== undefined) {
    const errors = inputFaults(error.validation, error.validationContext ?? 'body')
    const first = errors[0]
    return {
      code: 'invalid_request',
      detail: first === undefined ? '' : `${first.pointer} ${first.detail}`.trim(),
      errors,
    }
  }
  const code = codeOfFrameworkError[error.code] ?? 'invalid_request'
  return { code, detail: detailOfCode[code] ?? 'the request could not be read' }
}

const refusalOf = (error: unknown): Refusal => {
  if (isControlError(error)) {
    const { code, message: detail, errors, stragglers, retryAfterSeconds } = error
    return code === 'internal_error' ? { code, unknown: true } : { code, detail, errors, stragglers, retryAfterSeconds }
  }
  const { statusCode } = (error ?? {}) as Partial<FastifyError>
  // The framework gives 4xx to faults of the sender: bad framing, a body that ends early.
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return fromFramework(error as FastifyError)
  return { code: 'internal_error', unknown: true }
}

const defaultRetryAfterSeconds = 1

export interface ProblemOptions {
  log: Logger
  /** Whether this caller may be told more than the code. */
  mayKnow: (request: FastifyRequest) => boolean
  /** In [0, 1): jitter. */
  random: () => number
}

/** Everybody who is told the same number comes back at the same moment: they are spread over as long again. Whole seconds. */
const spread = (seconds: number, random: () => number): number => seconds + Math.floor(random() * (seconds + 1))

/** One error handler: whatever was thrown, anywhere, is answered with a problem document. @see RFC 9457 */
export const answerProblems = (app: FastifyInstance, { log, mayKnow, random }: ProblemOptions): void => {
  const answer = (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const refusal = refusalOf(error)
    if (refusal.unknown) {
      log.error({ event: 'request_failed', request_id: request.id, route: request.routeOptions.url, err: error })
    }
    const { code, detail, errors, stragglers } = refusal
    const status = statusOfCode[code]
    if (status === 401) reply.header('connection', 'close')
    if (status === 429 || status === 503) {
      reply.header('retry-after', String(spread(refusal.retryAfterSeconds ?? defaultRetryAfterSeconds, random)))
    }
    const problem = problemOf(mayKnow(request) ? { code, detail, errors, stragglers } : { code }, request.id)
    // As bytes: the framework would add a charset to the type of a string.
    reply
      .code(status)
      .type('application/problem+json')
      .send(Buffer.from(JSON.stringify(problem)))
  }
  app.setErrorHandler((error, request, reply) => {
    if (error instanceof AlreadyAnswered) {
      reply.code(error.status).header('idempotency-replayed', 'true').send(error.body)
    } else answer(error, request, reply)
  })
}

import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify'
import type { Static, TSchema } from 'typebox'
import type { Admitted } from '../../auth/caller.ts'
import type { Permission } from '../../auth/permissions.ts'
import type { CallerRequest } from '../../authority/request.ts'
import type { ErrorCode } from '../../core/errors.ts'
import type { PrincipalType } from '../../core/principal.ts'
import { idempotencyKeyPattern, ifMatchPattern, versionOfTag, versionTag } from '../../wire/conditions.ts'
import { Type } from '../../wire/schema.ts'
import type { Expected } from '../plane.ts'
import {
  entityTag,
  problemResponses,
  replayed,
  successResponse,
  whenAdmitting,
  whenReadingBodies,
} from './responses.ts'

type Part = TSchema | undefined
type Of<S extends Part> = S extends TSchema ? Static<S> : undefined

/** What a route's one call works with. */
export interface Call<P extends Part, Q extends Part, B extends Part> {
  params: Of<P>
  query: Of<Q>
  body: Of<B>
  caller: Admitted
  request: CallerRequest
  /** The version of `If-Match`, when there was one. */
  expected: Expected
  /** Ends the connection after this answer: the caller has just taken away its own right to it. */
  leave(): void
  /** What was to be made was there: the answer has the status 200. */
  wasThere(): void
}

export interface Operation<P extends Part, Q extends Part, B extends Part, A extends TSchema> {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  url: string
  operationId: string
  tag: string
  summary: string
  description?: string
  permission: Permission
  ownCertificate?: true
  types?: readonly PrincipalType[]
  /** Served first when there is too much to do. */
  first?: true
  params?: P
  query?: Q
  body?: B
  /** True when `If-Match` is honoured. */
  conditional?: true
  answer: { status: 200 | 201 | 202; schema: A; description: string }
  /** What the same answer with the status 200 means. */
  again?: string
  /** Codes beyond those that every operation can answer. */
  problems?: readonly ErrorCode[]
  run(call: Call<P, Q, B>): Promise<Static<A>>
}

// biome-ignore lint/suspicious/noExplicitAny: for what does not depend on the parts
type AnyOperation = Operation<any, any, any, any>

const headersOf = ({ method, conditional }: AnyOperation): TSchema | undefined => {
  if (method === 'POST') {
    const description = 'Makes a repetition of this request safe: the same key and body give the same answer for 24 h'
    return Type.Object({
      'Idempotency-Key': Type.Optional(Type.String({ pattern: idempotencyKeyPattern, maxLength: 128, description })),
      ...(conditional ? ifMatch : {}),
    })
  }
  return conditional ? Type.Object(ifMatch) : undefined
}

const ifMatch = {
  'If-Match': Type.Optional(
    Type.String({ pattern: ifMatchPattern, description: 'The version that is to be changed, quoted: `"3"`' }),
  ),
}

const problemsOf = ({ method, permission, types, conditional, problems }: AnyOperation): ErrorCode[] => [
  ...whenAdmitting,
  ...(permission === 'any' || (permission === 'self' && types === undefined) ? [] : ['permission_denied' as const]),
  ...(method === 'GET' ? [] : whenReadingBodies),
  ...(method === 'POST' ? ['idempotency_key_reused' as const] : []),
  ...(conditional ? ['version_mismatch' as const] : []),
  ...(problems ?? []),
]

const schemaOf = (operation: AnyOperation): FastifySchema => {
  const { operationId, tag, summary, description, params, query, body, answer, method } = operation
  const headers = headersOf(operation)
  const answerHeaders = {
    ...(answer.schema.properties.version?.type === 'integer' ? entityTag : {}),
    ...(method === 'POST' ? replayed : {}),
  }
  return {
    operationId,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(params === undefined ? {} : { params }),
    ...(query === undefined ? {} : { querystring: query }),
    ...(body === undefined ? {} : { body }),
    ...(headers === undefined ? {} : { headers }),
    'x-permission': operation.ownCertificate
      ? `${operation.permission}, or any for own certificates`
      : operation.permission,
    ...(operation.types === undefined ? {} : { 'x-principal-types': operation.types }),
    response: {
      [answer.status]: successResponse(answer.description, { 'application/json': answer.schema }, answerHeaders),
      ...(operation.again === undefined
        ? {}
        : { 200: successResponse(operation.again, { 'application/json': answer.schema }, answerHeaders) }),
      ...problemResponses(problemsOf(operation)),
    },
  } as FastifySchema
}

/** What a verb learns of the request that it serves. */
export const callerRequestOf = (http: FastifyRequest): CallerRequest => ({
  caller: http.caller,
  attribution: {
    actor: http.caller.principal.principal_id,
    request_id: http.id,
    remote_address: http.remoteAddress,
  },
  ...(http.once === undefined ? {} : { once: http.once }),
})

const expectedOf = (http: FastifyRequest): Expected => {
  const tag = http.headers['if-match']
  const version = tag === undefined ? undefined : versionOfTag(tag)
  return version === undefined ? {} : { version }
}

/** Tags an answer that has a version, so that it can be sent back as `If-Match`. */
const tagVersion = (reply: FastifyReply, answer: unknown): void => {
  const { version } = answer as { version?: unknown }
  if (typeof version === 'number') reply.header('etag', versionTag(version))
}

/** Adds one route: its schemas, who may call it, and the one call that it makes. */
export const addOperation = <P extends Part, Q extends Part, B extends Part, A extends TSchema>(
  app: FastifyInstance,
  operation: Operation<P, Q, B, A>,
): void => {
  const { method, url, permission, ownCertificate, types, first, answer } = operation
  app.route({
    method,
    url,
    schema: schemaOf(operation),
    config: {
      permission,
      success: answer.status,
      ...(ownCertificate === undefined ? {} : { ownCertificate }),
      ...(types === undefined ? {} : { types }),
      ...(first === undefined ? {} : { first }),
    },
    handler: async (http, reply) => {
      let status: number = answer.status
      const document = await operation.run({
        params: http.params as Of<P>,
        query: http.query as Of<Q>,
        body: http.body as Of<B>,
        caller: http.caller,
        request: callerRequestOf(http),
        expected: operation.conditional ? expectedOf(http) : {},
        leave: () => void reply.header('connection', 'close'),
        wasThere: () => {
          status = 200
        },
      })
      reply.code(status)
      tagVersion(reply, document)
      return document
    },
  })
}

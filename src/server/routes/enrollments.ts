import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { ErrorCode } from '../../core/errors.ts'
import { Enroll, Enrollment } from '../../wire/enrollments.ts'
import type { Plane } from '../plane.ts'
import { problemResponses, replayed, successResponse, whenReadingBodies } from './responses.ts'

const problems: readonly ErrorCode[] = [
  ...whenReadingBodies,
  'csr_invalid',
  'csr_key_rejected',
  'join_refused',
  'key_already_registered',
  'rate_limited',
  'store_unavailable',
  'issuer_unavailable',
  'overloaded',
]

export interface EnrollmentsDeps {
  plane: Pick<Plane, 'verbs'>
  remoteAddressOf(socket: Socket): string
}

/** Joining: the one call of those who have no certificate yet. */
export const addEnrollments = (app: FastifyInstance, { plane, remoteAddressOf }: EnrollmentsDeps): void => {
  app.route({
    method: 'POST',
    url: '/v1/enrollments',
    config: { permission: 'any' },
    schema: {
      operationId: 'enroll',
      tags: ['joining'],
      summary: 'Join: become a principal with a first certificate',
      description:
        'On the enrolment listener only. A refused join is `join_refused` and nothing else; the audit log has the reason. ' +
        'The same request with the same proof gives the same certificate again while the proof is good, and with another ' +
        'proof of the same platform identity while the certificate is.',
      body: Enroll,
      'x-permission': 'none',
      response: {
        201: successResponse('The first certificate', { 'application/json': Enrollment }, replayed),
        ...problemResponses(problems),
      },
    } as never,
    handler: async (request, reply) => {
      const source = { remote_address: remoteAddressOf(request.raw.socket), request_id: request.id }
      const document = await plane.verbs.enroll(source, request.body as Enroll)
      reply.code(201)
      return document
    },
  })
}

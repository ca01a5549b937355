import type { FastifyInstance } from 'fastify'
import { Revocation, RevocationParams, StartRevocation } from '../../wire/revocations.ts'
import type { Plane } from '../plane.ts'
import { addOperation } from './operation.ts'

const tag = 'revocations'

export const addRevocations = (app: FastifyInstance, plane: Pick<Plane, 'verbs'>): void => {
  addOperation(app, {
    method: 'POST',
    url: '/v1/revocations',
    operationId: 'startRevocation',
    tag,
    summary: 'Revoke many certificates',
    description:
      'Those that match every filter given, with what is renewed from them meanwhile; never the one presented. Runs in the ' +
      'background and survives a crash; for 20 s after the call it also takes what was being issued then. `dry_run` only counts.',
    permission: 'certs:manage',
    first: true,
    body: StartRevocation,
    answer: { status: 202, schema: Revocation, description: 'The revocation, under way' },
    run: ({ request, body }) => plane.verbs.startRevocation(request, body),
  })

  addOperation(app, {
    method: 'GET',
    url: '/v1/revocations/:revocation_id',
    operationId: 'getRevocation',
    tag,
    summary: 'How far a revocation is',
    permission: 'certs:manage',
    params: RevocationParams,
    answer: { status: 200, schema: Revocation, description: 'The revocation' },
    problems: ['not_found'],
    run: ({ params }) => plane.verbs.getRevocation(params.revocation_id),
  })
}

import type { FastifyInstance } from 'fastify'
import {
  CreatedJoinToken,
  CreateJoinToken,
  JoinToken,
  JoinTokenPage,
  JoinTokenParams,
  ListJoinTokens,
} from '../../wire/join-tokens.ts'
import type { Plane } from '../plane.ts'
import { addOperation } from './operation.ts'

const tag = 'joining'

export const addJoinTokens = (app: FastifyInstance, plane: Pick<Plane, 'verbs'>): void => {
  addOperation(app, {
    method: 'POST',
    url: '/v1/join-tokens',
    operationId: 'createJoinToken',
    tag,
    summary: 'Make a join token',
    description:
      'The secret is in this answer and never again: given twice, the same Idempotency-Key has the record without it. ' +
      'Without `principal_id` and `id_prefix`, ids begin with the type.',
    permission: 'tokens:manage',
    body: CreateJoinToken,
    answer: { status: 201, schema: CreatedJoinToken, description: 'The new token, with its secret' },
    run: ({ request, body }) => plane.verbs.createJoinToken(request, body),
  })

  addOperation(app, {
    method: 'GET',
    url: '/v1/join-tokens',
    operationId: 'listJoinTokens',
    tag,
    summary: 'List join tokens',
    description: 'Newest first, up to 30 days after their end. A page may be short.',
    permission: 'tokens:manage',
    query: ListJoinTokens,
    answer: { status: 200, schema: JoinTokenPage, description: 'One page' },
    problems: ['page_token_mismatch'],
    run: ({ query }) => plane.verbs.listJoinTokens(query),
  })

  addOperation(app, {
    method: 'GET',
    url: '/v1/join-tokens/:join_token_id',
    operationId: 'getJoinToken',
    tag,
    summary: 'Read a join token',
    permission: 'tokens:manage',
    params: JoinTokenParams,
    answer: { status: 200, schema: JoinToken, description: 'The token, without its secret' },
    problems: ['not_found'],
    run: ({ params }) => plane.verbs.getJoinToken(params.join_token_id),
  })

  addOperation(app, {
    method: 'DELETE',
    url: '/v1/join-tokens/:join_token_id',
    operationId: 'revokeJoinToken',
    tag,
    summary: 'Revoke a join token',
    description: 'Nobody joins by it any more; who has joined stays. Again: the same answer.',
    permission: 'tokens:manage',
    first: true,
    params: JoinTokenParams,
    answer: { status: 200, schema: JoinToken, description: 'The revoked token' },
    problems: ['not_found'],
    run: ({ request, params }) => plane.verbs.revokeJoinToken(request, params.join_token_id),
  })
}

import type { FastifyInstance } from 'fastify'
import {
  CreatePrincipal,
  ListPrincipals,
  Principal,
  PrincipalPage,
  PrincipalParams,
  SuspendPrincipal,
  UpdatePrincipal,
} from '../../wire/principals.ts'
import type { Plane } from '../plane.ts'
import { addOperation } from './operation.ts'

const tag = 'principals'

export const addPrincipals = (app: FastifyInstance, plane: Pick<Plane, 'verbs'>): void => {
  addOperation(app, {
    method: 'POST',
    url: '/v1/principals',
    operationId: 'createPrincipal',
    tag,
    summary: 'Register a principal',
    description: 'The id is never given out again, not even after the principal is deleted.',
    permission: 'principals:manage',
    body: CreatePrincipal,
    answer: { status: 201, schema: Principal, description: 'The new principal' },
    problems: ['principal_exists'],
    run: ({ request, body }) => plane.verbs.createPrincipal(request, body),
  })

  addOperation(app, {
    method: 'GET',
    url: '/v1/principals',
    operationId: 'listPrincipals',
    tag,
    summary: 'List principals',
    description: 'A page may be short; only an absent `next_page_token` ends the list.',
    permission: 'principals:read',
    query: ListPrincipals,
    answer: { status: 200, schema: PrincipalPage, description: 'One page' },
    problems: ['page_token_mismatch'],
    run: ({ query }) => plane.verbs.listPrincipals(query),
  })

  addOperation(app, {
    method: 'GET',
    url: '/v1/principals/:principal_id',
    operationId: 'getPrincipal',
    tag,
    summary: 'Read a principal',
    permission: 'principals:read',
    params: PrincipalParams,
    answer: { status: 200, schema: Principal, description: 'The principal' },
    problems: ['not_found'],
    run: ({ params }) => plane.verbs.getPrincipal(params.principal_id),
  })

  addOperation(app, {
    method: 'PATCH',
    url: '/v1/principals/:principal_id',
    operationId: 'updatePrincipal',
    tag,
    summary: 'Change a principal',
    description: '`null` clears a field. A lower `max_certificates` blocks new certificates and revokes none.',
    permission: 'principals:manage',
    params: PrincipalParams,
    body: UpdatePrincipal,
    conditional: true,
    answer: { status: 200, schema: Principal, description: 'The principal as it is now' },
    problems: ['not_found', 'invalid_transition'],
    run: ({ request, params, body, expected }) =>
      plane.verbs.updatePrincipal(request, params.principal_id, body, expected),
  })

  addOperation(app, {
    method: 'POST',
    url: '/v1/principals/:principal_id/suspend',
    operationId: 'suspendPrincipal',
    tag,
    summary: 'Suspend a principal',
    description: 'All its connections are cut, on every server. Of a suspended one: nothing changes.',
    permission: 'principals:manage',
    first: true,
    params: PrincipalParams,
    body: SuspendPrincipal,
    conditional: true,
    answer: { status: 200, schema: Principal, description: 'The suspended principal' },
    problems: ['not_found', 'last_admin', 'invalid_transition'],
    run: ({ request, params, body, expected, caller, leave }) => {
      if (params.principal_id === caller.principal.principal_id) leave()
      return plane.verbs.suspendPrincipal(request, params.principal_id, body, expected)
    },
  })

  addOperation(app, {
    method: 'POST',
    url: '/v1/principals/:principal_id/activate',
    operationId: 'activatePrincipal',
    tag,
    summary: 'Let a suspended principal back in',
    description: 'Effective within 2 s everywhere; also clears `rejoin_blocked`.',
    permission: 'principals:manage',
    params: PrincipalParams,
    conditional: true,
    answer: { status: 200, schema: Principal, description: 'The active principal' },
    problems: ['not_found', 'invalid_transition'],
    run: ({ request, params, expected }) => plane.verbs.activatePrincipal(request, params.principal_id, expected),
  })

  addOperation(app, {
    method: 'DELETE',
    url: '/v1/principals/:principal_id',
    operationId: 'deletePrincipal',
    tag,
    summary: 'Delete a principal',
    description: 'Its record stays, with status `deleted`; all its certificates are revoked. Again: the same answer.',
    permission: 'principals:manage',
    first: true,
    params: PrincipalParams,
    answer: { status: 200, schema: Principal, description: 'The deleted principal' },
    problems: ['not_found', 'last_admin'],
    run: ({ request, params, caller, leave }) => {
      if (params.principal_id === caller.principal.principal_id) leave()
      return plane.verbs.deletePrincipal(request, params.principal_id)
    },
  })
}

import type { FastifyInstance } from 'fastify'
import {
  ActivateAuthority,
  Authority,
  AuthorityDetails,
  AuthorityPage,
  AuthorityParams,
  ListAuthorities,
  PrepareAuthority,
  RemoveAuthority,
  RetireAuthority,
} from '../../wire/authorities.ts'
import type { Plane } from '../plane.ts'
import { addOperation } from './operation.ts'

const tag = 'authorities'

export const addAuthorities = (app: FastifyInstance, plane: Pick<Plane, 'verbs'>): void => {
  addOperation(app, {
    method: 'GET',
    url: '/v1/authorities',
    operationId: 'listAuthorities',
    tag,
    summary: 'List roots and issuers',
    description:
      'Roots come from the configuration of the server that answers; issuers from there and from the registry.',
    permission: 'authorities:read',
    query: ListAuthorities,
    answer: { status: 200, schema: AuthorityPage, description: 'One page' },
    problems: ['page_token_mismatch'],
    run: ({ query }) => plane.verbs.listAuthorities(query),
  })

  addOperation(app, {
    method: 'GET',
    url: '/v1/authorities/:issuer_id',
    operationId: 'getAuthority',
    tag,
    summary: 'Read a root or an issuer',
    description: 'Of an issuer that is not removed, `rollout` says how far servers and agents are.',
    permission: 'authorities:read',
    params: AuthorityParams,
    answer: { status: 200, schema: AuthorityDetails, description: 'The authority' },
    problems: ['not_found'],
    run: ({ params }) => plane.verbs.getAuthority(params.issuer_id),
  })

  addOperation(app, {
    method: 'POST',
    url: '/v1/authorities',
    operationId: 'prepareAuthority',
    tag,
    summary: 'Make an issuer known',
    description:
      'Every server trusts what it signs, and it signs nothing yet. A root of the trust bundle must have signed its certificate.',
    permission: 'authorities:manage',
    body: PrepareAuthority,
    answer: { status: 201, schema: Authority, description: 'The prepared issuer' },
    again: 'The issuer, which was known before',
    problems: ['invalid_transition', 'key_already_registered'],
    run: async ({ request, body, wasThere }) => {
      const { authority, created } = await plane.verbs.prepareAuthority(request, body)
      if (!created) wasThere()
      return authority
    },
  })

  addOperation(app, {
    method: 'POST',
    url: '/v1/authorities/:issuer_id/activate',
    operationId: 'activateAuthority',
    tag,
    summary: 'Let an issuer sign',
    description:
      'On every server within 5 s. The one that signed before is `prepared` again. Of the active one: nothing changes.',
    permission: 'authorities:manage',
    params: AuthorityParams,
    body: ActivateAuthority,
    answer: { status: 200, schema: Authority, description: 'The active issuer' },
    problems: ['not_found', 'rotation_not_ready', 'invalid_transition'],
    run: ({ request, params, body }) => plane.verbs.activateAuthority(request, params.issuer_id, body),
  })

  addOperation(app, {
    method: 'POST',
    url: '/v1/authorities/:issuer_id/retire',
    operationId: 'retireAuthority',
    tag,
    summary: 'Have the certificates of an issuer renewed',
    description: 'Its agents are asked to renew, spread over a window. Of a retired one: nothing changes.',
    permission: 'authorities:manage',
    params: AuthorityParams,
    body: RetireAuthority,
    answer: { status: 200, schema: Authority, description: 'The retired issuer' },
    problems: ['not_found', 'rotation_not_ready', 'invalid_transition'],
    run: ({ request, params, body }) => plane.verbs.retireAuthority(request, params.issuer_id, body),
  })

  addOperation(app, {
    method: 'POST',
    url: '/v1/authorities/:issuer_id/remove',
    operationId: 'removeAuthority',
    tag,
    summary: 'End all trust in an issuer',
    description: 'Its certificates are refused from the next request on. Of a removed one: nothing changes.',
    permission: 'authorities:manage',
    first: true,
    params: AuthorityParams,
    body: RemoveAuthority,
    answer: { status: 200, schema: Authority, description: 'The removed issuer' },
    problems: ['not_found', 'rotation_not_ready', 'last_admin', 'invalid_transition'],
    run: ({ request, params, body, caller, leave }) => {
      if (params.issuer_id === caller.certificate.issuer_id) leave()
      return plane.verbs.removeAuthority(request, params.issuer_id, body)
    },
  })
}

import type { FastifyInstance } from 'fastify'
import {
  AuditChainEventPage,
  AuditChainPage,
  AuditChainParams,
  AuditCheckpointPage,
  ListAuditChainEvents,
  ListAuditChains,
  ListAuditCheckpoints,
} from '../../wire/audit-chains.ts'
import type { Plane } from '../plane.ts'
import { addOperation } from './operation.ts'

/** What `airunner audit export` is made from. */
export const addAuditChains = (app: FastifyInstance, plane: Pick<Plane, 'verbs'>): void => {
  addOperation(app, {
    method: 'GET',
    url: '/v1/audit-chains',
    operationId: 'listAuditChains',
    tag: 'audit',
    summary: 'The chains over audit events, oldest first',
    permission: 'audit:read',
    query: ListAuditChains,
    answer: { status: 200, schema: AuditChainPage, description: 'One page' },
    problems: ['page_token_mismatch'],
    run: ({ query }) => plane.verbs.listAuditChains(query),
  })
  addOperation(app, {
    method: 'GET',
    url: '/v1/audit-chains/:chain/events',
    operationId: 'listAuditChainEvents',
    tag: 'audit',
    summary: 'The events of a chain in their order, with their hashes',
    description:
      '`after`: only what was linked after this time, as the head of a checkpoint names it. A chain that nobody knows has no events.',
    permission: 'audit:read',
    params: AuditChainParams,
    query: ListAuditChainEvents,
    answer: { status: 200, schema: AuditChainEventPage, description: 'One page' },
    problems: ['page_token_mismatch'],
    run: ({ params, query }) => plane.verbs.listAuditChainEvents(params.chain, query),
  })
  addOperation(app, {
    method: 'GET',
    url: '/v1/audit-checkpoints',
    operationId: 'listAuditCheckpoints',
    tag: 'audit',
    summary: 'Signed checkpoints over all chains, oldest first',
    description: 'Begins with the last one that is not younger than `since`: what was before stands on it.',
    permission: 'audit:read',
    query: ListAuditCheckpoints,
    answer: { status: 200, schema: AuditCheckpointPage, description: 'One page' },
    problems: ['page_token_mismatch'],
    run: ({ query }) => plane.verbs.listAuditCheckpoints(query),
  })
}

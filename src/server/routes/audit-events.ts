import type { FastifyInstance } from 'fastify'
import { AuditEventPage, ListAuditEvents } from '../../wire/audit-events.ts'
import type { Plane } from '../plane.ts'
import { addOperation } from './operation.ts'

export const addAuditEvents = (app: FastifyInstance, plane: Pick<Plane, 'verbs'>): void => {
  addOperation(app, {
    method: 'GET',
    url: '/v1/audit-events',
    operationId: 'listAuditEvents',
    tag: 'audit',
    summary: 'What happened, newest first',
    description: '`since` is 24 h ago when absent; `actor` and `action` filter within the window.',
    permission: 'audit:read',
    query: ListAuditEvents,
    answer: { status: 200, schema: AuditEventPage, description: 'One page' },
    problems: ['page_token_mismatch'],
    run: ({ query }) => plane.verbs.listAuditEvents(query),
  })
}

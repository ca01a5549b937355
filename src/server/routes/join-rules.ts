import type { FastifyInstance } from 'fastify'
import {
  CreateJoinRule,
  JoinRule,
  JoinRulePage,
  JoinRuleParams,
  JoinRuleTest,
  ListJoinRules,
  TestJoinRule,
  UpdateJoinRule,
} from '../../wire/join-rules.ts'
import type { Plane } from '../plane.ts'
import { addOperation } from './operation.ts'

const tag = 'joining'

export const addJoinRules = (app: FastifyInstance, plane: Pick<Plane, 'verbs'>): void => {
  addOperation(app, {
    method: 'POST',
    url: '/v1/join-rules',
    operationId: 'createJoinRule',
    tag,
    summary: 'Make a join rule',
    description: 'Who matches no rule does not join. The oldest rule that matches decides, so a new one comes last.',
    permission: 'tokens:manage',
    body: CreateJoinRule,
    answer: { status: 201, schema: JoinRule, description: 'The new rule' },
    run: ({ request, body }) => plane.verbs.createJoinRule(request, body),
  })

  addOperation(app, {
    method: 'GET',
    url: '/v1/join-rules',
    operationId: 'listJoinRules',
    tag,
    summary: 'List join rules',
    description: 'Oldest first, the order in which they are asked. A page may be short.',
    permission: 'tokens:manage',
    query: ListJoinRules,
    answer: { status: 200, schema: JoinRulePage, description: 'One page' },
    problems: ['page_token_mismatch'],
    run: ({ query }) => plane.verbs.listJoinRules(query),
  })

  addOperation(app, {
    method: 'GET',
    url: '/v1/join-rules/:join_rule_id',
    operationId: 'getJoinRule',
    tag,
    summary: 'Read a join rule',
    permission: 'tokens:manage',
    params: JoinRuleParams,
    answer: { status: 200, schema: JoinRule, description: 'The rule' },
    problems: ['not_found'],
    run: ({ params }) => plane.verbs.getJoinRule(params.join_rule_id),
  })

  addOperation(app, {
    method: 'PATCH',
    url: '/v1/join-rules/:join_rule_id',
    operationId: 'updateJoinRule',
    tag,
    summary: 'Change a join rule',
    description:
      'Or switch it off: `enabled: false`. `null` clears, a condition is replaced as a whole. Method, type and template ' +
      'stay: another rule is needed for those, and for switching `rejoin` on or changing whom a rule with `rejoin` is for.',
    permission: 'tokens:manage',
    params: JoinRuleParams,
    body: UpdateJoinRule,
    conditional: true,
    answer: { status: 200, schema: JoinRule, description: 'The rule as it is now' },
    problems: ['not_found', 'invalid_transition'],
    run: ({ request, params, body, expected }) =>
      plane.verbs.updateJoinRule(request, params.join_rule_id, body, expected),
  })

  addOperation(app, {
    method: 'DELETE',
    url: '/v1/join-rules/:join_rule_id',
    operationId: 'deleteJoinRule',
    tag,
    summary: 'Delete a join rule',
    description: 'Nobody joins or rejoins by it any more; who has joined stays.',
    permission: 'tokens:manage',
    first: true,
    params: JoinRuleParams,
    answer: { status: 200, schema: JoinRule, description: 'The rule that was deleted' },
    problems: ['not_found'],
    run: ({ request, params }) => plane.verbs.deleteJoinRule(request, params.join_rule_id),
  })

  addOperation(app, {
    method: 'POST',
    url: '/v1/join-rules/test',
    operationId: 'testJoinRule',
    tag,
    summary: 'Ask what the join rules would make of a machine',
    description: 'Proves nothing and lets nobody join: the attributes are taken as they are given.',
    permission: 'tokens:manage',
    body: TestJoinRule,
    answer: { status: 200, schema: JoinRuleTest, description: 'Whether it would join, by which rule, and why' },
    run: ({ body }) => plane.verbs.testJoinRule(body),
  })
}

import type { FastifyInstance } from 'fastify'
import { AgentDetail, AgentPage, ListAgents, ReportStatus, StatusAnswer } from '../../wire/agents.ts'
import { Command, CommandPage, CommandParams, FinishCommand, ListCommands, SendCommand } from '../../wire/commands.ts'
import { PrincipalParams } from '../../wire/principals.ts'
import type { Plane } from '../plane.ts'
import { addOperation } from './operation.ts'

const tag = 'agents'
const types = ['worker', 'service'] as const

export const addAgents = (app: FastifyInstance, plane: Pick<Plane, 'verbs'>): void => {
  addOperation(app, {
    method: 'PUT',
    url: '/v1/agent/status',
    operationId: 'reportStatus',
    tag,
    summary: 'Report about oneself',
    description: 'Again after `report_after_seconds`, and at once when something has changed.',
    permission: 'self',
    types,
    body: ReportStatus,
    answer: { status: 200, schema: StatusAnswer, description: 'When to report and when to renew' },
    run: ({ request, body }) => plane.verbs.reportStatus(request, body),
  })

  addOperation(app, {
    method: 'POST',
    url: '/v1/agent/commands/:command_id/result',
    operationId: 'finishCommand',
    tag,
    summary: 'Say how a command ended',
    description: 'Of one’s own commands, once delivered. The same again: nothing changes.',
    permission: 'self',
    types,
    params: CommandParams,
    body: FinishCommand,
    answer: { status: 200, schema: Command, description: 'The command' },
    problems: ['not_found', 'invalid_transition'],
    run: ({ request, params, body }) => plane.verbs.finishCommand(request, params.command_id, body),
  })

  addOperation(app, {
    method: 'GET',
    url: '/v1/agents',
    operationId: 'listAgents',
    tag,
    summary: 'List agents and whether they are there',
    description: 'In no particular order. A page may be short; only an absent `next_page_token` ends the list.',
    permission: 'agents:read',
    query: ListAgents,
    answer: { status: 200, schema: AgentPage, description: 'One page' },
    problems: ['page_token_mismatch'],
    run: ({ query }) => plane.verbs.listAgents(query),
  })

  addOperation(app, {
    method: 'GET',
    url: '/v1/agents/:principal_id',
    operationId: 'getAgent',
    tag,
    summary: 'Read an agent and its last commands',
    permission: 'agents:read',
    params: PrincipalParams,
    answer: { status: 200, schema: AgentDetail, description: 'The agent' },
    problems: ['not_found'],
    run: ({ params }) => plane.verbs.getAgent(params.principal_id),
  })

  addOperation(app, {
    method: 'POST',
    url: '/v1/agents/:principal_id/commands',
    operationId: 'sendCommand',
    tag,
    summary: 'Tell an agent to do something',
    description:
      'Delivered within 2 s to a connected agent, on whichever server, else when it next connects, and at most once. ' +
      '`run_hook` runs only what the agent’s own configuration names.',
    permission: 'agents:command',
    params: PrincipalParams,
    body: SendCommand,
    answer: { status: 201, schema: Command, description: 'The command, on its way' },
    problems: ['not_found', 'invalid_transition'],
    run: ({ request, params, body }) => plane.verbs.sendCommand(request, params.principal_id, body),
  })

  addOperation(app, {
    method: 'GET',
    url: '/v1/agents/:principal_id/commands',
    operationId: 'listCommands',
    tag,
    summary: 'What an agent was told to do',
    description: 'Newest first, 30 days back.',
    permission: 'agents:command',
    params: PrincipalParams,
    query: ListCommands,
    answer: { status: 200, schema: CommandPage, description: 'One page' },
    problems: ['not_found', 'page_token_mismatch'],
    run: ({ params, query }) => plane.verbs.listCommands(params.principal_id, query),
  })
}

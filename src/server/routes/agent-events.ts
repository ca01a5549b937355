import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import type { AgentSnapshot, ReconnectEvent } from '../../wire/agent-events.ts'
import type { Plane } from '../plane.ts'
import type { Connections } from '../plugins/admission.ts'
import type { EventStreams } from '../plugins/event-streams.ts'
import { problemResponses, successResponse, whenAdmitting } from './responses.ts'

const eventStream = 'text/event-stream'
const types = ['worker', 'service'] as const

export interface AgentEventsDeps {
  plane: Pick<Plane, 'trustBundle'>
  connections: Connections
  streams: EventStreams
}

export const addAgentEvents = (app: FastifyInstance, { plane, connections, streams }: AgentEventsDeps): void => {
  app.route({
    method: 'GET',
    url: '/v1/agent/events',
    // A HEAD of a stream would have to wait for its end.
    exposeHeadRoute: false,
    config: { permission: 'self', types, produces: [eventStream] },
    schema: {
      operationId: 'streamAgentEvents',
      tags: ['agents'],
      summary: 'What an agent is to know at once',
      description:
        'Begins with a `snapshot` event, so nothing is resumed; then `command`, `trust_changed`, `renew` and ' +
        '`reconnect`. A comment comes every 25 s. One stream per certificate: a second one ends the first.',
      headers: Type.Object({
        'Airunner-Instance': Type.Optional(
          Type.String({ pattern: '^[!-~]{1,128}$', description: 'Random per start of the agent' }),
        ),
      }),
      'x-permission': 'self',
      'x-principal-types': types,
      response: {
        200: successResponse('The stream', { [eventStream]: Type.String() }),
        ...problemResponses([...whenAdmitting, 'permission_denied']),
      },
    } as never,
    handler: (request, reply) => {
      const { socket } = request.raw
      request.leaveFlight()
      const stream = streams.open(request.caller.certificate.serial_number, reply)
      connections.setStream(socket, {
        reconnect: (afterSeconds) => {
          stream.send('reconnect', { after_seconds: afterSeconds } satisfies ReconnectEvent)
          stream.end()
        },
      })
      const snapshot: AgentSnapshot = { commands: [], trust_bundle_version: plane.trustBundle().version }
      stream.send('snapshot', snapshot)
    },
  })
}

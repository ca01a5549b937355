import type { FastifyInstance } from 'fastify'
import { AgentEventsHeaders, instanceHeader } from '../../wire/agent-events.ts'
import { Type } from '../../wire/schema.ts'
import type { Plane } from '../plane.ts'
import type { Connections } from '../plugins/admission.ts'
import type { EventStreams } from '../plugins/event-streams.ts'
import { callerRequestOf } from './operation.ts'
import { problemResponses, successResponse, whenAdmitting } from './responses.ts'

const eventStream = 'text/event-stream'
const types = ['worker', 'service'] as const

export interface AgentEventsDeps {
  plane: Pick<Plane, 'attachAgent'>
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
        '`reconnect`. A comment comes every 25 s. One stream per certificate, on all servers together: a second one ' +
        'ends the first.',
      headers: AgentEventsHeaders,
      'x-permission': 'self',
      'x-principal-types': types,
      response: {
        200: successResponse('The stream', { [eventStream]: Type.String() }),
        ...problemResponses([...whenAdmitting, 'permission_denied']),
      },
    } as never,
    handler: async (request, reply) => {
      const { socket } = request.raw
      const attached = await plane.attachAgent(callerRequestOf(request), String(request.headers[instanceHeader]))
      request.leaveFlight()
      if (socket.destroyed) {
        attached.closed()
        reply.hijack()
        return
      }
      const stream = streams.open(request.caller.certificate.serial_number, reply)
      reply.raw.once('close', attached.closed)
      connections.setStream(socket, {
        reconnect: (afterSeconds) => {
          stream.send('reconnect', { after_seconds: afterSeconds })
          stream.end()
        },
      })
      attached.opened(stream)
    },
  })
}

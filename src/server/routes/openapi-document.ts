import type { FastifyInstance } from 'fastify'
import { openApiOf } from '../openapi.ts'

/** `GET /openapi.json`: the contract as this server validates it. */
export const addOpenApiDocument = (app: FastifyInstance): void => {
  let document: string | undefined
  app.route({
    method: 'GET',
    url: '/openapi.json',
    config: { permission: 'any' },
    schema: { hide: true } as never,
    handler: (_request, reply) => {
      document ??= JSON.stringify(openApiOf(app))
      reply.type('application/json').send(document)
    },
  })
}

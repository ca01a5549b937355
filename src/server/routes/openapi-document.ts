import type { FastifyInstance } from 'fastify'
import { contractOf } from '../openapi.ts'

/** `GET /openapi.json`: the contract as this server validates it. */
export const addOpenApiDocument = (app: FastifyInstance): void => {
  let document: Promise<string> | undefined
  app.route({
    method: 'GET',
    url: '/openapi.json',
    config: { permission: 'any' },
    schema: { hide: true } as never,
    handler: async (_request, reply) => {
      document ??= contractOf(app).then((contract) => JSON.stringify(contract))
      return reply.type('application/json').send(await document)
    },
  })
}

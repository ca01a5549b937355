import type { FastifyInstance } from 'fastify'
import { openApiOf as documentOf } from '../../src/server/openapi.ts'

export interface Operation {
  method: string
  path: string
  operationId: string
  permission: string
  statuses: number[]
}

interface Described {
  operationId: string
  'x-permission': string
  responses: Record<string, unknown>
}

/** The operations that an application documents. */
export const openApiOf = async (app: FastifyInstance): Promise<Operation[]> => {
  const { paths } = (await documentOf(app)) as { paths: Record<string, Record<string, Described>> }
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      operationId: operation.operationId,
      permission: operation['x-permission'],
      statuses: Object.keys(operation.responses).map(Number),
    })),
  )
}

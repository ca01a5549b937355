import { pino } from 'pino'
import type { PrincipalType } from '../../src/core/principal.ts'
import { makeMtlsApp, type ServedPlane } from '../../src/server/mtls-app.ts'
import { contractOf } from '../../src/server/openapi.ts'

/** As much of JSON Schema as the contract uses. */
export interface Schema {
  $ref?: string
  type?: string | string[]
  enum?: unknown[]
  const?: unknown
  anyOf?: Schema[]
  items?: Schema
  properties?: Record<string, Schema>
  required?: string[]
  additionalProperties?: boolean | Schema
  patternProperties?: Record<string, Schema>
  description?: string
  format?: string
  pattern?: string
  default?: unknown
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  maxItems?: number
  maxProperties?: number
}

interface Content {
  content?: Record<string, { schema?: Schema }>
}

export interface Operation {
  operationId: string
  summary: string
  description?: string
  tags: string[]
  parameters?: { name: string; in: string; required?: boolean; description?: string; schema: Schema }[]
  requestBody?: Content
  responses: Record<string, Content & { description: string; headers?: Record<string, { description?: string }> }>
  'x-permission': string
  /** Types that this operation is for, when its permission alone would let in more. */
  'x-principal-types'?: PrincipalType[]
}

export interface OpenApi {
  info: { description?: string }
  tags: { name: string; description?: string }[]
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema> }
}

/** The document as it is committed in docs/openapi.json; built with no plane behind the routes. */
export const renderOpenApi = async (): Promise<string> => {
  const { app } = await makeMtlsApp({
    plane: {} as ServedPlane,
    log: pino({ level: 'silent' }),
    remoteAddressOf: () => '',
    metrics: { admission: () => {}, answered: () => {} },
    connections: { presentedOf: () => undefined, identify: () => {}, setStream: () => {} },
  })
  try {
    return `${JSON.stringify(await contractOf(app), null, 2)}\n`
  } finally {
    await app.close()
  }
}

let document: Promise<string> | undefined
/** docs/openapi.json: what a server answers at /openapi.json, over many lines. */
export const openApiText = (): Promise<string> => {
  document ??= renderOpenApi()
  return document
}

export interface Route {
  method: string
  path: string
  operation: Operation
}

export const readOpenApi = async (): Promise<{ document: OpenApi; routes: Route[] }> => {
  const read = JSON.parse(await openApiText()) as OpenApi
  const routes = Object.entries(read.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  )
  return { document: read, routes }
}

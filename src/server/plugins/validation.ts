import type { FastifyInstance, FastifySchemaValidationError } from 'fastify'
import type { InputFault } from '../../core/errors.ts'

/** The part of Ajv that is set up here. */
interface Formats {
  addFormat(name: string, format: (text: string) => boolean): unknown
}

const rfc3339 = /^(\d{4}-\d{2}-\d{2})T([01]\d|2[0-3]):\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/

/** A moment that exists on our clocks: no 30th of February, no leap second. @see RFC 3339 §5.6 */
export const isTimestamp = (text: string): boolean => {
  const match = rfc3339.exec(text)
  if (match === null || Number.isNaN(Date.parse(text))) return false
  const date = match[1] as string
  return new Date(`${date}T00:00:00Z`).toISOString().startsWith(date)
}

/** Nothing is dropped and nothing coerced: what is sent must be what is meant. */
export const ajvOptions = {
  customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: true, allErrors: false } as const,
  onCreate: (ajv: Formats): void => {
    ajv.addFormat('date-time', isTimestamp)
  },
}

interface QuerySchema {
  properties?: Record<string, { type?: string }>
}

/** A query string is all text, so whole numbers are read where the schema wants them; written in the plain way only. */
const readIntegers = (query: Record<string, unknown>, schema: QuerySchema): void => {
  for (const [name, value] of Object.entries(query)) {
    if (schema.properties?.[name]?.type !== 'integer') continue
    if (typeof value === 'string' && /^-?(0|[1-9]\d{0,14})$/.test(value)) query[name] = Number(value)
  }
}

/** The query of a route that declares none. */
export const noParameters = { type: 'object', properties: {}, additionalProperties: false } as const

/** Prepares the query of each request for its schema; a route that declares none takes no parameters. */
export const readQueries = (app: FastifyInstance): void => {
  app.addHook('onRoute', (route) => {
    route.schema = { querystring: noParameters, ...route.schema }
  })
  app.addHook('preValidation', (request, _reply, done) => {
    readIntegers(request.query as Record<string, unknown>, request.routeOptions.schema?.querystring as QuerySchema)
    done()
  })
}

const rootOf: Record<string, string> = { querystring: '/query', params: '/path', headers: '/headers', body: '' }

/** @see RFC 6901 §3 */
const escapeSegment = (segment: string): string => segment.slice(0, 128).replaceAll('~', '~0').replaceAll('/', '~1')

const faultOf = ({ keyword, params, message }: FastifySchemaValidationError): [segment: string, detail: string] => {
  switch (keyword) {
    case 'additionalProperties':
      return [`/${escapeSegment(String(params['additionalProperty']))}`, 'is not known here']
    case 'required':
      return [`/${escapeSegment(String(params['missingProperty']))}`, 'is required']
    case 'propertyNames':
      return [`/${escapeSegment(String(params['propertyName']))}`, 'is not a valid name']
    case 'enum':
      return ['', `must be one of ${(params['allowedValues'] as unknown[]).join(', ')}`]
    case 'pattern':
      return ['', 'does not have the right form']
    default:
      return ['', message ?? 'is not valid']
  }
}

/** What a schema found wrong, as pointers: `/field` of the body, `/query/name`, `/path/name`, `/headers/name`. */
export const inputFaults = (found: FastifySchemaValidationError[], context: string): InputFault[] => {
  const root = rootOf[context] ?? ''
  return found.map((error) => {
    const [segment, detail] = faultOf(error)
    return { pointer: `${root}${error.instancePath}${segment}`, detail }
  })
}

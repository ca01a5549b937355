import { isUtf8 } from 'node:buffer'
import type { FastifyInstance } from 'fastify'
import { ControlError } from '../../core/errors.ts'
import { faultOfJson } from './json-scan.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The body as it arrived, when there was one. */
    rawBody: Buffer | undefined
  }
}

/** Octets of a body, and how deep its containers may nest. */
export const bodyLimit = 64 * 1024
export const depthLimit = 8

const invalid = (detail: string, cause?: unknown): ControlError =>
  new ControlError('invalid_request', `the body ${detail}`, { cause, errors: [{ pointer: '', detail }] })

const assertJsonType = (contentType: string | undefined): void => {
  const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(contentType ?? '')?.[1]
  if (charset !== undefined && charset.toLowerCase() !== 'utf-8') {
    throw new ControlError('unsupported_media_type', 'JSON is written in UTF-8')
  }
}

const parse = (bytes: Buffer): unknown => {
  if (!isUtf8(bytes)) throw invalid('is not UTF-8')
  const text = bytes.toString('utf8')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw invalid('is not JSON', cause)
  }
  const fault = faultOfJson(text, depthLimit)
  if (fault !== undefined) throw invalid(fault)
  return value
}

/**
 * Bodies are JSON in UTF-8 and nothing else, read strictly; an empty one is no body. A route without a schema for
 * its body takes none, or `{}`.
 */
export const acceptJsonBodies = (app: FastifyInstance): void => {
  app.decorateRequest('rawBody', undefined)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer', bodyLimit }, (request, payload, done) => {
    const bytes = payload as Buffer
    try {
      assertJsonType(request.headers['content-type'])
      if (bytes.length === 0) return done(null, undefined)
      request.rawBody = bytes
      done(null, parse(bytes))
    } catch (error) {
      done(error as Error)
    }
  })
  app.addHook('preValidation', (request, _reply, done) => {
    if (request.rawBody === undefined || request.routeOptions.schema?.body !== undefined) return done()
    const isEmptyObject = JSON.stringify(request.body) === '{}'
    done(isEmptyObject ? undefined : invalid('must be empty'))
  })
}

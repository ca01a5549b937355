import type { FastifyInstance, FastifyRequest } from 'fastify'
import { ControlError } from '../../core/errors.ts'

interface KnownPath {
  segments: string[]
  methods: Set<string>
}

const matches = ({ segments }: KnownPath, path: string[]): boolean =>
  segments.length === path.length &&
  segments.every((segment, index) => (segment.startsWith(':') ? path[index] !== '' : segment === path[index]))

/**
 * Tells a wrong method (405, with what is allowed) from a wrong path (404), before any of the body is read: the
 * router alone says 404 to both.
 */
export const makeKnownPaths = (app: FastifyInstance) => {
  const known = new Map<string, KnownPath>()
  app.addHook('onRoute', ({ url, method }) => {
    const path = known.get(url) ?? { segments: url.split('/'), methods: new Set() }
    for (const one of [method].flat()) path.methods.add(one)
    known.set(url, path)
  })
  /** Why no route was found, and the methods that there are when it is the method that is wrong. */
  return (request: FastifyRequest): { error: ControlError; allow?: string } => {
    const url = request.url.split('?')[0] as string
    const path = url.split('/')
    // A path that is spelled out goes before one with a place for an id, as it does in the router.
    const found = known.get(url) ?? [...known.values()].find((candidate) => matches(candidate, path))
    if (found === undefined) return { error: new ControlError('not_found', 'no such path; see /openapi.json') }
    const allow = [...found.methods].sort().join(', ')
    return { error: new ControlError('method_not_allowed', `allowed here: ${allow}`), allow }
  }
}

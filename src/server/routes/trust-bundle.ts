import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import type { ErrorCode } from '../../core/errors.ts'
import { Type } from '../../wire/schema.ts'
import { TrustBundle, TrustBundleQuery } from '../../wire/trust-bundle.ts'
import { emptyResponse, entityTag, problemResponses, successResponse } from './responses.ts'

const pemType = 'application/pem-certificate-chain'

const Headers = Type.Object({
  'If-None-Match': Type.Optional(Type.String({ description: 'The ETag of the bundle that the caller has' })),
})

/** @see RFC 9110 §13.1.2: weak comparison, a list, or `*`. */
const isKnown = (ifNoneMatch = '', tag: string): boolean =>
  ifNoneMatch.split(',').some((one) => one.trim() === '*' || one.trim().replace(/^W\//, '') === tag)

/** The roots by which clients and servers verify each other; public, so both listeners have it. */
export const addTrustBundle = (
  app: FastifyInstance,
  trustBundle: () => TrustBundle,
  problems: readonly ErrorCode[] = [],
): void => {
  app.route({
    method: 'GET',
    url: '/v1/trust-bundle',
    config: { permission: 'any', produces: ['application/json', pemType] },
    schema: {
      operationId: 'getTrustBundle',
      tags: ['trust'],
      summary: 'The roots of this plane',
      description: 'Ask with `If-None-Match` to learn cheaply whether they have changed.',
      querystring: TrustBundleQuery,
      headers: Headers,
      'x-permission': 'any',
      response: {
        200: successResponse('The bundle', { 'application/json': TrustBundle, [pemType]: Type.String() }, entityTag),
        304: emptyResponse('The caller has this bundle'),
        ...problemResponses(problems),
      },
    } as never,
    handler: (request, reply) => {
      const { format } = request.query as Static<typeof TrustBundleQuery>
      const bundle = trustBundle()
      // Two representations, so two tags.
      const tag = format === 'pem' ? `"${bundle.version}-pem"` : `"${bundle.version}"`
      reply.header('etag', tag).header('cache-control', 'no-cache')
      if (isKnown(request.headers['if-none-match'], tag)) reply.code(304).send()
      else if (format === 'pem') reply.type(pemType).send(Buffer.from(bundle.roots_pem))
      else reply.send(bundle)
    },
  })
}

import helmet from '@fastify/helmet'
import fastify, { type FastifyInstance } from 'fastify'

/** What an API that no page embeds and no browser renders says to browsers. */
const options = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: { 'default-src': ["'none'"], 'frame-ancestors': ["'none'"] },
  },
  crossOriginEmbedderPolicy: false,
  originAgentCluster: false,
  xDnsPrefetchControl: false,
  xDownloadOptions: false,
  xPermittedCrossDomainPolicies: false,
  xXssProtection: false,
  strictTransportSecurity: { maxAge: 31_536_000, includeSubDomains: false },
  xFrameOptions: { action: 'deny' },
} as const

/** What helmet answers: the same to every request, at the cost of more than the rest of a request together. */
const askHelmet = async (): Promise<Record<string, string>> => {
  const app = fastify()
  await app.register(helmet, options)
  app.get('/', async () => '')
  const { headers } = await app.inject('/')
  await app.close()
  const framework = new Set(['content-length', 'content-type', 'date', 'connection'])
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !framework.has(name))) as Record<string, string>
}

let asked: ReturnType<typeof askHelmet> | undefined

/** Headers that every answer carries: its request id, no caching unless a route says so, and helmet's. */
export const setStandingHeaders = async (app: FastifyInstance): Promise<void> => {
  asked ??= askHelmet()
  const standing = { 'cache-control': 'no-store', ...(await asked) }
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(standing).header('x-request-id', request.id)
    done()
  })
}

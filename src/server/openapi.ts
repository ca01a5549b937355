import fastify, { type FastifyInstance, type RouteOptions } from 'fastify'
import type { TSchema } from 'typebox'
import { Agent, AgentDetail, AgentPage, ReportStatus, StatusAnswer } from '../wire/agents.ts'
import { AuditEvent, AuditEventPage } from '../wire/audit-events.ts'
import {
  Certificate,
  CertificatePage,
  IssueCertificate,
  IssuedCertificate,
  RenewCertificate,
  RevokeCertificate,
} from '../wire/certificates.ts'
import { Command, CommandPage, FinishCommand, SendCommand } from '../wire/commands.ts'
import { Enroll, Enrollment } from '../wire/enrollments.ts'
import {
  CreateJoinRule,
  JoinRule,
  JoinRulePage,
  JoinRuleTest,
  TestJoinRule,
  UpdateJoinRule,
} from '../wire/join-rules.ts'
import { CreatedJoinToken, CreateJoinToken, JoinToken, JoinTokenPage } from '../wire/join-tokens.ts'
import { CreatePrincipal, Principal, PrincipalPage, SuspendPrincipal, UpdatePrincipal } from '../wire/principals.ts'
import { Problem } from '../wire/problem.ts'
import { Revocation, StartRevocation } from '../wire/revocations.ts'
import { TrustBundle } from '../wire/trust-bundle.ts'
import { Whoami } from '../wire/whoami.ts'
import type { Plane } from './plane.ts'
import { addEnrollments } from './routes/enrollments.ts'

/** Documents that deserve a name; wherever they stand, a reference is put. */
const named: Record<string, TSchema> = {
  Agent,
  AgentDetail,
  AgentPage,
  AuditEvent,
  AuditEventPage,
  Certificate,
  CertificatePage,
  Command,
  CommandPage,
  CreateJoinRule,
  CreateJoinToken,
  CreatedJoinToken,
  CreatePrincipal,
  Enroll,
  Enrollment,
  FinishCommand,
  IssueCertificate,
  IssuedCertificate,
  JoinRule,
  JoinRulePage,
  JoinRuleTest,
  JoinToken,
  JoinTokenPage,
  Principal,
  PrincipalPage,
  Problem,
  RenewCertificate,
  ReportStatus,
  Revocation,
  RevokeCertificate,
  SendCommand,
  StartRevocation,
  StatusAnswer,
  SuspendPrincipal,
  TestJoinRule,
  TrustBundle,
  UpdateJoinRule,
  UpdatePrincipal,
  Whoami,
}

const base = {
  openapi: '3.1.0',
  info: {
    title: 'airunner control plane',
    version: '1.0.0',
    description: 'Principals, their certificates, and who may connect. Refusals are problem documents (RFC 9457).',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  servers: [{ url: '/' }],
  security: [{ mutualTLS: [] }],
  tags: [
    { name: 'caller', description: 'The caller itself' },
    { name: 'principals', description: 'Registered identities' },
    { name: 'certificates', description: 'What they hold' },
    { name: 'revocations', description: 'Many certificates at once' },
    { name: 'joining', description: 'How new machines become principals' },
    { name: 'trust', description: 'Public trust material' },
    { name: 'audit', description: 'What happened' },
    { name: 'agents', description: 'Running workers and services' },
  ],
  components: {
    securitySchemes: { mutualTLS: { type: 'mutualTLS', description: 'A client certificate issued by this plane' } },
  },
}

/** The routes of each app that is described. */
const described = new WeakMap<FastifyInstance, RouteOptions[]>()

/** Must come before the routes. */
export const describeRoutes = (app: FastifyInstance): void => {
  const routes: RouteOptions[] = []
  described.set(app, routes)
  app.addHook('onRoute', (route) => {
    if (route.method !== 'HEAD') routes.push(route)
  })
}

/** What the generator says of the routes of an app: an app of the same routes, of which nothing is ever asked. */
const generate = async (app: FastifyInstance): Promise<Record<string, Record<string, Json>>> => {
  const { default: swagger } = await import('@fastify/swagger')
  const shown = fastify({ exposeHeadRoutes: false })
  shown.setValidatorCompiler(() => () => true)
  shown.setSerializerCompiler(() => JSON.stringify)
  await shown.register(swagger, { openapi: base as never, convertConstToEnum: false })
  for (const { method, url, schema } of described.get(app) ?? [])
    shown.route({ method, url, ...(schema && { schema }), handler: async () => undefined })
  await shown.ready()
  const document = shown.swagger()
  await shown.close()
  return document as unknown as Record<string, Record<string, Json>>
}

type Json = unknown
const isObject = (value: Json): value is Record<string, Json> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Puts references where a named document stands, `except` in its own definition. */
const refer = (value: Json, names: Map<string, string>, except?: string): Json => {
  if (Array.isArray(value)) return value.map((item) => refer(item, names))
  if (!isObject(value)) return value
  const name = names.get(JSON.stringify(value))
  if (name !== undefined && name !== except) return { $ref: `#/components/schemas/${name}` }
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, refer(inner, names)]))
}

const sortKeys = (value: Record<string, Json>): Record<string, Json> =>
  Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))

/** The document of an app that is ready: the same routes give the same octets. */
export const openApiOf = async (app: FastifyInstance): Promise<Record<string, Json>> => {
  const document = await generate(app)
  const plain = Object.entries(named).map(([name, schema]) => [name, JSON.parse(JSON.stringify(schema))] as const)
  const names = new Map(plain.map(([name, schema]) => [JSON.stringify(schema), name]))
  const schemas = Object.fromEntries(plain.map(([name, schema]) => [name, refer(schema, names, name)]))
  return {
    ...document,
    paths: refer(sortKeys(document['paths'] as Record<string, Json>), names),
    components: { ...document['components'], schemas },
  }
}

/** What the enrolment listener serves and no other: calls of those who have no certificate, so they need none. */
const describeEnrolment = async (): Promise<Record<string, Json>> => {
  const app = fastify()
  describeRoutes(app)
  addEnrollments(app, { plane: {} as Plane, remoteAddressOf: () => '' })
  const { '/v1/enrollments': enrollments } = (await openApiOf(app))['paths'] as Record<string, Record<string, object>>
  const operations = Object.entries(enrollments ?? {})
  return {
    '/v1/enrollments': Object.fromEntries(operations.map(([method, one]) => [method, { ...one, security: [] }])),
  }
}

/** The whole contract: what an app that is ready serves, and what the enrolment listener does. */
export const contractOf = async (app: FastifyInstance): Promise<Record<string, Json>> => {
  const document = await openApiOf(app)
  const paths = { ...(document['paths'] as Record<string, Json>), ...(await describeEnrolment()) }
  return { ...document, paths: sortKeys(paths) }
}

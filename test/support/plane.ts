import { Writable } from 'node:stream'
import type { Test } from 'tap'
import type { PrincipalType } from '../../src/core/principal.ts'
import { minute } from '../../src/core/time.ts'
import type { PlaneDeps } from '../../src/server/compose.ts'
import { readConfig } from '../../src/server/config.ts'
import { type CurrentSecretsDeps, makeCurrentSecrets } from '../../src/server/current-secrets.ts'
import { type KmsKeysDeps, makeKmsKeys } from '../../src/server/kms-keys.ts'
import { makeLog } from '../../src/server/log.ts'
import { makeMetrics } from '../../src/server/metrics.ts'
import { issueServerCertificate } from '../../src/server/own-server-certificate.ts'
import { environmentSource } from '../../src/server/secret-texts.ts'
import { type ParametersDeps, parametersSource, parametersWanted } from '../../src/server/secrets-parameters.ts'
import { makeSecretsReader } from '../../src/server/secrets-reader.ts'
import { type ServeDeps, serve } from '../../src/server/serve.ts'
import { storedKeysOf } from '../../src/server/stored-keys.ts'
import type { IssuedCertificate } from '../../src/wire/certificates.ts'
import { type Authority, makeAuthority } from './authority.ts'
import { type Client, type Identity, identityOf, makeClient, makeRequest, patiently } from './client.ts'
import { startTestStore, storeCredentials, type TestStore } from './store.ts'

export interface ServerOptions {
  /** Flags by their names in the table of options: `supersedeGrace: '1s'`. */
  flags?: Parameters<typeof readConfig>[0]
  /** Instead of the store itself: a fault proxy. */
  endpoint?: string
  clock?: () => number
  /** How long a mass revocation watches for latecomers, milliseconds. */
  settlingTime?: number
  /** Whether CRLs are built: by default not, since the thread for it takes half a second of CPU. */
  buildsCrls?: boolean
  env?: Record<string, string>
  /** How patient the audit chains are. */
  auditTimes?: PlaneDeps['auditTimes']
  /** How often the truststore is looked at, milliseconds. */
  truststoreLook?: number
  /** How often tables and their memory are compared. */
  guardTiming?: ServeDeps['guardTiming']
  /** Where KMS and the Parameter Store are, and how patiently they are asked. */
  aws?: {
    kms?: Omit<KmsKeysDeps, 'keys'>
    ssm?: ParametersDeps['client']
    polling?: CurrentSecretsDeps['polling']
  }
}

export interface RunningServer {
  mtls: string
  health: string
  pki: string
  enroll: string
  metrics: string
  plane: Awaited<ReturnType<typeof serve>>['plane']
  /** What was logged, one document per line. */
  logged: Record<string, unknown>[]
  /** Its environment; a change counts from the next reload on. */
  env: Record<string, string>
  /** What SIGHUP does. */
  reload(): Promise<void>
  stop(): Promise<void>
}

/** Starts one server, in this process, with real TLS on free ports. */
export const startServer = async (
  store: TestStore,
  authority: Authority,
  options: ServerOptions = {},
): Promise<RunningServer> => {
  const env: Record<string, string> = {
    ...authority.env,
    AIRUNNER_PRINCIPAL_TABLE: store.tables.principals,
    AIRUNNER_CERT_TABLE: store.tables.certificates,
    AIRUNNER_CONTROL_TABLE: store.tables.control,
    ...options.env,
  }
  const free = '127.0.0.1:0'
  const { config, problems } = readConfig(
    {
      mtlsListen: free,
      healthListen: free,
      pkiListen: free,
      enrollListen: free,
      metricsListen: free,
      hostname: 'localhost',
      feedInterval: '200ms',
      drainDelay: '0',
      shutdownGrace: '1s',
      ...options.flags,
    },
    env,
    'serve',
  )
  if (problems.length > 0) throw new Error(JSON.stringify(problems))
  const logged: Record<string, unknown>[] = []
  const log = await makeLog({
    level: 'debug',
    format: 'json',
    destination: new Writable({
      write: (line, _encoding, done) => {
        logged.push(JSON.parse(String(line)))
        done()
      },
    }),
  })
  const clock = options.clock ?? Date.now
  const { hostname, aws } = config
  const kms = makeKmsKeys({ ...options.aws?.kms, keys: aws })
  const { ssm: client, polling } = options.aws ?? {}
  const below = aws.ssm_prefix && { prefix: aws.ssm_prefix, wanted: parametersWanted(env), ...(client && { client }) }
  const parameters = below ? parametersSource(below) : undefined
  const reader = makeSecretsReader({ environment: environmentSource(env), parameters, kms, hostname, clock })
  const { secrets: checked, ...outcome } = await reader.read()
  if (checked === undefined) throw new Error(JSON.stringify(outcome.problems))
  const secrets = await makeCurrentSecrets({
    first: { secrets: checked, ...outcome },
    reader,
    issueServerCertificate: (issuer) => issueServerCertificate(issuer, hostname, clock()),
    clock,
    log,
    ...(polling && { polling }),
  })
  const metrics = makeMetrics()
  kms.start({ log, metrics, onFound: () => void secrets.reload() })
  const serving = await serve({
    config,
    secrets,
    log,
    metrics,
    worker: false,
    clock,
    settlingTime: options.settlingTime ?? 1000,
    storedKeys: storedKeysOf(kms),
    auditTimes: options.auditTimes,
    truststoreLook: options.truststoreLook,
    ssm: client,
    guardTiming: options.guardTiming,
    buildsCrls: options.buildsCrls ?? false,
    // One event loop for the server and for all that asks it: where the machine is busy it is late, and nobody's fault.
    maxLag: minute,
    store: { endpoint: options.endpoint ?? store.engine.endpoint, ...storeCredentials },
  })
  const { addresses, plane, drain } = serving
  return {
    mtls: addresses.mtls_listen ?? '',
    health: addresses.health_listen ?? '',
    pki: addresses.pki_listen ?? '',
    enroll: addresses.enroll_listen ?? '',
    metrics: addresses.metrics_listen ?? '',
    plane,
    logged,
    env,
    reload: secrets.reload,
    stop: async () => {
      await drain.begin('SIGINT')
      secrets.stop()
      kms.stop()
      await serving.close()
    },
  }
}

export interface Member {
  identity: Identity
  issued: IssuedCertificate
  client: Client
}

export interface TestPlane {
  store: TestStore
  authority: Authority
  server: RunningServer
  admin: Client
  startServer(options?: ServerOptions): Promise<RunningServer>
  /** A client of another server, or of the first, with an identity. */
  clientOf(identity: Identity | undefined, server?: RunningServer): Client
  /** Registers a principal and issues it a certificate. */
  enrol(principalId: string, type?: PrincipalType, validitySeconds?: number): Promise<Member>
  issue(principalId: string, validitySeconds?: number): Promise<Member>
}

/** A whole plane: real embedded store, real TLS, one server and an admin; everything ends with the test. */
export const startPlane = async (t: Pick<Test, 'teardown'>, options: ServerOptions = {}): Promise<TestPlane> => {
  const store = await startTestStore()
  const authority = await makeAuthority((options.clock ?? Date.now)())
  const stops: (() => Promise<void> | void)[] = []
  t.teardown(async () => {
    for (const stop of stops.reverse()) await stop()
    await store.stop()
  })
  const start = async (more: ServerOptions = {}): Promise<RunningServer> => {
    const server = await startServer(store, authority, more)
    stops.push(server.stop)
    return server
  }
  const server = await start(options)
  const clientOf = (identity: Identity | undefined, of: RunningServer = server): Client => {
    const client = makeClient(of.mtls, authority.root_pem, identity)
    stops.push(client.close)
    return client
  }
  const first = await makeRequest()
  const adminIssued = await server.plane.registerAdmin({ principal_id: 'admin-test', csr_pem: first.csr_pem })
  const admin = clientOf(identityOf(adminIssued, first.key))

  const issue = async (principal_id: string, validity_seconds?: number): Promise<Member> => {
    const { key, csr_pem } = await makeRequest()
    const body = { principal_id, csr_pem, ...(validity_seconds && { validity_seconds }) }
    const answer = await patiently(() => admin.post('/v1/certificates', body))
    if (answer.status !== 201) throw new Error(JSON.stringify(answer.body))
    const identity = identityOf(answer.body, key)
    return { identity, issued: answer.body, client: clientOf(identity) }
  }
  return {
    store,
    authority,
    server,
    admin,
    startServer: start,
    clientOf,
    issue,
    enrol: async (principal_id, type = 'worker', validitySeconds) => {
      const answer = await patiently(() => admin.post('/v1/principals', { principal_id, type }))
      if (answer.status !== 201) throw new Error(JSON.stringify(answer.body))
      return issue(principal_id, validitySeconds)
    },
  }
}

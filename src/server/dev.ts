import { chmod, mkdir } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import type { BootstrapFiles } from '../authority/bootstrap/files.ts'
import { BootstrapProblem } from '../authority/bootstrap/keys.ts'
import { makeBootstrap } from '../authority/bootstrap/make-bootstrap.ts'
import type { BootstrapStep } from '../authority/bootstrap/step.ts'
import { readIfThere, replaceFile } from '../authority/private-files.ts'
import { isControlError } from '../core/errors.ts'
import { timeOrderedId } from '../core/ids.ts'
import { systemClock } from '../core/time.ts'
import { openStore } from '../store/client.ts'
import { type EmbeddedStore, startEmbeddedStore } from '../store/embedded.ts'
import { createTables } from '../store/schema.ts'
import type { CommandLine } from './command-line.ts'
import { makePlane } from './compose.ts'
import { type Config, type Environment, readConfig } from './config.ts'
import { makeConnections } from './connections.ts'
import { writeDevelopmentContext } from './dev-context.ts'
import {
  developmentTables,
  lastStorePort,
  makeAuditKey,
  realAccountVariables,
  serverEnvironment,
  writeServerEnvironment,
} from './dev-files.ts'
import { InUse, lockDirectory } from './dev-lock.ts'
import { makeKmsKeys } from './kms-keys.ts'
import type { Addresses } from './listeners.ts'
import { makeLog } from './log.ts'
import { makeMetrics } from './metrics.ts'
import { type OptionName, options } from './options.ts'
import { problemLine } from './problems.ts'
import { environmentSource } from './secret-texts.ts'
import type { Secrets } from './secrets.ts'
import { makeSecretsReader } from './secrets-reader.ts'
import { start } from './start.ts'

const adminId = 'admin-dev'
/** In the server's certificate beside the hostname. */
const localNames = { dns: ['localhost'], ip: ['127.0.0.1'] }

const say = (line: string) => process.stdout.write(`${line}\n`)

/** Tells about the steps that did something: a second start has little to say. */
const report = ({ number, title, outcome }: BootstrapStep) => {
  if (outcome !== 'found') say(`[${number}/4] ${title}: ${outcome}`)
}

/** Environment and checked secrets of what stands in the directory. */
const readMaterial = async (config: Config, files: BootstrapFiles, endpoint: string) => {
  await makeAuditKey(files)
  const environment = serverEnvironment(config, files, endpoint)
  const reader = makeSecretsReader({
    environment: environmentSource(environment),
    hostname: config.hostname,
    clock: systemClock,
  })
  const { secrets, ...outcome } = await reader.read()
  if (secrets === undefined) throw new BootstrapProblem(outcome.problems.map(problemLine).join('\n'))
  return { environment, reader, secrets, first: { secrets, ...outcome } }
}

/** A plane for the time of bootstrap: it serves nobody, and issues the first certificate. */
const withPlane = async <T>(
  config: Config,
  secrets: Secrets,
  endpoint: string,
  use: (plane: ReturnType<typeof makePlane>) => Promise<T>,
): Promise<T> => {
  const log = await makeLog({ level: 'error', format: config.logFormat })
  const metrics = makeMetrics()
  const connections = makeConnections({ clock: systemClock, log, metrics })
  const store = { endpoint, region: 'us-east-1', credentials: { accessKeyId: 'local', secretAccessKey: 'local' } }
  // Nobody is served: it needs no memory of the tables, and writes none.
  const alone = { ...config, storeEpoch: undefined }
  const plane = makePlane({
    config: alone,
    secrets: () => secrets,
    log,
    metrics,
    connections,
    clock: systemClock,
    store,
  })
  return use(plane).finally(() => plane.stop())
}

const makeTables = async (config: Config, endpoint: string): Promise<void> => {
  const store = openStore({
    tables: config.tables,
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  })
  await createTables(store.documents, config.tables).finally(() => store.close())
}

const bootstrap = (config: Config, directory: string, endpoint: string): Promise<BootstrapFiles> =>
  makeBootstrap({
    directory,
    hostname: config.hostname,
    extra_names: localNames,
    admin_id: adminId,
    clock: systemClock,
    report,
    registerAdmin: async (request, files) => {
      const { secrets } = await readMaterial(config, files, endpoint)
      return withPlane(config, secrets, endpoint, (plane) => plane.registerAdmin(request))
    },
    accepts: async (certificate, files) => {
      const { secrets } = await readMaterial(config, files, endpoint)
      return withPlane(config, secrets, endpoint, async (plane) => {
        const presented = plane.present(certificate)
        if (presented === undefined) return false
        const source = { remote_address: 'local', request_id: timeOrderedId(systemClock()) }
        return plane.admit(presented, source).then(
          () => true,
          (error) => {
            if (isControlError(error) && /^(certificate|principal)_/.test(error.code)) return false
            throw error
          },
        )
      })
    },
  })()

/** What to try next, once the ports are open. */
const nextSteps = (
  addresses: Addresses,
  files: BootstrapFiles,
  environmentPath: string,
  contextLine: string,
): string => {
  const port = addresses.mtls_listen?.split(':').at(-1)
  const short = (path: string) => relative('', path) || path
  const curl = `curl --cacert ${short(files.caCert)} --cert ${short(files.adminCert)} --key ${short(files.adminKey)}`
  return [
    '',
    contextLine,
    '',
    `  ${curl} https://localhost:${port}/v1/whoami`,
    '  npm run -s airunner -- whoami',
    '  npm run -s airunner -- principal create worker-1 --type worker',
    '  npm run -s airunner -- certificate generate worker-1 --output-dir ./worker-1',
    '',
    'A second server on the same store, from another shell:',
    '',
    `  set -a; . ${short(environmentPath)}; set +a`,
    `  npm run -s rpc-server -- --mtls-listen 127.0.0.1:9443 --health-listen 127.0.0.1:9080 --hostname localhost`,
    '',
  ].join('\n')
}

/** The flags of this run, as a server in production would be given them: workers are started so. */
const serverArguments = (config: Config): string[] =>
  Object.values(options).flatMap(({ flag }) => {
    const value = config.effective[flag.replaceAll('-', '_')]?.value
    return value === undefined || flag === 'data-dir' ? [] : [`--${flag}=${value}`]
  })

const runOn = async (
  config: Config,
  directory: string,
  env: Environment,
  store: Pick<EmbeddedStore, 'endpoint'>,
): Promise<number> => {
  const { endpoint } = store
  await makeTables(config, endpoint)
  const files = await bootstrap(config, directory, endpoint)
  const { environment, reader, first } = await readMaterial(config, files, endpoint)
  const environmentPath = await writeServerEnvironment(directory, environment)
  // The AWS SDK, and the workers, read the process's own environment.
  for (const name of realAccountVariables) delete process.env[name]
  Object.assign(process.env, environment)

  const onReady = async (addresses: Addresses) => {
    const context = await writeDevelopmentContext(env, {
      server: `https://localhost:${addresses.mtls_listen?.split(':').at(-1)}`,
      cacert: files.caCert,
      client_cert: files.adminCert,
      client_key: files.adminKey,
    })
    const line =
      'problem' in context
        ? `The context dev was not written to ${context.path}: ${context.problem}.`
        : `The context dev is in ${context.path}${context.current ? ' and current.' : ': airunner context use dev'}`
    say(nextSteps(addresses, files, environmentPath, `${line} Ctrl-C stops everything. Try:`))
  }
  return start(
    { config, first, reader, kms: makeKmsKeys({ keys: config.aws }) },
    serverArguments(config),
    (addresses) => {
      onReady(addresses).catch((error: Error) => process.stderr.write(`rpc-server: ${error.message}\n`))
    },
  )
}

/** Its owner's alone, and nothing in it for the repository that it may lie in. */
const makeDataDirectory = async (directory: string): Promise<void> => {
  if (!relative(directory, '').startsWith('..'))
    throw new BootstrapProblem(`--data-dir ${directory} holds the working directory: choose one of its own`)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await chmod(directory, 0o700)
  const ignore = join(directory, '.gitignore')
  if ((await readIfThere(ignore)) === undefined) await replaceFile(ignore, '*\n')
}

/** The embedded store; where there is none for this platform, the one that the environment names. */
const startStore = async (directory: string, env: Environment): Promise<Pick<EmbeddedStore, 'endpoint' | 'stop'>> => {
  const port = await lastStorePort(directory)
  try {
    return await startEmbeddedStore({
      directory: join(directory, 'store'),
      ...(port === undefined ? {} : { port }),
      onRestart: (reason) => process.stderr.write(`rpc-server: ${reason}; it is started again\n`),
    })
  } catch (cause) {
    const endpoint = env['AWS_ENDPOINT_URL_DYNAMODB']
    if (!endpoint) throw new BootstrapProblem((cause as Error).message, { cause })
    return { endpoint, stop: async () => undefined }
  }
}

/** `rpc-server dev`: everything on this machine, from nothing. Answers the exit code. */
export const runDevelopment = async (line: CommandLine, env: Environment): Promise<number> => {
  const onTerminal = process.stdout.isTTY && line.flags.logFormat === undefined && !env[options.logFormat.env]
  const flags: Partial<Record<OptionName, string>> = onTerminal ? { ...line.flags, logFormat: 'pretty' } : line.flags
  const { config, problems } = readConfig(flags, { ...env, ...developmentTables }, 'dev')
  if (line.problems.length + problems.length > 0) {
    process.stderr.write([...line.problems, ...problems].map((problem) => `${problemLine(problem)}\n`).join(''))
    return 2
  }
  if (line.switches.has('check-config')) {
    say(JSON.stringify({ options: config.effective, tables: config.tables }, undefined, 2))
    return 0
  }
  const directory = resolve(config.dataDir)
  let store: Pick<EmbeddedStore, 'endpoint' | 'stop'> | undefined
  let lock: { release(): void } | undefined
  try {
    await makeDataDirectory(directory)
    lock = lockDirectory(directory, join(directory, 'dev.lock'))
    store = await startStore(directory, env)
    return await runOn(config, directory, env, store)
  } catch (error) {
    if (!(error instanceof InUse || error instanceof BootstrapProblem || isControlError(error))) throw error
    process.stderr.write(`rpc-server: ${error.message}\n`)
    return 1
  } finally {
    await store?.stop()
    lock?.release()
  }
}

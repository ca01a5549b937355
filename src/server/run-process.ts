import cluster from 'node:cluster'
import type { Logger } from 'pino'
import { isControlError } from '../core/errors.ts'
import { second, systemClock } from '../core/time.ts'
import { awsReason } from './aws-reason.ts'
import type { Config } from './config.ts'
import { type CurrentSecrets, makeCurrentSecrets } from './current-secrets.ts'
import type { StopSignal } from './drain.ts'
import type { KmsKeys } from './kms-keys.ts'
import { type Addresses, ListenProblem } from './listeners.ts'
import { makeMetrics } from './metrics.ts'
import { openPorts, type Ports } from './ports.ts'
import type { Secrets } from './secrets.ts'
import type { SecretsOutcome, SecretsReader } from './secrets-reader.ts'
import { storedKeysOf } from './stored-keys.ts'

/** Everything that was found good before a port is opened. */
export interface Checked {
  config: Config
  first: SecretsOutcome & { secrets: Secrets }
  reader: SecretsReader
  kms: KmsKeys
}

/** What a worker tells its primary. */
export interface WorkerReady {
  type: 'airunner:ready'
  addresses: Addresses
}

export interface ProcessDeps extends Checked {
  log: Logger
  /** Called when all ports are open. */
  onReady?: ((addresses: Addresses) => void) | undefined
}

/** The plane has this long to give its last words to the store. Milliseconds. */
const planeStop = second / 2

/** A process that issues its own server certificate waits so long for a key that is out of reach. Milliseconds. */
const issuerPatience = 20 * second

/**
 * Loads what answers behind the ports: most of a start. In parts, with turns of the event loop in between, in which a
 * probe is taken and answered.
 */
const loadServe = async () => {
  const parts = [
    () => import('./plugins/base-app.ts'),
    () => import('../pki/ca.ts'),
    () => import('./compose-verbs.ts'),
    () => import('./compose.ts'),
    () => import('./serve.ts'),
  ]
  for (const load of parts) {
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate)
    await load()
  }
  return (await import('./serve.ts')).serve
}

/** Secrets with a server certificate to show; undefined, and told, when there is none to be had in time. */
const firstCurrentSecrets = async ({
  config,
  first,
  reader,
  log,
}: ProcessDeps): Promise<CurrentSecrets | undefined> => {
  const { hostname } = config
  const until = performance.now() + issuerPatience
  for (let outcome = first; ; ) {
    try {
      return await makeCurrentSecrets({
        first: outcome,
        reader,
        issueServerCertificate: async (issuer) => {
          const { issueServerCertificate } = await import('./own-server-certificate.ts')
          return issueServerCertificate(issuer, hostname, systemClock())
        },
        clock: systemClock,
        log,
      })
    } catch (error) {
      if (!isControlError(error, 'issuer_unavailable')) throw error
      if (performance.now() > until) {
        log.error({ event: 'server_certificate_unavailable', reason: awsReason(error) })
        return undefined
      }
      await new Promise((resolve) => setTimeout(resolve, second))
      const { secrets, ...again } = await reader.read()
      if (secrets !== undefined) outcome = { secrets, ...again }
    }
  }
}

/** One process of the server, from its start to its exit code. */
export const runProcess = async (deps: ProcessDeps): Promise<number> => {
  const { config, kms, log } = deps
  const { hostname } = config
  const metrics = makeMetrics()
  let found = false
  let onFound = () => {
    found = true
  }
  kms.start({ log, metrics, onFound: () => onFound() })
  const secrets = await firstCurrentSecrets(deps)
  if (secrets === undefined) return 1
  onFound = () => void secrets.reload()
  if (found) onFound()
  // Signals may come while all is being made ready: then the one that is in more of a hurry counts.
  const signalled = Promise.withResolvers<void>()
  let asked: StopSignal = 'SIGTERM'
  let onSignal = (signal: StopSignal): void => {
    if (signal === 'SIGINT') asked = signal
    signalled.resolve()
  }
  let ports: Ports | undefined
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => {
      ports?.drain()
      onSignal(signal)
    })
  process.on('SIGHUP', () => void secrets.reload())

  try {
    // One of several that share the ports leaves those who come to the others until it can answer them.
    if (!cluster.isWorker) ports = await openPorts(config, false)
    const serve = await loadServe()
    const { addresses, drain, plane } = await serve({
      config,
      secrets,
      log,
      metrics,
      worker: cluster.isWorker,
      ports,
      storedKeys: storedKeysOf(kms),
    })
    if (cluster.isWorker) process.send?.({ type: 'airunner:ready', addresses } satisfies WorkerReady)
    else log.info({ event: 'server_ready', ...addresses, hostname, workers: 1, pid: process.pid })
    deps.onReady?.(addresses)

    await signalled.promise
    onSignal = (again) => void drain.begin(again)
    await drain.begin(asked)
    secrets.stop()
    kms.stop()
    await Promise.race([plane.stop(), new Promise((resolve) => setTimeout(resolve, planeStop))])
    log.info({ event: 'server_stopped' })
    return 0
  } catch (err) {
    if (!(err instanceof ListenProblem)) throw err
    log.error({ event: 'listen_failed', listener: err.listener, code: err.code, reason: err.message })
    return 1
  }
}

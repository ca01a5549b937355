import cluster from 'node:cluster'
import type { Logger } from 'pino'
import { second, systemClock } from '../core/time.ts'
import { makeCurrentSecrets } from './current-secrets.ts'
import type { StopSignal } from './drain.ts'
import { type Addresses, ListenProblem } from './listeners.ts'
import { issueServerCertificate } from './own-server-certificate.ts'
import type { Checked } from './program.ts'
import { serve } from './serve.ts'

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

/** One process of the server, from its start to its exit code. */
export const runProcess = async (deps: ProcessDeps): Promise<number> => {
  const { config, secrets: first, source, log } = deps
  const { hostname } = config
  const secrets = await makeCurrentSecrets({
    first,
    source,
    hostname,
    issueServerCertificate: (issuer) => issueServerCertificate(issuer, hostname, systemClock()),
    clock: systemClock,
    log,
  })
  // Signals may come while ports are being opened.
  const signalled = Promise.withResolvers<StopSignal>()
  let onSignal = (signal: StopSignal): void => signalled.resolve(signal)
  process.on('SIGTERM', () => onSignal('SIGTERM'))
  process.on('SIGINT', () => onSignal('SIGINT'))
  process.on('SIGHUP', () => void secrets.reload())

  try {
    const { addresses, drain, plane } = await serve({ config, secrets, log, worker: cluster.isWorker })
    if (cluster.isWorker) process.send?.({ type: 'airunner:ready', addresses } satisfies WorkerReady)
    else log.info({ event: 'server_ready', ...addresses, hostname, workers: 1, pid: process.pid })
    deps.onReady?.(addresses)

    const signal = await signalled.promise
    onSignal = (again) => void drain.begin(again)
    await drain.begin(signal)
    secrets.stop()
    await Promise.race([plane.stop(), new Promise((resolve) => setTimeout(resolve, planeStop))])
    log.info({ event: 'server_stopped' })
    return 0
  } catch (err) {
    if (!(err instanceof ListenProblem)) throw err
    log.error({ event: 'listen_failed', listener: err.listener, code: err.code, reason: err.message })
    return 1
  }
}

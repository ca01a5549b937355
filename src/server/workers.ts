import cluster, { type Worker } from 'node:cluster'
import { AggregatorRegistry } from '@prometheus-io/client'
import type { Logger } from 'pino'
import { minute, second } from '../core/time.ts'
import type { Config } from './config.ts'
import { type Addresses, ListenProblem, openListeners } from './listeners.ts'
import { makeMetricsServer } from './metrics-app.ts'
import type { WorkerReady } from './run-process.ts'

export interface PrimaryDeps {
  config: Config
  log: Logger
  /** What each worker is started with. */
  args: string[]
  /** Called when all workers have opened their ports. */
  onReady?: ((addresses: Addresses) => void) | undefined
}

/** A worker that dies is replaced after this, doubled for each that died young, up to `slowestRestart`. Milliseconds. */
const firstRestart = second / 10
const slowestRestart = 10 * second
const youth = minute
/** Beyond delay and grace, workers are given this long to end. Milliseconds. */
const patience = 5 * second

/** Starts the workers, keeps their number, and ends with the last of them. Resolves with the exit code. */
export const runPrimary = ({ config, log, args, onReady }: PrimaryDeps): Promise<number> => {
  const exit = Promise.withResolvers<number>()
  const ready = new Map<number, Addresses>()
  let announced: string | undefined
  let stopping = false
  let diedYoung = 0
  let code = 0

  const aggregate = new AggregatorRegistry()
  AggregatorRegistry.setRegistries([])
  const metricsServer = makeMetricsServer({
    contentType: aggregate.contentType,
    text: () => aggregate.clusterMetrics(),
  })
  let own: Addresses = {}

  const announce = () => {
    if (ready.size < config.workers) return
    const addresses: Addresses = { ...[...ready.values()][0], ...own }
    // Once; again only when all workers were gone together, and port 0 has become another.
    if (announced === JSON.stringify(addresses)) return
    announced = JSON.stringify(addresses)
    log.info({
      event: 'server_ready',
      ...addresses,
      hostname: config.hostname,
      workers: config.workers,
      pid: process.pid,
    })
    onReady?.(addresses)
  }

  /** Told to reload while they start: they know no signal yet, and would end by it. */
  const reloadLater = new Set<number>()
  const reload = () => {
    for (const worker of Object.values(cluster.workers ?? {})) {
      if (worker === undefined) continue
      if (ready.has(worker.id)) worker.process.kill('SIGHUP')
      else reloadLater.add(worker.id)
    }
  }

  const fork = () => {
    const worker = cluster.fork()
    const started = Date.now()
    worker.on('message', (message: Partial<WorkerReady>) => {
      if (message.type !== 'airunner:ready' || message.addresses === undefined) return
      ready.set(worker.id, message.addresses)
      if (reloadLater.delete(worker.id)) worker.process.kill('SIGHUP')
      announce()
    })
    worker.once('exit', (status, signal) => ended(worker, started, status, signal))
  }

  const ended = (worker: Worker, started: number, status: number | null, signal: string | null) => {
    ready.delete(worker.id)
    if (stopping) {
      // One that was still starting knows no signal yet, and ends by it: cleanly enough.
      if (status !== 0 && signal !== 'SIGTERM' && signal !== 'SIGINT') code = 1
      if (Object.keys(cluster.workers ?? {}).length === 0) exit.resolve(code)
      return
    }
    log.error({ event: 'worker_ended', worker: worker.id, exit_code: status, signal })
    if (announced === undefined) {
      // It has said why; what keeps one from starting keeps them all.
      stop('SIGINT')
      code = status === 2 ? 2 : 1
      if (Object.keys(cluster.workers ?? {}).length === 0) exit.resolve(code)
      return
    }
    diedYoung = Date.now() - started < youth ? diedYoung + 1 : 0
    setTimeout(() => stopping || fork(), Math.min(slowestRestart, firstRestart * 2 ** diedYoung))
  }

  const signalAll = (signal: NodeJS.Signals) => {
    for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill(signal)
  }

  const stop = (signal: 'SIGTERM' | 'SIGINT') => {
    signalAll(signal)
    if (stopping) return
    stopping = true
    if (Object.keys(cluster.workers ?? {}).length === 0) exit.resolve(code)
    setTimeout(
      () => {
        code = 1
        signalAll('SIGKILL')
      },
      config.drainDelay + config.shutdownGrace + patience,
    )
  }

  process.on('SIGTERM', () => stop('SIGTERM'))
  process.on('SIGINT', () => stop('SIGINT'))
  process.on('SIGHUP', reload)
  // All accept from one queue of the kernel's, and who is busy leaves the next to another. Handing sockets over, in turns, is
  // Node's other way: it costs the primary 0.15 ms for each, and a worker that hangs gets its share.
  cluster.schedulingPolicy = cluster.SCHED_NONE
  cluster.setupPrimary({ args })

  const { metricsListen } = config
  openListeners(metricsListen === undefined ? [] : [{ name: 'metrics', server: metricsServer, address: metricsListen }])
    .then((addresses) => {
      own = addresses
      for (let count = 0; count < config.workers; count++) fork()
    })
    .catch((err: unknown) => {
      if (!(err instanceof ListenProblem)) return exit.reject(err)
      log.error({ event: 'listen_failed', listener: err.listener, code: err.code, reason: err.message })
      exit.resolve(1)
    })
  return exit.promise
}

import type { Server } from 'node:net'
import type { Config } from './config.ts'
import { type Door, makeDoor } from './door.ts'
import { makeHealthServer } from './health-app.ts'
import { type Addresses, type ListenerName, type Opening, openListeners } from './listeners.ts'

/** The open ports of a process. */
export interface Ports {
  addresses: Addresses
  mtls: Door
  enroll: Door
  pki: Door
  metrics: Door
  /** What `/readyz` names. */
  watch(failingChecks: () => string[]): void
  /** From now on `/health` says that no connections are welcome. */
  drain(): void
  /** Accepts no more connections of callers. */
  closeDoors(): void
  /** Ends the probes, public files and metrics as well. */
  close(): void
}

/** Nothing was heard of the store before the plane is there. */
const checksThatWait = ['store', 'feed']

/**
 * Opens the ports of one process, in the order of the table. Probes are answered at once: a process whose configuration
 * is good lives, whatever state the store is in; all others wait at their doors until somebody attends.
 * `worker`: one of several processes, of which the primary has the metrics listener. Throws ListenProblem.
 */
export const openPorts = async (config: Config, worker: boolean): Promise<Ports> => {
  let draining = false
  let failingChecks = () => checksThatWait
  const health = makeHealthServer({
    draining: () => draining,
    failingChecks: () => failingChecks(),
    proxies: config.proxyProtocol,
  })
  const [mtls, enroll, pki, metrics] = [0, 1, 2, 3].map(() => makeDoor(config.maxConnections)) as [
    Door,
    Door,
    Door,
    Door,
  ]
  const opening = (name: ListenerName, server: Server, address: Opening['address'] | undefined): Opening[] =>
    address === undefined ? [] : [{ name, server, address }]
  const addresses = await openListeners([
    ...opening('mtls', mtls.server, config.mtlsListen),
    ...opening('enroll', enroll.server, config.enrollListen),
    ...opening('health', health, config.healthListen),
    ...opening('pki', pki.server, config.pkiListen),
    ...(worker ? [] : opening('metrics', metrics.server, config.metricsListen)),
  ])
  const closeDoors = () => {
    for (const { server } of [mtls, enroll]) if (server.listening) server.close()
  }
  return {
    addresses,
    mtls,
    enroll,
    pki,
    metrics,
    watch: (checks) => {
      failingChecks = checks
    },
    drain: () => {
      draining = true
    },
    closeDoors,
    close: () => {
      closeDoors()
      for (const server of [health, pki.server, metrics.server]) server.close()
      health.closeAllConnections()
    },
  }
}

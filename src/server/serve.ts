import type { TLSSocket } from 'node:tls'
import { AggregatorRegistry } from '@prometheus-io/client'
import type { Logger } from 'pino'
import { type Clock, second, systemClock } from '../core/time.ts'
import { makePlane, type PlaneDeps } from './compose.ts'
import type { Config } from './config.ts'
import { makeConnections } from './connections.ts'
import type { CurrentSecrets } from './current-secrets.ts'
import { makeDenialLog } from './denial-log.ts'
import { answerBehind } from './door.ts'
import { type Drain, makeDrain } from './drain.ts'
import { makeEnrollApp } from './enroll-app.ts'
import { anonymousKeepAlive, idleKeepAlive } from './limits.ts'
import type { Addresses } from './listeners.ts'
import type { HandshakeFailure, Metrics } from './metrics.ts'
import { makeMetricsServer } from './metrics-app.ts'
import { makeMtlsApp } from './mtls-app.ts'
import { releaseNursery } from './nursery.ts'
import { makePkiServer } from './pki-app.ts'
import type { Plane } from './plane.ts'
import { openPorts, type Ports } from './ports.ts'
import { remoteAddressOf } from './remote-address.ts'
import { makeRequestsInFlight } from './requests-in-flight.ts'
import type { TlsMaterial } from './tls.ts'
import { makeTlsListener, type TlsListener } from './tls-listener.ts'
import { startVitals } from './vitals.ts'

export interface ServeDeps {
  config: Config
  secrets: CurrentSecrets
  log: Logger
  metrics: Metrics
  /** One of several processes: the primary has the metrics listener. */
  worker: boolean
  /** Absent: they are opened here, once all is there to answer. */
  ports?: Ports | undefined
  clock?: Clock
  /** Where the store is, when not where the standard AWS variables say. */
  store?: PlaneDeps['store']
  settlingTime?: PlaneDeps['settlingTime']
  /** Keys in KMS that the registry names. */
  storedKeys?: PlaneDeps['storedKeys']
  auditTimes?: PlaneDeps['auditTimes']
  truststoreLook?: PlaneDeps['truststoreLook']
  ssm?: PlaneDeps['ssm']
  guardTiming?: PlaneDeps['guardTiming']
  buildsCrls?: PlaneDeps['buildsCrls']
  /** Milliseconds by which the event loop may be late before work is refused; who tests shares it with the server. */
  maxLag?: number
}

export interface Serving {
  addresses: Addresses
  drain: Drain
  plane: Plane
  /** Ends what draining leaves open: probes, public files, metrics and the store. */
  close(): Promise<void>
}

/** Who waits for the ports to open comes first; what spares others time is done after that. Milliseconds. */
const warmAfter = second / 2

/** What a finished handshake on the mTLS listener must show. */
const makePeerCheck = (deps: {
  plane: Plane
  connections: ReturnType<typeof makeConnections>
  denied: ReturnType<typeof makeDenialLog>
}) => {
  return (socket: TLSSocket, remoteAddress: string): HandshakeFailure | undefined => {
    const certificate = socket.getPeerX509Certificate()
    const presented = certificate && deps.plane.present(certificate)
    if (presented !== undefined) {
      deps.connections.add(socket, presented, remoteAddress)
      return undefined
    }
    const code = certificate === undefined ? 'no_certificate' : 'unknown_issuer'
    const serial = certificate && { serial_number: certificate.serialNumber.toLowerCase().slice(0, 40) }
    deps.denied({ code, remote_address: remoteAddress, ...serial })
    return code
  }
}

/** Starts one process of the server: opens its ports, whatever state the store is in. Throws ListenProblem. */
export const serve = async ({
  config,
  secrets,
  log,
  metrics,
  worker,
  ports: open,
  clock = systemClock,
  store,
  settlingTime,
  storedKeys,
  auditTimes,
  truststoreLook,
  ssm,
  guardTiming,
  buildsCrls,
  maxLag,
}: ServeDeps): Promise<Serving> => {
  let enrollPort: number | undefined
  const connections = makeConnections({ clock, log, metrics })
  const plane = await makePlane({
    config,
    secrets: secrets.get,
    log,
    metrics,
    connections,
    clock,
    ...(store && { store }),
    enrollPort: () => enrollPort,
    settlingTime,
    storedKeys,
    auditTimes,
    truststoreLook,
    ssm,
    guardTiming,
    buildsCrls,
  })
  metrics.watch({
    connections: connections.countByType,
    certificateExpiry: () => {
      const issuerEnd = plane.issuerEnd()
      return { ...secrets.secondsUntilExpiry(), ...(issuerEnd && { issuer: (issuerEnd - clock()) / second }) }
    },
  })
  // What the registry says of issuers, before the first handshake is looked at.
  await plane.prepare()

  // 1. What speaks TLS: the whole API, and joining.
  const limits = maxLag === undefined ? {} : { maxLag }
  const mtls = await makeMtlsApp({ plane, log, metrics, connections, remoteAddressOf, clock, config: limits })
  mtls.httpServer.keepAliveTimeout = idleKeepAlive
  connections.requests.watch(mtls.httpServer)
  const enroll = await makeEnrollApp({ plane, log, metrics, remoteAddressOf, clock, ...limits })
  enroll.httpServer.keepAliveTimeout = anonymousKeepAlive
  const joining = makeRequestsInFlight()
  joining.watch(enroll.httpServer)

  // 2. What speaks plain HTTP.
  const pki = makePkiServer({
    trustBundle: () => plane.trustBundle().roots_pem,
    issuerCertificates: () => plane.issuerCertificates(),
    ocsp: { answer: plane.answerOcsp, clock },
    crl: (issuerId) => plane.crl(issuerId),
    clock,
  })
  const metricsServer = makeMetricsServer({
    contentType: metrics.registry.contentType,
    text: () => metrics.registry.metrics(),
  })
  if (worker) {
    AggregatorRegistry.setRegistries([metrics.registry])
    new AggregatorRegistry()
  }

  // 3. Ports. A store that does not answer is no reason to keep them closed.
  const ports = open ?? (await openPorts(config, worker))
  const material = (): TlsMaterial => ({ ...secrets.material(), authorities_pem: plane.authoritiesPem() })
  const common = {
    material: material(),
    proxies: config.proxyProtocol,
    maxConnections: config.maxConnections,
    metrics,
  }
  const mtlsListener = makeTlsListener({
    ...common,
    door: ports.mtls,
    requestCert: true,
    check: makePeerCheck({ plane, connections, denied: makeDenialLog(log, clock) }),
    httpServer: mtls.httpServer,
  })
  const enrollListener = makeTlsListener({
    ...common,
    door: ports.enroll,
    requestCert: false,
    check: (socket) => {
      joining.opened(socket)
      return undefined
    },
    httpServer: enroll.httpServer,
  })
  const tlsListeners: TlsListener[] = [mtlsListener, enrollListener]
  const showMaterial = () => {
    for (const listener of tlsListeners) listener.replace(material())
  }
  secrets.onChange(() => {
    showMaterial()
    plane.trustChanged()
  })
  plane.onAuthoritiesChange(showMaterial)

  answerBehind(ports.pki, pki)
  answerBehind(ports.metrics, metricsServer)
  ports.watch(() => plane.failingChecks())
  const { addresses } = ports
  enrollPort = addresses.enroll_listen === undefined ? undefined : Number(addresses.enroll_listen.split(':').at(-1))
  const vitals = startVitals({ gauges: metrics.gauges, log })
  const warming = setTimeout(() => void warmUp(), warmAfter).unref()
  const warmUp = async () => {
    await mtls.warm()
    await enroll.warm()
    releaseNursery()
  }
  plane.start().catch((err: unknown) => log.error({ event: 'store_degraded', err }))

  const drain = makeDrain({
    delay: config.drainDelay,
    grace: config.shutdownGrace,
    log,
    random: Math.random,
    announce: ports.drain,
    streams: connections.streams,
    stopListening: ports.closeDoors,
    finishAll: () => {
      connections.requests.finishAll()
      joining.finishAll()
    },
    allClosed: async () => {
      await Promise.all([connections.requests.allClosed(), joining.allClosed()])
    },
    destroyAll: () => {
      const left = connections.requests.size() + joining.size()
      connections.requests.destroyAll()
      joining.destroyAll()
      return left
    },
  })
  const close = async () => {
    clearTimeout(warming)
    vitals.stop()
    ports.close()
    for (const server of [pki, metricsServer]) {
      server.close()
      server.closeAllConnections()
    }
    await Promise.all([mtls.app.close(), enroll.app.close(), plane.stop()])
  }
  return { addresses, drain, plane, close }
}

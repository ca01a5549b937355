import { AsyncLocalStorage } from 'node:async_hooks'
import type { Server as HttpServer } from 'node:http'
import type { Server, Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { second } from '../core/time.ts'
import { type CidrSet, plainAddress } from './cidr.ts'
import { type Door, makeDoor } from './door.ts'
import { handshakeQueueDefaults, makeHandshakeQueue } from './handshake-queue.ts'
import type { HandshakeFailure, Metrics } from './metrics.ts'
import { takeProxyHeader } from './proxy-protocol.ts'
import { setRemoteAddress } from './remote-address.ts'
import { handshakeTimeout, secureContextOf, type TlsMaterial, tlsOptionsOf } from './tls.ts'

export interface TlsListenerDeps {
  material: TlsMaterial
  /** Ask clients for a certificate in the handshake. */
  requestCert: boolean
  /** Balancers in front, whose connections begin with a PROXY header. */
  proxies?: CidrSet | undefined
  /** Connections at once, those included whose handshake is not finished. */
  maxConnections: number
  /** The port; absent: one of its own, that is yet to listen. */
  door?: Door | undefined
  metrics: Pick<Metrics, 'handshakeFailed'>
  /** Looks at a finished handshake, once; why it is refused, if it is. Nothing was read from the socket yet. */
  check(socket: TLSSocket, remoteAddress: string): HandshakeFailure | undefined
  /** Speaks HTTP on the sockets that passed. It listens nowhere itself. */
  httpServer: HttpServer
}

export interface TlsListener {
  /** The one that listens. */
  server: Server
  /** Shows another certificate to those who connect from now on. */
  replace(material: TlsMaterial): void
}

/** A connection until its handshake is done, one way or the other. */
interface Handshake {
  raw: Socket
  remoteAddress: string
  deadline: NodeJS.Timeout
  /** On the clock of `performance.now()`. */
  since: number
}

/** While others wait for a place, a handshake has only this long. Milliseconds. */
const pressedTimeout = second

const failureOf = (error: NodeJS.ErrnoException): HandshakeFailure => {
  if (error.code === 'ECONNRESET' || error.code === 'EPIPE') return 'client_closed'
  return error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT' ? 'timeout' : 'protocol'
}

/**
 * A port on which TLS is spoken, and HTTP once the peer has passed the check.
 * The way of a connection: accept → PROXY header, if it comes from a balancer → its turn → handshake → check → HTTP.
 */
export const makeTlsListener = (deps: TlsListenerDeps): TlsListener => {
  const open = new Set<Handshake>()
  /** Leads from what Node says of a TLS socket back to the plain one underneath, which it does not name. */
  const current = new AsyncLocalStorage<Handshake>()
  const tlsServer = createTlsServer(tlsOptionsOf(deps.material, deps.requestCert))

  /** True for the first who asks: a handshake has one end. */
  const settle = (handshake: Handshake): boolean => {
    clearTimeout(handshake.deadline)
    return open.delete(handshake)
  }

  const refuse = (socket: Socket, reason: HandshakeFailure) => {
    deps.metrics.handshakeFailed(reason)
    socket.destroy()
  }

  const fail = (handshake: Handshake, reason: HandshakeFailure) => {
    if (settle(handshake)) refuse(handshake.raw, reason)
  }

  const begin = (raw: Socket, remoteAddress: string) => {
    if (raw.destroyed) return
    // Node's own limit begins anew with each byte; this one does not.
    const deadline = setTimeout(() => fail(handshake, 'timeout'), handshakeTimeout)
    const handshake: Handshake = { raw, remoteAddress, deadline, since: performance.now() }
    open.add(handshake)
    raw.once('close', () => fail(handshake, 'client_closed'))
    current.run(handshake, () => tlsServer.emit('connection', raw))
  }

  const queue = makeHandshakeQueue({
    ...handshakeQueueDefaults,
    open: () => open.size,
    dropSlowest: () => {
      const [oldest] = open
      if (oldest === undefined || performance.now() - oldest.since < pressedTimeout) return false
      fail(oldest, 'timeout')
      return true
    },
  })
  const enter = (raw: Socket, remoteAddress: string) => {
    const place = { begin: () => begin(raw, remoteAddress), giveUp: () => refuse(raw, 'limit') }
    if (!queue.enter(place)) refuse(raw, 'limit')
  }

  const door = deps.door ?? makeDoor(deps.maxConnections)
  const { server } = door
  // Of several workers, too: passed on, a connection would go round for as long as all are full.
  Object.assign(server, { dropMaxConnection: true })
  server.on('drop', () => deps.metrics.handshakeFailed('limit'))

  tlsServer.on('secureConnection', (socket) => {
    socket.on('error', () => undefined)
    const handshake = current.getStore()
    if (handshake === undefined || !settle(handshake)) return socket.destroy()
    setRemoteAddress(socket, handshake.remoteAddress)
    const failure = socket.isSessionReused() ? 'session_reused' : deps.check(socket, handshake.remoteAddress)
    if (failure !== undefined) refuse(socket, failure)
    else deps.httpServer.emit('connection', socket)
  })
  tlsServer.on('tlsClientError', (error: NodeJS.ErrnoException) => {
    const handshake = current.getStore()
    if (handshake !== undefined) fail(handshake, failureOf(error))
  })

  // Last: some may have waited.
  door.attend((raw) => {
    const address = plainAddress(raw.remoteAddress ?? '')
    if (!deps.proxies?.has(address)) return enter(raw, address)
    const deadline = setTimeout(() => refuse(raw, 'timeout'), handshakeTimeout)
    takeProxyHeader(raw, (header) => {
      clearTimeout(deadline)
      if (header !== undefined) enter(raw, header.address ?? address)
      else if (!raw.destroyed) refuse(raw, 'proxy_header')
    })
  })

  return {
    server,
    replace: (material) => tlsServer.setSecureContext(secureContextOf(material)),
  }
}

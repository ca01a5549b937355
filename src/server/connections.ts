import type { Socket } from 'node:net'
import type { Presented } from '../auth/caller.ts'
import type { PrincipalType } from '../core/principal.ts'
import { type Clock, minute } from '../core/time.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import { makeRequestsInFlight, type RequestsInFlight } from './requests-in-flight.ts'

/** Whose connections are meant; each named field must match. */
export interface ConnectionTarget {
  serial_number?: string
  principal_id?: string
  issuer_id?: string
}

/** A response that never ends by itself. */
export interface OpenStream {
  /** Tells the peer to come back after so many seconds, and ends the response. */
  reconnect(afterSeconds: number): void
}

/** One certificate of an open connection, for loops that look whether it is still good. */
export interface HeldCertificate {
  presented: Presented
  /** As admitted; before that, as claimed. */
  principal_id?: string
}

/** The open mTLS connections of this process, and who is at their other end. */
export interface Connections {
  /** Follows a socket until it closes, which it does at the latest when its certificate expires. */
  add(socket: Socket, presented: Presented, remoteAddress: string): void
  /** Says who was admitted on a socket. */
  identify(socket: Socket, principalId: string, type: PrincipalType): void
  presentedOf(socket: Socket): Presented | undefined
  /**
   * Destroys connections at once and says how many. `except` is left alone: the one on which the cut was asked for.
   * `acceptedAt` (Unix milliseconds) is when the right ended: the time from there to now is measured.
   */
  cut(target: ConnectionTarget, cause: string, except?: Socket, acceptedAt?: number): number
  /** Destroys all of them. */
  cutAll(cause: string): void
  /** Lets the connections of a certificate end: idle ones now, others after the response that they wait for. */
  finish(serialNumber: string): number
  /** The distinct certificates of all connections. */
  entries(): Iterable<HeldCertificate>
  /** Declares the response on a socket endless, or, without `stream`, no longer so. */
  setStream(socket: Socket, stream?: OpenStream): void
  /** Sockets that carry an endless response, with the way to end it. */
  streams(): Iterable<[Socket, OpenStream]>
  size(): number
  /** How many connections each type of principal holds; `unknown` is what has not said. */
  countByType(): Record<string, number>
  requests: RequestsInFlight
}

export interface ConnectionsDeps {
  clock: Clock
  log: Log
  metrics: Pick<Metrics, 'revokedSocketCut'>
}

interface Entry {
  socket: Socket
  presented: Presented
  remoteAddress: string
  principalId: string | undefined
  type: string
  stream?: OpenStream
  expiry?: NodeJS.Timeout
}

/** Timers hold at most 24.8 days and stand still while a machine sleeps, so expiry is looked at again this often. */
const expiryLook = 10 * minute

const put = (index: Map<string, Set<Entry>>, key: string | undefined, entry: Entry) => {
  if (key === undefined) return
  const found = index.get(key)
  if (found === undefined) index.set(key, new Set([entry]))
  else found.add(entry)
}

const drop = (index: Map<string, Set<Entry>>, key: string | undefined, entry: Entry) => {
  if (key === undefined) return
  const found = index.get(key)
  if (found?.delete(entry) && found.size === 0) index.delete(key)
}

export const makeConnections = (deps: ConnectionsDeps): Connections => {
  const entries = new Map<Socket, Entry>()
  const bySerial = new Map<string, Set<Entry>>()
  const byPrincipal = new Map<string, Set<Entry>>()
  const streaming = new Set<Entry>()
  const counts = new Map<string, number>()
  const requests = makeRequestsInFlight()

  const count = (type: string, change: 1 | -1) => counts.set(type, (counts.get(type) ?? 0) + change)

  const forget = (entry: Entry) => {
    clearTimeout(entry.expiry)
    entries.delete(entry.socket)
    drop(bySerial, entry.presented.serial_number, entry)
    drop(byPrincipal, entry.principalId, entry)
    streaming.delete(entry)
    count(entry.type, -1)
  }

  const destroy = (chosen: Entry[], cause: string) => {
    for (const { socket } of chosen) socket.destroy()
    for (const { presented, principalId, remoteAddress } of chosen) {
      deps.log.info({
        event: 'connection_cut',
        cause,
        serial_number: presented.serial_number,
        principal_id: principalId,
        remote_address: remoteAddress,
      })
    }
  }

  const awaitExpiry = (entry: Entry) => {
    const left = entry.presented.expires_at - deps.clock()
    if (left <= 0) destroy([entry], 'certificate_expired')
    else entry.expiry = setTimeout(awaitExpiry, Math.min(left, expiryLook), entry).unref()
  }

  /** The smallest set that surely holds what is meant. */
  const candidates = (target: ConnectionTarget): Iterable<Entry> => {
    if (target.serial_number !== undefined) return bySerial.get(target.serial_number) ?? []
    if (target.principal_id !== undefined) return byPrincipal.get(target.principal_id) ?? []
    return target.issuer_id === undefined ? [] : entries.values()
  }

  const matches = (entry: Entry, target: ConnectionTarget): boolean =>
    (target.principal_id === undefined || entry.principalId === target.principal_id) &&
    (target.issuer_id === undefined || entry.presented.issuer_id === target.issuer_id)

  return {
    add: (socket, presented, remoteAddress) => {
      const { principal_id: principalId, principal_type: type = 'unknown' } = presented.claimed ?? {}
      const entry: Entry = { socket, presented, remoteAddress, principalId, type }
      entries.set(socket, entry)
      put(bySerial, presented.serial_number, entry)
      put(byPrincipal, principalId, entry)
      count(type, 1)
      requests.opened(socket)
      socket.once('close', () => forget(entry))
      // One that comes with an expired certificate is told so by admission.
      if (presented.expires_at > deps.clock()) awaitExpiry(entry)
    },
    identify: (socket, principalId, type) => {
      const entry = entries.get(socket)
      if (entry === undefined) return
      if (entry.principalId !== principalId) {
        drop(byPrincipal, entry.principalId, entry)
        entry.principalId = principalId
        put(byPrincipal, principalId, entry)
      }
      if (entry.type !== type) {
        count(entry.type, -1)
        entry.type = type
        count(type, 1)
      }
    },
    presentedOf: (socket) => entries.get(socket)?.presented,
    cut: (target, cause, except, acceptedAt) => {
      const chosen = [...candidates(target)].filter((entry) => entry.socket !== except && matches(entry, target))
      destroy(chosen, cause)
      if (acceptedAt !== undefined) {
        const seconds = Math.max(0, deps.clock() - acceptedAt) / 1000
        for (const _ of chosen) deps.metrics.revokedSocketCut(seconds)
      }
      return chosen.length
    },
    cutAll: (cause) => destroy([...entries.values()], cause),
    finish: (serialNumber) => {
      const chosen = [...(bySerial.get(serialNumber) ?? [])]
      for (const { socket, stream } of chosen) {
        requests.finish(socket)
        stream?.reconnect(0)
      }
      return chosen.length
    },
    *entries() {
      for (const held of bySerial.values()) {
        const seen = new Set<string>()
        for (const { presented, principalId } of held) {
          if (seen.has(presented.fingerprint)) continue
          seen.add(presented.fingerprint)
          yield principalId === undefined ? { presented } : { presented, principal_id: principalId }
        }
      }
    },
    setStream: (socket, stream) => {
      const entry = entries.get(socket)
      if (entry === undefined) return
      if (stream === undefined) {
        delete entry.stream
        streaming.delete(entry)
      } else {
        entry.stream = stream
        streaming.add(entry)
      }
    },
    *streams() {
      for (const { socket, stream } of streaming) if (stream !== undefined) yield [socket, stream]
    },
    size: () => entries.size,
    countByType: () => Object.fromEntries([...counts].filter(([, held]) => held > 0)),
    requests,
  }
}

import type { Server as HttpServer } from 'node:http'
import type { Socket } from 'node:net'
import { type CidrSet, plainAddress } from './cidr.ts'

/** A header is at most this long, its TLVs included; real ones take 28 to 200 bytes. */
const longestHeader = 4096
const fixedPart = 16
const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')

/** What the bytes so far are: not enough, no header, or one of `length` bytes, with its source when it names one. */
export type ProxyHeader =
  | { state: 'incomplete' }
  | { state: 'invalid' }
  | { state: 'complete'; length: number; address?: string }

const ipv6 = (bytes: Buffer): string => {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16))
  const { hostname } = new URL(`http://[${groups.join(':')}]`)
  const mapped = bytes.subarray(0, 12).equals(Buffer.from('00000000000000000000ffff', 'hex'))
  return mapped ? bytes.subarray(12).join('.') : hostname.slice(1, -1)
}

/**
 * Reads a PROXY protocol header, version 2, from the first bytes of a connection. LOCAL (a balancer's own health check)
 * and an unspecified family name no source. @see haproxy proxy-protocol.txt §2.2
 */
export const parseProxyHeader = (bytes: Buffer): ProxyHeader => {
  const known = Math.min(bytes.length, signature.length)
  if (!bytes.subarray(0, known).equals(signature.subarray(0, known))) return { state: 'invalid' }
  if (bytes.length < fixedPart) return { state: 'incomplete' }

  const versionAndCommand = bytes.readUInt8(12)
  const family = bytes.readUInt8(13)
  const rest = bytes.readUInt16BE(14)
  const length = fixedPart + rest
  const local = versionAndCommand === 0x20
  if (!local && versionAndCommand !== 0x21) return { state: 'invalid' }
  if (length > longestHeader) return { state: 'invalid' }
  const addresses = { 0: 0, 17: 12, 33: 36 }[family]
  if (!local && (addresses === undefined || rest < addresses)) return { state: 'invalid' }
  if (bytes.length < length) return { state: 'incomplete' }

  if (local || family === 0x00) return { state: 'complete', length }
  const address =
    family === 0x11
      ? bytes.subarray(fixedPart, fixedPart + 4).join('.')
      : ipv6(bytes.subarray(fixedPart, fixedPart + 16))
  return { state: 'complete', length, address: plainAddress(address) }
}

/**
 * Takes the header off a fresh connection, and calls back once: with the header, or without when the peer sent something
 * else or ended. What is no header is back in the socket. Time is the caller's to limit.
 */
export const takeProxyHeader = (
  socket: Socket,
  done: (header: { length: number; address?: string } | undefined) => void,
): void => {
  let bytes: Buffer = Buffer.alloc(0)
  const stop = () => {
    socket.off('readable', onReadable)
    socket.off('end', onEnd)
    socket.off('close', onEnd)
  }
  const onEnd = () => {
    stop()
    done(undefined)
  }
  const onReadable = () => {
    for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read()) {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
    }
    const header = parseProxyHeader(bytes)
    if (header.state === 'incomplete') return
    stop()
    const rest = header.state === 'complete' ? bytes.subarray(header.length) : bytes
    if (rest.length > 0) socket.unshift(rest)
    done(header.state === 'complete' ? header : undefined)
  }
  socket.on('readable', onReadable)
  socket.on('end', onEnd)
  socket.on('close', onEnd)
}

/**
 * Lets connections of `proxies` to a plain server begin with a header, or without one. A balancer that puts headers in
 * front of its clients' bytes does so in its health checks as well, whatever port they go to.
 */
export const acceptProxyHeader = (server: HttpServer, proxies: CidrSet, timeout: number): void => {
  const listeners = server.listeners('connection') as ((socket: Socket) => void)[]
  const speakHttp = (socket: Socket) => {
    for (const listener of listeners) listener.call(server, socket)
  }
  server.removeAllListeners('connection')
  server.on('connection', (socket: Socket) => {
    if (!proxies.has(plainAddress(socket.remoteAddress ?? ''))) return speakHttp(socket)
    socket.on('error', () => undefined)
    const deadline = setTimeout(() => socket.destroy(), timeout)
    takeProxyHeader(socket, () => {
      clearTimeout(deadline)
      if (socket.readableEnded || socket.destroyed) return socket.destroy()
      speakHttp(socket)
      socket.resume()
    })
  })
}

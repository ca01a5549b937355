import type { Socket } from 'node:net'
import { plainAddress } from './cidr.ts'

const addresses = new WeakMap<Socket, string>()

/** Notes who is really at the other end, as a balancer's PROXY header said it. */
export const setRemoteAddress = (socket: Socket, address: string): void => {
  addresses.set(socket, address)
}

/** The address at the other end, the balancer in between left out; empty when the peer is gone. Never from an HTTP header. */
export const remoteAddressOf = (socket: Socket): string =>
  addresses.get(socket) ?? plainAddress(socket.remoteAddress ?? '')

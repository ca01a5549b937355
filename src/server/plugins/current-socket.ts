import { AsyncLocalStorage } from 'node:async_hooks'
import type { Socket } from 'node:net'

const sockets = new AsyncLocalStorage<Socket>()

/** The socket whose request is being served, so that cutting a caller off does not cut off the answer that says so. */
export const currentSocket = (): Socket | undefined => sockets.getStore()

/** Everything that follows from `run` counts as work for `socket`. */
export const enterSocket = (socket: Socket, run: () => void): void => sockets.run(socket, run)

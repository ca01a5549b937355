import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

interface State {
  responses: Set<ServerResponse>
  finishing: boolean
}

/** Which sockets of an HTTP server are in the middle of a request, so that none is closed under a caller's feet. */
export interface RequestsInFlight {
  /** Follows the requests of a server. Call it before the server is given a socket. */
  watch(server: Server): void
  /** Counts a socket as open from now on. */
  opened(socket: Socket): void
  /** Ends a socket: at once when it is idle, otherwise after the responses that it waits for. */
  finish(socket: Socket): void
  /** Finishes every open socket; one that opens from now on may have one answer. */
  finishAll(): void
  destroyAll(): void
  /** Sockets that are open. */
  size(): number
  /** Resolves when none is open any more. */
  allClosed(): Promise<void>
}

export const makeRequestsInFlight = (): RequestsInFlight => {
  const states = new Map<Socket, State>()
  let finishingAll = false
  let waiting: (() => void)[] = []

  const closeAfter = (response: ServerResponse) => {
    if (!response.headersSent) response.setHeader('Connection', 'close')
  }

  const began = (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request
    const state = states.get(socket)
    if (state === undefined) return
    state.responses.add(response)
    if (state.finishing || finishingAll) closeAfter(response)
    response.once('close', () => {
      state.responses.delete(response)
      if ((state.finishing || finishingAll) && state.responses.size === 0) socket.destroySoon()
    })
  }

  const finish = (socket: Socket) => {
    const state = states.get(socket)
    if (state === undefined) return
    state.finishing = true
    if (state.responses.size === 0) socket.destroySoon()
    // Answers come in the order of the requests; an earlier one that closed would leave out the rest.
    const last = [...state.responses].at(-1)
    if (last !== undefined) closeAfter(last)
  }

  return {
    watch: (server) => {
      server.prependListener('request', began)
    },
    opened: (socket) => {
      states.set(socket, { responses: new Set(), finishing: false })
      socket.once('close', () => {
        states.delete(socket)
        if (states.size > 0) return
        for (const resolve of waiting) resolve()
        waiting = []
      })
    },
    finish,
    finishAll: () => {
      finishingAll = true
      for (const socket of [...states.keys()]) finish(socket)
    },
    destroyAll: () => {
      for (const socket of [...states.keys()]) socket.destroy()
    },
    size: () => states.size,
    allClosed: () => (states.size === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  }
}

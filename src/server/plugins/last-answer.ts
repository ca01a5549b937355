import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { second } from '../../core/time.ts'

/** How long a peer that was refused may go on sending before it is cut. Milliseconds. */
export const lingerTime = 5 * second

const lingering = new WeakSet<Duplex>()

/** True once the last answer on a socket is given: what still arrives is thrown away, whatever it asks for. */
export const isLingering = (socket: Duplex): boolean => lingering.has(socket)

/**
 * Ends a socket on which a refused request may still arrive, in stages: nothing more is said, and what comes is thrown
 * away until the peer closes. A socket closed at once answers the rest of the request with a reset, and that takes away
 * the answer which the peer, busy sending, has not read yet. @see RFC 9112 §9.6
 */
export const linger = (socket: Duplex): void => {
  if (lingering.has(socket) || socket.destroyed) return
  lingering.add(socket)
  socket.end()
  socket.resume()
  const limit = setTimeout(() => socket.destroy(), lingerTime).unref()
  socket.once('close', () => clearTimeout(limit))
}

const current = Symbol('the request that is being answered')

/** Kept on the socket itself: a map of all sockets that is written with each request is dear to the collector. */
interface Serving extends Duplex {
  [current]?: IncomingMessage
}

/** Lets a connection that ends with the answer to a request of which not all has arrived end in stages. */
export const deliverLastAnswers = (server: Server): void => {
  server.prependListener('request', (request) => {
    ;(request.socket as Serving)[current] = request
  })
  server.on('connection', (socket) => {
    const destroySoon = socket.destroySoon.bind(socket)
    // How Node ends a connection after an answer that says so; there is no event to hold it up by.
    socket.destroySoon = () => {
      const request = (socket as Serving)[current]
      if (request === undefined || request.complete) return destroySoon()
      linger(socket)
      request.resume()
    }
  })
}

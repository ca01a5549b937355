import type { Server as HttpServer } from 'node:http'
import { createServer, type Server, type Socket } from 'node:net'
import { minute } from '../core/time.ts'

/** A port that can be open before what answers behind it is there: who comes early waits, and nothing is read from them. */
export interface Door {
  /** The one that listens. */
  server: Server
  /** Gives `take` every connection from now on, and first those that have waited; they are paused. */
  attend(take: (socket: Socket) => void): void
}

/** `maxConnections`: at once, those that wait included. */
export const makeDoor = (maxConnections: number): Door => {
  const waiting: Socket[] = []
  let take = (socket: Socket): void => void waiting.push(socket)
  const options = { pauseOnConnect: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: minute }
  const server = createServer(options, (socket) => {
    socket.on('error', () => undefined)
    take(socket)
  })
  server.maxConnections = maxConnections
  return {
    server,
    attend: (next) => {
      take = next
      for (const socket of waiting.splice(0)) if (!socket.destroyed) next(socket)
    },
  }
}

/** Lets an HTTP server that listens nowhere itself answer behind a door. */
export const answerBehind = (door: Door, server: HttpServer): void => {
  door.server.maxConnections = server.maxConnections
  // Its timeouts are enforced by a timer that starts with this.
  server.emit('listening')
  door.attend((socket) => {
    server.emit('connection', socket)
    socket.resume()
  })
}

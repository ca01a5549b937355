import type { FastifyReply } from 'fastify'
import { renderEvent } from '../../wire/agent-events.ts'

export interface EventStreamOptions {
  /** A comment this often keeps balancers and the peer from giving the connection up, milliseconds. */
  heartbeat: number
  /** Octets that may wait for a slow reader before it is cut off; it begins anew with a snapshot. */
  maxWaiting: number
}

/** One open `text/event-stream`. */
export interface EventStream {
  send(event: string, data: unknown): void
  end(): void
}

/** The open event streams of this process: one per certificate, a second one replaces the first. */
export const makeEventStreams = ({ heartbeat, maxWaiting }: EventStreamOptions) => {
  const streams = new Map<string, EventStream>()
  return {
    open: (serialNumber: string, reply: FastifyReply): EventStream => {
      const { raw } = reply.hijack()
      const write = (text: string): void => {
        if (raw.writableEnded || raw.destroyed) return
        raw.write(text)
        if (raw.writableLength > maxWaiting) raw.destroy()
      }
      const stream: EventStream = {
        send: (event, data) => write(renderEvent(event, data)),
        end: () => void (raw.writableEnded || raw.end()),
      }
      const timer = setInterval(() => write(': alive\n\n'), heartbeat)
      timer.unref()
      raw.once('close', () => {
        clearInterval(timer)
        if (streams.get(serialNumber) === stream) streams.delete(serialNumber)
      })
      streams.get(serialNumber)?.end()
      streams.set(serialNumber, stream)
      // The stream is the last thing on its connection: once it ends, there is nothing to keep.
      const headers = { ...reply.getHeaders(), 'content-type': 'text/event-stream', connection: 'close' }
      raw.writeHead(200, headers as Record<string, string>)
      raw.flushHeaders()
      return stream
    },
    /** The stream of a certificate, when this process holds it. */
    of: (serialNumber: string): EventStream | undefined => streams.get(serialNumber),
    all: (): Iterable<EventStream> => streams.values(),
    size: (): number => streams.size,
  }
}
export type EventStreams = ReturnType<typeof makeEventStreams>

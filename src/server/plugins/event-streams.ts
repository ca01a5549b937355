import type { FastifyReply } from 'fastify'
import { type AgentEvents, renderEvent } from '../../wire/agent-events.ts'

export interface EventStreamOptions {
  /** A comment this often keeps balancers and the peer from giving the connection up, milliseconds. */
  heartbeat: number
  /** Octets that may wait for a slow reader before it is cut off; it begins anew with a snapshot. */
  maxWaiting: number
}

/** One open `text/event-stream`. */
export interface EventStream {
  send<E extends keyof AgentEvents>(event: E, data: AgentEvents[E]): void
  end(): void
}

/** The open event streams of this process. Which of one certificate's stays, agents/hub.ts decides. */
export const makeEventStreams = ({ heartbeat, maxWaiting }: EventStreamOptions) => {
  const open = new Map<EventStream, string>()
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
        open.delete(stream)
      })
      open.set(stream, serialNumber)
      // The stream is the last thing on its connection: once it ends, there is nothing to keep.
      const headers = { ...reply.getHeaders(), 'content-type': 'text/event-stream', connection: 'close' }
      raw.writeHead(200, headers as Record<string, string>)
      raw.flushHeaders()
      return stream
    },
    /** Those of a certificate: for tests. */
    of: (serialNumber: string): EventStream | undefined => [...open].find(([, serial]) => serial === serialNumber)?.[0],
    size: (): number => open.size,
  }
}
export type EventStreams = ReturnType<typeof makeEventStreams>

import { once } from 'node:events'
import type { TLSSocket } from 'node:tls'
import type { AgentEvents } from '../../src/wire/agent-events.ts'
import type { Client } from './client.ts'

type Name = keyof AgentEvents

/** An event stream as an agent has it, over a bare connection. */
export interface AgentStream {
  socket: TLSSocket
  /** The whole answer so far. */
  text(): string
  /** All events of a name that have come so far. */
  of<E extends Name>(event: E): AgentEvents[E][]
  /** Resolves with the `nth` event of a name, from now or before; rejects when the stream ends or `patience` is over. */
  event<E extends Name>(event: E, nth?: number, patience?: number): Promise<AgentEvents[E]>
  closed: Promise<void>
  /** As a killed process does: no goodbye. */
  kill(): void
}

const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds))

/**
 * Asks again until `holds`; false when that takes longer than `patience` milliseconds: as long as it would take where
 * the machine has other work, for what never comes fails a test all the same.
 */
export const eventually = async (holds: () => boolean | Promise<boolean>, patience = 60_000): Promise<boolean> => {
  const until = performance.now() + patience
  while (!(await holds())) {
    if (performance.now() > until) return false
    await pause(20)
  }
  return true
}

/** Opens the event stream of a certificate and waits for its snapshot. */
export const openAgentStream = async (client: Client, instance = 'instance-1'): Promise<AgentStream> => {
  const socket = await client.open()
  let text = ''
  let ended = false
  socket.on('error', () => undefined)
  socket.on('data', (part) => {
    text += part
  })
  const closed = once(socket, 'close').then(() => {
    ended = true
  })
  socket.write(
    `GET /v1/agent/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nAirunner-Instance: ${instance}\r\n\r\n`,
  )
  const all = () =>
    [...text.matchAll(/event: (\w+)\ndata: (.*)\n\n/g)].map(([, name, data]) => [name, JSON.parse(data ?? '')])
  const stream: AgentStream = {
    socket,
    text: () => text,
    of: (event) => all().flatMap(([name, data]) => (name === event ? [data] : [])),
    event: async (event, nth = 1, patience = 60_000) => {
      await eventually(() => ended || stream.of(event).length >= nth, patience)
      const found = stream.of(event)[nth - 1]
      if (found === undefined) throw new Error(`no ${event}${ended ? ' before the end' : ''}: ${text}`)
      return found
    },
    closed,
    kill: () => socket.destroy(),
  }
  await stream.event('snapshot')
  return stream
}

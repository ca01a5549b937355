import type { HeldStream } from '../../core/agent.ts'
import type { AgentEvents } from '../../wire/agent-events.ts'
import type { EventStream } from '../plugins/event-streams.ts'

/** An event stream that this process holds, from before its first octet to its end. Times in Unix milliseconds. */
export interface Held {
  principal_id: string
  issuer_id: string
  /** Of its certificate: what its renewals have in common. */
  lineage: string
  request_id: string
  record: HeldStream
  /** When the agent spoke last, and after how many seconds it was told to speak again. */
  heard_at: number
  report_after: number
  silent: boolean
  /** A hash of the last report that the store has from here. */
  reported?: string
  stream?: EventStream
  /** What happened before the stream was open. */
  waiting: (() => void)[]
}

/** Sends now, or as soon as the stream is open. */
export const sendTo = <E extends keyof AgentEvents>(held: Held, event: E, data: AgentEvents[E]): void => {
  if (held.stream === undefined) held.waiting.push(() => held.stream?.send(event, data))
  else held.stream.send(event, data)
}

export const endOf = (held: Held): void => {
  if (held.stream === undefined) held.waiting.push(() => held.stream?.end())
  else held.stream.end()
}

/** The streams of this process by principal: one for each certificate, and few of one principal. */
export const makeHeldStreams = () => {
  const byPrincipal = new Map<string, Held[]>()
  let size = 0
  return {
    add: (held: Held): void => {
      const others = byPrincipal.get(held.principal_id)
      if (others === undefined) byPrincipal.set(held.principal_id, [held])
      else others.unshift(held)
      size++
    },
    /** False when it was not there. */
    remove: (held: Held): boolean => {
      const all = byPrincipal.get(held.principal_id)
      const at = all?.indexOf(held) ?? -1
      if (all === undefined || at < 0) return false
      all.splice(at, 1)
      if (all.length === 0) byPrincipal.delete(held.principal_id)
      size--
      return true
    },
    /** Newest first. */
    of: (principalId: string): readonly Held[] => byPrincipal.get(principalId) ?? [],
    all: (): Held[] => [...byPrincipal.values()].flat(),
    size: (): number => size,
  }
}
export type HeldStreams = ReturnType<typeof makeHeldStreams>

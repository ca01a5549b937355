import { type Static, Type } from 'typebox'
import * as field from './fields.ts'

/** The first event of each stream: everything that may have been missed, so that nothing needs to be resumed. */
export const AgentSnapshot = Type.Object(
  {
    commands: Type.Array(field.anyObject),
    trust_bundle_version: Type.String(),
    renew_after: Type.Optional(field.timestamp),
    renew_before: Type.Optional(field.timestamp),
  },
  field.closed,
)
export type AgentSnapshot = Static<typeof AgentSnapshot>

/** The data of a `reconnect` event. */
export interface ReconnectEvent {
  after_seconds: number
}

/** One event as `text/event-stream` carries it; JSON keeps the data on one line. */
export const renderEvent = (event: string, data: unknown): string =>
  `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`

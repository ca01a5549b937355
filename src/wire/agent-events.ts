import type { Static } from 'typebox'
import { commandNames } from '../core/command.ts'
import { commandId, hookName } from './commands.ts'
import * as field from './fields.ts'
import { Type } from './schema.ts'

/** Which start of an agent is connecting: random, and the same for all its connections until it ends. */
export const instanceHeader = 'airunner-instance'

export const AgentEventsHeaders = Type.Object({
  'Airunner-Instance': Type.String({ pattern: '^[!-~]{1,128}$', description: 'Random per start of the agent' }),
})

/**
 * The data of a `command` event, and an element of the snapshot's `commands`. `again`: it was sent before and has no
 * result yet, so the agent may have begun it: it acts only on an id that it has not stored.
 */
export const CommandEvent = Type.Object(
  {
    command_id: commandId,
    command: field.oneOf(commandNames),
    hook_name: Type.Optional(hookName),
    created_at: field.timestamp,
    expires_at: field.timestamp,
    again: Type.Optional(Type.Literal(true)),
  },
  field.closed,
)
export type CommandEvent = Static<typeof CommandEvent>

/** The data of a `snapshot`, the first event of each stream: everything that may have been missed, so that nothing needs to be resumed. */
export const AgentSnapshot = Type.Object(
  {
    commands: Type.Array(CommandEvent, { description: 'Without a result and not expired, oldest first' }),
    trust_bundle_version: Type.String(),
    renew_after: field.timestamp,
    renew_before: field.timestamp,
    report_after_seconds: Type.Integer({ minimum: 1 }),
  },
  field.closed,
)
export type AgentSnapshot = Static<typeof AgentSnapshot>

/** The data of a `trust_changed` event: the version to fetch and to report. */
export interface TrustChangedEvent {
  trust_bundle_version: string
}

/** The data of a `renew` event: renew at a moment of your choice between these. */
export interface RenewEvent {
  renew_after: string
  renew_before: string
}

/** The data of a `reconnect` event, which is the last of its stream. */
export interface ReconnectEvent {
  after_seconds: number
}

/** Every event that a stream can carry, with its data. */
export interface AgentEvents {
  snapshot: AgentSnapshot
  command: CommandEvent
  trust_changed: TrustChangedEvent
  renew: RenewEvent
  reconnect: ReconnectEvent
}

/** One event as `text/event-stream` carries it; JSON keeps the data on one line. */
export const renderEvent = <E extends keyof AgentEvents>(event: E, data: AgentEvents[E]): string =>
  `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`

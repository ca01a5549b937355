import type { Static } from 'typebox'
import {
  type CommandRecord,
  commandNames,
  commandResults,
  commandStates,
  longestExpiry,
  stateOfCommand,
} from '../core/command.ts'
import { toRfc3339 } from '../core/time.ts'
import * as field from './fields.ts'
import { listQuery, pageOf } from './lists.ts'
import { Type } from './schema.ts'

export const commandId = Type.String({ pattern: '^[0-9a-f]{32}$', description: 'Names one command' })
export const hookName = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$',
  description: 'A hook that the configuration of the agent names',
})

/** What a command may be answered with. Octets of UTF-8. */
export const outputLimit = 4096

export const SendCommand = Type.Object(
  {
    command: field.oneOf(commandNames),
    hook_name: Type.Optional(hookName),
    expires_in_seconds: Type.Optional(Type.Integer({ minimum: 1, maximum: longestExpiry, default: 300 })),
  },
  field.closed,
)
export type SendCommand = Static<typeof SendCommand>

export const Command = Type.Object(
  {
    command_id: commandId,
    principal_id: field.principalId,
    command: field.oneOf(commandNames),
    hook_name: Type.Optional(hookName),
    state: field.oneOf(commandStates, '`expired`: the agent did not come for it in time'),
    outcome: Type.Optional(Type.String({ description: 'What the agent said of its end' })),
    created_at: field.timestamp,
    created_by: Type.String(),
    expires_at: field.timestamp,
    delivered_at: Type.Optional(field.timestamp),
    finished_at: Type.Optional(field.timestamp),
  },
  { ...field.closed, description: 'Something that an agent was told to do' },
)
export type Command = Static<typeof Command>

export const ListCommands = listQuery({})
export type ListCommands = Static<typeof ListCommands>
export const CommandPage = pageOf(Command)
export type CommandPage = Static<typeof CommandPage>

export const CommandParams = Type.Object({ command_id: commandId }, field.closed)

export const FinishCommand = Type.Object(
  {
    state: field.oneOf(commandResults),
    output: Type.Optional(
      Type.String({ maxLength: outputLimit, description: 'At most 4 KB of UTF-8: what came out, or why it failed' }),
    ),
  },
  field.closed,
)
export type FinishCommand = Static<typeof FinishCommand>

/** A row as the wire shows it, its state derived at `now` (Unix milliseconds). */
export const renderCommand = (row: CommandRecord, now: number): Command => ({
  command_id: row.command_id,
  principal_id: row.principal_id,
  command: row.command,
  ...(row.hook_name === undefined ? {} : { hook_name: row.hook_name }),
  state: stateOfCommand(row, now),
  ...(row.outcome === undefined ? {} : { outcome: row.outcome }),
  created_at: toRfc3339(row.created_at),
  created_by: row.created_by,
  expires_at: toRfc3339(row.expires_at),
  ...(row.delivered_at === undefined ? {} : { delivered_at: toRfc3339(row.delivered_at) }),
  ...(row.finished_at === undefined ? {} : { finished_at: toRfc3339(row.finished_at) }),
})

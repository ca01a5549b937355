/** What an agent can be told to do. */
export const commandNames = ['renew', 'reload_trust', 'reconnect', 'run_hook', 'leave'] as const
export type CommandName = (typeof commandNames)[number]

export const commandStates = ['pending', 'delivered', 'succeeded', 'failed', 'expired'] as const
export type CommandState = (typeof commandStates)[number]

/** How an agent says that a command ended. */
export const commandResults = ['succeeded', 'failed'] as const
export type CommandResult = (typeof commandResults)[number]

/** A command for the agent of one principal. Times in Unix milliseconds. */
export interface CommandRecord {
  principal_id: string
  command_id: string
  command: CommandName
  hook_name?: string
  /** As stored; `expired` is derived. */
  state: Exclude<CommandState, 'expired'>
  created_at: number
  created_by: string
  expires_at: number
  delivered_at?: number
  /** The certificate on whose stream it was sent. */
  delivered_to?: string
  finished_at?: number
  /** What the agent said of its end. */
  outcome?: string
}

/** Longest time for which a command waits for its agent; older ones are never looked for. Seconds. */
export const longestExpiry = 86_400
/** Commands of one agent that may be open at once. */
export const maximumOpen = 32

/** A command that nobody fetched in time is expired; one that was delivered stays so until its agent answers. */
export const stateOfCommand = (command: Pick<CommandRecord, 'state' | 'expires_at'>, now: number): CommandState =>
  command.state === 'pending' && command.expires_at <= now ? 'expired' : command.state

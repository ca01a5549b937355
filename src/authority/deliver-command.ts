import type { Attribution } from '../core/audit.ts'
import type { CommandRecord } from '../core/command.ts'
import { ttlOfCommand } from '../store/commands.ts'
import type { CommandDeps } from './send-command.ts'

/** The stream that a command is for: its certificate, and the line of renewals that this belongs to. */
export interface Receiver {
  serial_number: string
  lineage: string
}

/**
 * Takes a command for delivery on one stream. Of several servers, or streams, that try, one gets the record; the others,
 * and whoever comes too late, get undefined. A crash between this and the sending leaves it delivered: the next snapshot
 * of the same lineage has it again, and the agent knows its id if it came through after all. Another holder of the
 * principal never gets it: it knows nothing of what the first one has done.
 */
export const makeClaimCommand =
  ({ registry, clock }: CommandDeps) =>
  (
    attribution: Attribution,
    principalId: string,
    commandId: string,
    { serial_number, lineage }: Receiver,
  ): Promise<CommandRecord | undefined> =>
    registry.commit<CommandRecord | undefined>({
      attribution,
      exclusive: `agent:${principalId}`,
      plan: async () => {
        const command = await registry.commands.get(principalId, commandId)
        const now = clock()
        if (command === undefined || command.state !== 'pending' || command.expires_at <= now)
          return { unchanged: undefined }
        const set = { state: 'delivered' as const, delivered_at: now, delivered_to: serial_number }
        const { hook_name, created_at, expires_at } = command
        const kept = { command_id: commandId, command: command.command, created_at, expires_at, lineage }
        return {
          writes: [
            { item: registry.commands.change(command, set) },
            {
              item: registry.agents.keepCommand(
                principalId,
                { ...kept, ...(hook_name === undefined ? {} : { hook_name }) },
                ttlOfCommand(created_at),
              ),
            },
          ],
          events: [
            {
              action: 'command.deliver',
              target: principalId,
              before: { state: 'pending' },
              after: { state: 'delivered', command_id: commandId, serial_number },
            },
          ],
          changes: [],
          answer: { ...command, ...set },
        }
      },
    })
export type ClaimCommand = ReturnType<typeof makeClaimCommand>

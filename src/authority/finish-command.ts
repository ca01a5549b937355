import { ControlError } from '../core/errors.ts'
import { type Command, type FinishCommand, outputLimit, renderCommand } from '../wire/commands.ts'
import type { CallerRequest } from './request.ts'
import type { CommandDeps } from './send-command.ts'

/** What an agent says of the end of a command of its own. Said again, it changes nothing; said otherwise, it is refused. */
export const makeFinishCommand =
  ({ registry, clock }: CommandDeps) =>
  (request: CallerRequest, commandId: string, { state, output }: FinishCommand): Promise<Command> => {
    const { principal_id } = request.caller.principal
    if (output !== undefined && Buffer.byteLength(output) > outputLimit)
      throw new ControlError('invalid_request', `/output has more than ${outputLimit} octets`, {
        errors: [{ pointer: '/output', detail: `has more than ${outputLimit} octets` }],
      })
    return registry.commit({
      attribution: request.attribution,
      once: request.once,
      exclusive: `agent:${principal_id}`,
      plan: async () => {
        // Of another's command nobody learns that it exists.
        const command = await registry.commands.get(principal_id, commandId)
        if (command === undefined) throw new ControlError('not_found', 'you were given no command of this id')
        const now = clock()
        if (command.state === state && command.outcome === output) return { unchanged: renderCommand(command, now) }
        if (command.state === 'pending') throw new ControlError('invalid_transition', 'this command was not delivered')
        if (command.state !== 'delivered')
          throw new ControlError('invalid_transition', `this command has ended before: ${command.state}`)
        const set = { state, finished_at: now, ...(output === undefined ? {} : { outcome: output }) }
        return {
          writes: [
            { item: registry.commands.change(command, set) },
            { item: registry.agents.dropCommand(principal_id, commandId) },
          ],
          events: [
            {
              action: 'command.finish',
              target: principal_id,
              before: { state: 'delivered' },
              after: { state, command_id: commandId, command: command.command },
            },
          ],
          changes: [],
          answer: renderCommand({ ...command, ...set }, now),
        }
      },
    })
  }

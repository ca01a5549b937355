import { type CommandRecord, maximumOpen } from '../core/command.ts'
import { ControlError } from '../core/errors.ts'
import { timeOrderedId } from '../core/ids.ts'
import { second } from '../core/time.ts'
import { ttlOfCommand } from '../store/commands.ts'
import type { Registry } from '../store/registry.ts'
import { type Command, renderCommand, type SendCommand } from '../wire/commands.ts'
import type { CallerRequest } from './request.ts'

export interface CommandDeps {
  registry: Pick<Registry, 'principals' | 'agents' | 'commands' | 'commit'>
  clock: () => number
}

const defaultExpiry = 300

/**
 * Gives the agent of a principal something to do: on its stream, whichever server holds it, else when it comes next.
 * Throws `invalid_transition` for a principal that can have no agent, or whose agent has too much to do already.
 */
export const makeSendCommand =
  ({ registry, clock }: CommandDeps) =>
  (request: CallerRequest, principalId: string, body: SendCommand): Promise<Command> => {
    if ((body.command === 'run_hook') !== (body.hook_name !== undefined))
      throw new ControlError('invalid_request', 'hook_name goes with run_hook, and only with it', {
        errors: [{ pointer: '/hook_name', detail: 'goes with run_hook, and only with it' }],
      })
    const now = clock()
    const record: CommandRecord = {
      principal_id: principalId,
      command_id: timeOrderedId(now),
      command: body.command,
      ...(body.hook_name === undefined ? {} : { hook_name: body.hook_name }),
      state: 'pending',
      created_at: now,
      created_by: request.attribution.actor,
      expires_at: now + (body.expires_in_seconds ?? defaultExpiry) * second,
    }
    const { command_id, command, hook_name, expires_at } = record
    return registry.commit({
      attribution: request.attribution,
      once: request.once,
      exclusive: `agent:${principalId}`,
      plan: async () => {
        const [principal, agent] = await Promise.all([
          registry.principals.get(principalId),
          registry.agents.get(principalId),
        ])
        if (principal === undefined) throw new ControlError('not_found', 'there is no principal of this id')
        if (principal.type !== 'worker' && principal.type !== 'service')
          throw new ControlError('invalid_transition', `a principal of type ${principal.type} runs no agent`)
        if (principal.status === 'deleted') throw new ControlError('invalid_transition', 'the principal is deleted')
        const open = agent?.commands ?? []
        // One that was delivered keeps its place until it is answered, or is forgotten by then.
        const gone = open.filter((one) => one.expires_at <= now).map((one) => one.command_id)
        if (open.length - gone.length >= maximumOpen)
          throw new ControlError(
            'invalid_transition',
            `${maximumOpen} commands wait for this agent: let it end some first`,
          )
        const kept = {
          command_id,
          command,
          ...(hook_name === undefined ? {} : { hook_name }),
          created_at: now,
          expires_at,
        }
        return {
          writes: [
            { item: registry.commands.create(record) },
            {
              item: registry.agents.keepCommand(principalId, kept, ttlOfCommand(now), gone),
            },
          ],
          events: [
            {
              action: 'command.create',
              target: principalId,
              after: { command_id, command, ...(hook_name === undefined ? {} : { hook_name }), expires_at },
            },
          ],
          changes: [{ type: 'command_created', principal_id: principalId, command_id }],
          answer: renderCommand(record, now),
        }
      },
    })
  }

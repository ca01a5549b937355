import { type ServerLease, seenOf } from '../core/agent.ts'
import { ControlError } from '../core/errors.ts'
import type { Registry } from '../store/registry.ts'
import { type AgentDetail, type AgentPage, type ListAgents, renderAgent } from '../wire/agents.ts'
import { type CommandPage, type ListCommands, renderCommand } from '../wire/commands.ts'

export interface AgentQueryDeps {
  registry: Pick<Registry, 'agents' | 'commands' | 'leases' | 'principals'>
  clock: () => number
}

const defaultLimit = 50
/** Commands that the record of an agent shows. */
const lastCommands = 10

/** Who is there, and what they were told: leases are read with the agents, so that no server speaks for one that is gone. */
export const makeAgentQueries = ({ registry, clock }: AgentQueryDeps) => ({
  listAgents: async ({ limit = defaultLimit, page_token, presence, version }: ListAgents): Promise<AgentPage> => {
    const leases: ReadonlyMap<string, ServerLease> = await registry.leases.all()
    const now = clock()
    const page = await registry.agents.list({
      limit,
      ...(page_token === undefined ? {} : { page_token }),
      filters: { presence, version },
      wanted: (agent) =>
        (version === undefined || agent.report?.version === version) &&
        (presence === undefined || seenOf(agent, leases, now).presence === presence),
    })
    return {
      items: page.items.map((agent) => renderAgent(agent, seenOf(agent, leases, now))),
      ...(page.next_page_token === undefined ? {} : { next_page_token: page.next_page_token }),
    }
  },

  getAgent: async (principalId: string): Promise<AgentDetail> => {
    const [agent, leases, commands] = await Promise.all([
      registry.agents.get(principalId),
      registry.leases.all(),
      registry.commands.list(principalId, { limit: lastCommands }),
    ])
    if (agent === undefined || (agent.connected_at === undefined && agent.reported_at === undefined))
      throw new ControlError('not_found', 'no agent of this principal has connected')
    const now = clock()
    return {
      ...renderAgent(agent, seenOf(agent, leases, now)),
      commands: commands.items.map((command) => renderCommand(command, now)),
    }
  },

  listCommands: async (
    principalId: string,
    { limit = defaultLimit, page_token }: ListCommands,
  ): Promise<CommandPage> => {
    if ((await registry.principals.get(principalId)) === undefined)
      throw new ControlError('not_found', 'there is no principal of this id')
    const page = await registry.commands.list(principalId, {
      limit,
      ...(page_token === undefined ? {} : { page_token }),
    })
    const now = clock()
    return {
      items: page.items.map((command) => renderCommand(command, now)),
      ...(page.next_page_token === undefined ? {} : { next_page_token: page.next_page_token }),
    }
  },
})

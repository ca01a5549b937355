import { Argument, Option } from 'commander'
import { presences } from '../../core/agent.ts'
import { type CommandName, longestExpiry } from '../../core/command.ts'
import type { Agent, AgentDetail } from '../../wire/agents.ts'
import type { Command, SendCommand } from '../../wire/commands.ts'
import { CliError, exitCode, usageError } from '../errors.ts'
import type { Verb } from '../noun.ts'
import { limitOption, readPrincipalId, readSeconds, yesOption } from '../options.ts'
import { confirm } from '../prompt.ts'
import type { Session } from '../session.ts'
import { agentView, commandView } from '../views.ts'

const collection = '/v1/agents'
const pathOf = (id: string, more = ''): string => `${collection}/${encodeURIComponent(id)}${more}`

const idArgument = () => new Argument('<id>', 'id of the principal').argParser(readPrincipalId)
const filterOptions = (): Option[] => [
  new Option('--presence <presence>', 'only those').choices([...presences]),
  new Option('--agent-version <version>', 'only those that run this version'),
]

interface FilterFlags {
  presence?: string
  agentVersion?: string
}
const filterOf = ({ presence, agentVersion }: FilterFlags) => ({ presence, version: agentVersion })

const list = (session: Session): Verb => ({
  name: 'list',
  summary: 'list agents and whether they are there',
  description:
    'online: its event stream is open. stale: gone for less than 10 minutes, or connected without a word. offline: gone for longer.',
  options: [...filterOptions(), limitOption()],
  examples: ['airunner agent list', 'airunner agents list --presence stale -o name'],
  run: async ({ options }) => {
    const client = await session.connect()
    const agents: Agent[] = []
    for await (const agent of client.pages<Agent>(collection, filterOf(options), options.limit)) agents.push(agent)
    await session.print().list(
      agentView,
      agents.sort((a, b) => (a.principal_id < b.principal_id ? -1 : 1)),
    )
  },
})

const get = (session: Session): Verb => ({
  name: 'get',
  summary: 'show an agent and its last commands',
  arguments: [idArgument()],
  examples: ['airunner agent get build-7', 'airunner agent get build-7 -o json'],
  run: async ({ arguments: [id] }) => {
    const client = await session.connect()
    const agent = await client.get<AgentDetail>(pathOf(id as string))
    const { output } = session.globals()
    if (output !== 'table' && output !== 'wide') return session.print().record(agentView, agent)
    const { commands, ...about } = agent
    await session.print().record(agentView, about)
    if (commands.length === 0) return
    await session.print().list(commandView, commands)
  },
})

const watch = (session: Session): Verb => ({
  name: 'watch',
  summary: 'watch agents come and go',
  description:
    'On a terminal a table that follows, until it is interrupted; elsewhere a line for each agent and each change.',
  options: filterOptions(),
  examples: ['airunner agent watch', 'airunner agent watch --agent-version 1.4.0 -o jsonl'],
  run: async ({ options }) => {
    const { watchAgents } = await import('../agent-watch.ts')
    await watchAgents(session, filterOf(options))
  },
})

const commandWords = {
  renew: 'renew',
  'reload-trust': 'reload_trust',
  reconnect: 'reconnect',
  'run-hook': 'run_hook',
  leave: 'leave',
} as const satisfies Record<string, CommandName>

const command = (session: Session): Verb => ({
  name: 'command',
  summary: 'tell an agent to do something',
  description:
    'It reaches a connected agent within 2 s, another one when it connects in time. `run-hook` runs a hook that the configuration of the agent names; `leave` has it revoke its own certificate and end.',
  arguments: [
    idArgument(),
    new Argument('<command>', 'what to do').choices(Object.keys(commandWords)),
    new Argument('[hook]', 'name of the hook, for run-hook'),
  ],
  options: [
    new Option('--expires-in <time>', 'how long it waits for its agent').argParser(readSeconds).default(300, '5m'),
    new Option('--wait', 'wait for its end, and fail if it fails'),
    yesOption(),
  ],
  examples: [
    'airunner agent command build-7 renew --wait',
    'airunner agent command build-7 run-hook reload-nginx',
    'airunner agent command build-7 leave -y',
  ],
  run: async ({ arguments: [id, word, hook], options }) => {
    const name = commandWords[word as keyof typeof commandWords]
    if ((name === 'run_hook') !== (hook !== undefined))
      throw usageError(hook === undefined ? 'run-hook needs the name of a hook' : `${word} takes no hook`)
    if (options.expiresIn > longestExpiry) throw usageError('--expires-in is at most 24h')
    if (name === 'leave')
      await confirm(session.io, `Make the agent of ${id} revoke its certificate and end`, options.yes === true)
    const client = await session.connect()
    const body: SendCommand = {
      command: name,
      expires_in_seconds: options.expiresIn,
      ...(hook === undefined ? {} : { hook_name: hook }),
    }
    const sent = await client.send<Command>({ method: 'POST', path: pathOf(id as string, '/commands'), body })
    if (options.wait !== true) {
      await session.print().record(commandView, sent)
      return session.note(`Sent to ${id}. \`airunner agent get ${id}\` shows what became of it.`)
    }
    const { awaitCommand } = await import('../agent-watch.ts')
    const ended = await awaitCommand(session, client, sent)
    await session.print().record(commandView, ended)
    if (ended.state === 'failed')
      throw new CliError(
        exitCode.failed,
        `${id} could not do it`,
        ended.outcome === undefined ? {} : { why: ended.outcome },
      )
    if (ended.state === 'expired') throw new CliError(exitCode.unreachable, `${id} did not come for it in time`)
  },
})

export const agentVerbs = (session: Session): Verb[] => [list(session), get(session), watch(session), command(session)]

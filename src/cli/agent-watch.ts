import { minute, second } from '../core/time.ts'
import type { Agent } from '../wire/agents.ts'
import type { Command } from '../wire/commands.ts'
import type { Client } from './client.ts'
import { CliError, exitCode } from './errors.ts'
import { type Outlet, sleep, write } from './io.ts'
import { alignRows } from './output.ts'
import { makePaint, paintOf } from './paint.ts'
import type { Session } from './session.ts'
import { oneLine, relativeTime } from './text.ts'
import { agentView } from './views.ts'

const lookEvery = 2 * second
/** Lines of a terminal that does not say how many it has. */
const usualRows = 24

type Filter = { presence: string | undefined; version: string | undefined }

const readAgents = async (client: Client, filter: Filter): Promise<Agent[]> => {
  const agents: Agent[] = []
  for await (const agent of client.pages<Agent>('/v1/agents', filter)) agents.push(agent)
  return agents.sort((a, b) => (a.principal_id < b.principal_id ? -1 : 1))
}

/** What a change of is worth a line. */
const stateOf = ({ presence, version, serial_number, trust_bundle_version, connected_at }: Agent): string =>
  JSON.stringify([presence, version, serial_number, trust_bundle_version, connected_at])

/** Those that have changed since the last call, those that are no longer listed as offline among them. */
export const makeChanges = () => {
  let known = new Map<string, { agent: Agent; state: string }>()
  return (agents: Agent[]): Agent[] => {
    const before = known
    known = new Map(agents.map((agent) => [agent.principal_id, { agent, state: stateOf(agent) }]))
    const changed = agents.filter((agent) => before.get(agent.principal_id)?.state !== stateOf(agent))
    const gone = [...before.values()].filter(({ agent }) => !known.has(agent.principal_id)).map(({ agent }) => agent)
    return [...changed, ...gone.map((agent) => ({ ...agent, presence: 'offline' as const }))]
  }
}

/** One screen: how many of each presence, then the table, as far as the terminal reaches. */
const screenOf = (session: Session, agents: Agent[], trouble: string | undefined): string[] => {
  const { io } = session
  const paint = makePaint(io, io.stdout)
  const rows = (io.stdout as Outlet & { rows?: number }).rows ?? usualRows
  const count = (presence: Agent['presence']) => agents.filter((agent) => agent.presence === presence).length
  const heading = `${count('online')} online, ${count('stale')} stale, ${count('offline')} offline`
  // Who is not there comes first: that is what one watches for.
  const order = { stale: 0, offline: 1, online: 2 }
  const sorted = [...agents].sort((a, b) => order[a.presence] - order[b.presence])
  const columns = agentView.columns.filter((column) => column.wide !== true)
  const shown = sorted.slice(0, Math.max(1, rows - 4))
  const cells = shown.map((agent) =>
    columns.map(({ title, cell }) => {
      const value = cell(agent)
      if (value === undefined || value === '') return '-'
      const isTime = title === 'SEEN' || title === 'EXPIRES'
      return isTime ? relativeTime(Date.parse(String(value)), io.now()) : oneLine(String(value))
    }),
  )
  const [titles = '', ...lines] = alignRows([columns.map(({ title }) => title), ...cells])
  const painted = lines.map((line, index) => {
    const word = shown[index]?.presence ?? ''
    const colour = paintOf(word)
    return colour === undefined ? line : line.replace(word, paint(colour, word))
  })
  const more = sorted.length > shown.length ? [paint('dim', `… and ${sorted.length - shown.length} more`)] : []
  return [
    trouble === undefined ? heading : `${heading}  ${paint('yellow', oneLine(trouble))}`,
    paint('bold', titles),
    ...painted,
    ...more,
  ]
}

const passing = (error: unknown): error is CliError =>
  error instanceof CliError && (error.exitCode === exitCode.unreachable || error.exitCode === exitCode.unavailable)

/** Follows the agents until the process is told to stop; an outage of the server is waited out. */
export const watchAgents = async (session: Session, filter: Filter): Promise<void> => {
  const { io } = session
  const client = await session.connect()
  const { output } = session.globals()
  const live = io.stdout.isTTY === true && (output === 'table' || output === 'wide') && io.env['TERM'] !== 'dumb'
  const changes = makeChanges()
  const printer = session.print().follow(agentView)
  let agents = await readAgents(client, filter)
  let trouble: string | undefined
  let drawn = 0
  if (!live) await printer.header()
  for (;;) {
    if (live) {
      const lines = screenOf(session, agents, trouble)
      await write(io.stdout, `${drawn > 0 ? `\u001b[${drawn}A\u001b[J` : ''}${lines.join('\n')}\n`)
      drawn = lines.length
    } else for (const agent of changes(agents)) await printer.row(agent)
    await sleep(lookEvery, io.signal)
    try {
      agents = await readAgents(client, filter)
      trouble = undefined
    } catch (error) {
      if (!passing(error)) throw error
      if (trouble === undefined && !live) await session.note(`${error.message}; waiting for it`)
      trouble = error.message
    }
  }
}

/** Waits until a command has ended, or until nobody can come for it any more. */
export const awaitCommand = async (session: Session, client: Client, sent: Command): Promise<Command> => {
  const path = `/v1/agents/${encodeURIComponent(sent.principal_id)}/commands`
  const giveUpAt = session.io.now() + Date.parse(sent.expires_at) - Date.parse(sent.created_at) + 5 * minute
  for (let wait = second / 4; ; wait = Math.min(lookEvery, wait * 1.5)) {
    await sleep(wait, session.io.signal)
    for await (const command of client.pages<Command>(path, {}, 100))
      if (command.command_id === sent.command_id && command.state !== 'pending' && command.state !== 'delivered')
        return command
    if (session.io.now() > giveUpAt)
      throw new CliError(exitCode.unreachable, `${sent.principal_id} has not said how it ended`, { code: 'timed_out' })
  }
}

import { day } from '../core/time.ts'
import type { CommandEvent } from '../wire/agent-events.ts'
import type { FinishCommand } from '../wire/commands.ts'

/** A command that this agent has begun, and how it ended; kept on disk before it acts. */
interface Kept {
  command_id: string
  command: CommandEvent['command']
  state: 'begun' | 'succeeded' | 'failed'
  output?: string
  /** The server has the result. */
  reported: boolean
  /** Unix milliseconds. */
  begun_at: number
  /** Of `leave`: the serial number of the certificate that is given up. */
  leaves?: string
}

/** What came of acting on a command. */
export interface Outcome {
  state: 'succeeded' | 'failed'
  output?: string
}

export interface CommandsDeps {
  store: { read(): Promise<string | undefined>; write(text: string): Promise<void> }
  now: () => number
}

/** Ids older than this are never sent again: no command waits longer for its agent than a day. */
const keptFor = 2 * day
const keptAtMost = 256
/** Octets of UTF-8 that a result may hold. */
const outputLimit = 4096

/** The end of a text that fits into so many octets. */
export const lastOctets = (text: string, limit = outputLimit): string => {
  const bytes = Buffer.from(text, 'utf8')
  if (bytes.length <= limit) return text
  let from = bytes.length - limit
  // Not in the middle of a character.
  while (from < bytes.length && ((bytes[from] as number) & 0xc0) === 0x80) from++
  return bytes.subarray(from).toString('utf8')
}

const readKept = (text: string | undefined): Kept[] => {
  try {
    const { commands } = JSON.parse(text ?? '') as { commands?: Kept[] }
    return Array.isArray(commands) ? commands : []
  } catch {
    return []
  }
}

/** The commands this agent was sent: each is acted on at most once, whatever crashes in between. */
export const makeCommands = ({ store, now }: CommandsDeps) => {
  let kept = new Map<string, Kept>()

  const write = (): Promise<void> => {
    const young = [...kept.values()].filter((one) => !one.reported || now() - one.begun_at < keptFor).slice(-keptAtMost)
    kept = new Map(young.map((one) => [one.command_id, one]))
    return store.write(`${JSON.stringify({ commands: young })}\n`)
  }

  return {
    /** Reads what an earlier run left; what it had begun and not ended was interrupted. */
    begin: async (): Promise<void> => {
      kept = new Map(readKept(await store.read()).map((one) => [one.command_id, one]))
      for (const one of kept.values())
        if (one.state === 'begun') kept.set(one.command_id, { ...one, state: 'failed', output: 'interrupted' })
    },
    /**
     * Takes a command on: true when it is to be acted on now, its id then being safe on disk. False when it was taken on
     * before; its result, if there is one, is due again. Throws when its id cannot be kept: then it must not be acted on.
     */
    accept: async (event: CommandEvent): Promise<boolean> => {
      const known = kept.get(event.command_id)
      if (known !== undefined) {
        if (known.state !== 'begun') kept.set(event.command_id, { ...known, reported: false })
        return false
      }
      const { command_id, command } = event
      kept.set(command_id, { command_id, command, state: 'begun', reported: false, begun_at: now() })
      try {
        await write()
      } catch (error) {
        kept.delete(command_id)
        throw error
      }
      return true
    },
    finish: async (commandId: string, { state, output }: Outcome, leaves?: string): Promise<void> => {
      const one = kept.get(commandId)
      if (one === undefined) return
      kept.set(commandId, {
        ...one,
        state,
        ...(output === undefined ? {} : { output: lastOctets(output) }),
        ...(leaves === undefined ? {} : { leaves }),
      })
      await write().catch(() => {})
    },
    /** A result for a command that could not be taken on. */
    refuse: (event: CommandEvent, output: string): void => {
      const { command_id, command } = event
      kept.set(command_id, {
        command_id,
        command,
        state: 'failed',
        output: lastOctets(output),
        reported: false,
        begun_at: now(),
      })
    },
    /** Results that the server does not have yet. */
    due: (): { command_id: string; result: FinishCommand }[] =>
      [...kept.values()].flatMap(({ command_id, state, output, reported }) =>
        reported || state === 'begun'
          ? []
          : [{ command_id, result: { state, ...(output === undefined || output === '' ? {} : { output }) } }],
      ),
    reported: async (commandId: string): Promise<void> => {
      const one = kept.get(commandId)
      if (one === undefined) return
      kept.set(commandId, { ...one, reported: true })
      await write().catch(() => {})
    },
    /** The agent was told to give this certificate up, said that it does, and has not come to it. */
    leaving: (serialNumber: string): boolean => [...kept.values()].some(({ leaves }) => leaves === serialNumber),
  }
}
export type Commands = ReturnType<typeof makeCommands>

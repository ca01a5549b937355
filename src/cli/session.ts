import type { Client } from './client.ts'
import { type ConnectionFlags, type ConnectionSettings, completeConnection, resolveSettings } from './connection.ts'
import type { Identity } from './credentials.ts'
import { type Io, write } from './io.ts'
import { type Format, makePrinter, type Printer } from './output.ts'
import { oneLine } from './text.ts'

/** Flags that every command takes, before or after its verb. */
export interface Globals extends ConnectionFlags {
  output: Format
  /** Milliseconds. */
  timeout: number
}

/** One run of the program: what a command's action works with. */
export interface Session {
  io: Io
  globals(): Globals
  print(): Printer
  /** A line on stderr for the person at the terminal: done, waiting, worth knowing. */
  note(text: string): Promise<void>
  settings(): Promise<ConnectionSettings>
  /** The same without the current context, for what a machine does by itself. */
  ownSettings(): Promise<ConnectionSettings>
  /** A client for the connection that was asked for, with another identity if one is given. */
  connect(identity?: Identity): Promise<Client>
  /** Ends what holds the process open. */
  close(): void
}

export const makeSession = (io: Io, globals: () => Globals): Session => {
  const clients: Client[] = []
  const note = (text: string) => write(io.stderr, `${oneLine(text)}\n`)
  return {
    io,
    globals,
    print: () => makePrinter(io, globals().output),
    note,
    settings: () => resolveSettings(globals(), io.env),
    ownSettings: () => resolveSettings(globals(), io.env, 'without-current'),
    connect: async (identity) => {
      const connection = completeConnection(await resolveSettings(globals(), io.env))
      const { makeClient } = await import('./client.ts')
      const client = await makeClient({
        connection,
        io,
        timeout: globals().timeout,
        note,
        ...(identity === undefined ? {} : { identity }),
      })
      clients.push(client)
      return client
    },
    close: () => {
      for (const client of clients) client.close()
    },
  }
}

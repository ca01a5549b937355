import { second } from '../core/time.ts'
import type { AuditEvent } from '../wire/audit-events.ts'
import type { Client } from './client.ts'
import { CliError, exitCode } from './errors.ts'
import { sleep } from './io.ts'
import type { Session } from './session.ts'
import { auditView } from './views.ts'

const pollInterval = 2 * second
/** Servers' clocks differ and commits finish out of order: each look goes back so far behind the newest event seen. */
const overlap = 15 * second

export interface FollowOptions {
  /** RFC 3339: begin with what was done since then. */
  since?: string
  filter: { actor: string | undefined; action: string | undefined; target: string | undefined }
}

/** The server's clock in Unix milliseconds, to the second; ours may be wrong. */
const serverTime = async (client: Client): Promise<number> => {
  const { headers } = await client.callOrThrow({ method: 'GET', path: '/v1/whoami' })
  const at = Date.parse(headers.date ?? '')
  return Number.isNaN(at) ? Date.now() : at
}

/** Makes a look: what was done since, oldest first, without what an earlier look has shown. */
export const makeLook = (
  read: (since: string) => AsyncIterable<AuditEvent>,
  from: number,
): (() => Promise<AuditEvent[]>) => {
  const shown = new Map<string, number>()
  let newest = from
  let lower = from
  return async () => {
    const fresh: AuditEvent[] = []
    for await (const event of read(new Date(lower).toISOString())) if (!shown.has(event.event_id)) fresh.push(event)
    fresh.sort((one, other) =>
      one.at === other.at ? compare(one.event_id, other.event_id) : compare(one.at, other.at),
    )
    for (const event of fresh) {
      shown.set(event.event_id, Date.parse(event.at))
      newest = Math.max(newest, Date.parse(event.at))
    }
    lower = Math.max(lower, newest - overlap)
    for (const [id, at] of shown) if (at < lower - overlap) shown.delete(id)
    return fresh
  }
}

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0)

/** Passing troubles are waited out; being shut out is not. */
const passing = (error: unknown): boolean =>
  error instanceof CliError &&
  (error.exitCode === exitCode.unreachable ||
    error.exitCode === exitCode.unavailable ||
    // A server that stops hangs up like one that does not know us.
    (error.exitCode === exitCode.notLetIn && error.problem === undefined))

/** Prints events as they happen, until the process is told to stop. */
export const followAudit = async (session: Session, { since, filter }: FollowOptions): Promise<void> => {
  const client = await session.connect()
  const start = since === undefined ? await serverTime(client) : Date.parse(since)
  const read = (from: string) => client.pages<AuditEvent>('/v1/audit-events', { since: from, ...filter })
  const look = makeLook(read, since === undefined ? start - overlap : start)
  const printer = session.print().follow(auditView)
  // What happened just before is read, so that it counts as shown, but it is not what was asked for.
  const backlog = await look()
  await printer.header()
  for (const event of backlog) if (Date.parse(event.at) >= start) await printer.row(event)
  let troubled = false
  for (;;) {
    await sleep(pollInterval, session.io.signal)
    try {
      for (const event of await look()) await printer.row(event)
      if (troubled) await session.note('The server answers again.')
      troubled = false
    } catch (error) {
      if (!passing(error)) throw error
      if (!troubled) await session.note(`${(error as CliError).message}; waiting for it`)
      troubled = true
    }
  }
}

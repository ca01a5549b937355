import { auditDaysKept, exportFormat } from '../core/audit-chain.ts'
import { type ExportEnd, exportLine } from '../core/audit-lines.ts'
import { day } from '../core/time.ts'
import type { AuditChain, AuditChainEvent, AuditCheckpoint } from '../wire/audit-chains.ts'
import { makeUnlinkedSearch } from './audit-unlinked.ts'
import type { Client } from './client.ts'

export interface ExportWindow {
  /** RFC 3339. */
  since?: string
  until?: string
  /** Unix milliseconds. */
  now: number
}

type ReadClient = Pick<Client, 'pages'>

/** Reads one chain, as far as it is asked. */
interface Reader {
  events: AsyncIterator<AuditChainEvent>
  /** Of the last event that was given out. */
  seq: number
  /** When a link was made that ends before or there: where to begin again. */
  after: string | undefined
  ahead?: AuditChainEvent | undefined
}

const lineOf = ({ event, ...place }: AuditChainEvent): string => {
  const { event_id: _, ...hashes } = place
  return event === undefined ? exportLine({ missing: place }) : exportLine({ ...event, ...hashes })
}

/**
 * The lines of an export, in the order in which they can be verified: before each checkpoint the events that it counts, then
 * what no checkpoint has yet, then events that are in no chain. Of each chain one page is in memory.
 */
export async function* exportLines(client: ReadClient, window: ExportWindow): AsyncGenerator<string> {
  const { since, until, now } = window
  const counted: ExportEnd = { events: 0, checkpoints: 0, missing: 0, unlinked: 0 }
  const readers = new Map<string, Reader>()
  const done = new Set<string>()
  const exported_at = new Date(now).toISOString()
  yield exportLine({ format: exportFormat, exported_at, kept_days: auditDaysKept, since, until })

  const read = (chain: string, after: string | undefined): AsyncIterator<AuditChainEvent> =>
    client.pages<AuditChainEvent>(`/v1/audit-chains/${chain}/events`, { after })
  const readerOf = (chain: string, after?: string, seq = 0): Reader => {
    const reader = readers.get(chain) ?? { events: read(chain, after), seq, after }
    readers.set(chain, reader)
    return reader
  }
  const search = makeUnlinkedSearch(client)

  /** What a chain has up to a number. */
  async function* upTo(chain: string, reader: Reader, seq: number): AsyncGenerator<string> {
    let again = true
    while (reader.seq < seq) {
      const next = reader.ahead ?? (await reader.events.next()).value
      reader.ahead = undefined
      if (next === undefined) {
        // It has grown since it was read to its end.
        if (!again || (seq === Number.POSITIVE_INFINITY && reader.after === undefined)) return
        again = false
        reader.events = read(chain, reader.after)
        continue
      }
      if (next.seq <= reader.seq) continue
      if (next.seq > seq) {
        reader.ahead = next
        return
      }
      reader.seq = next.seq
      search.linked(next.event_id)
      if (next.event === undefined) counted.missing++
      else counted.events++
      yield lineOf(next)
    }
  }

  // 1. Checkpoints, and before each the events that it counts.
  let base: AuditCheckpoint | undefined
  let beyond = false
  for await (const checkpoint of client.pages<AuditCheckpoint>('/v1/audit-checkpoints', { since })) {
    const isBase = counted.checkpoints === 0 && checkpoint.n > 1
    if (isBase) base = checkpoint
    for (const { chain, seq, at, closed } of checkpoint.heads) {
      // The end of a chain may stand under two checkpoints.
      if (done.has(chain)) continue
      const reader = readerOf(
        chain,
        isBase && since !== undefined ? at : undefined,
        isBase && since !== undefined ? seq : 0,
      )
      yield* upTo(chain, reader, seq)
      reader.after = at
      if (closed) {
        readers.delete(chain)
        done.add(chain)
      }
    }
    counted.checkpoints++
    yield exportLine({ checkpoint })
    await search.passed(Date.parse(checkpoint.at))
    beyond = until !== undefined && checkpoint.at > until
    if (beyond) break
  }

  // 2. What has come since, and chains that no checkpoint knows.
  if (!beyond) {
    const from = base?.at ?? since
    for await (const { chain, closed_at } of client.pages<AuditChain>('/v1/audit-chains', {})) {
      if (done.has(chain) || (from !== undefined && closed_at !== undefined && closed_at < from)) continue
      const reader = readerOf(chain, base === undefined ? since : undefined)
      yield* upTo(chain, reader, Number.POSITIVE_INFINITY)
    }
  }

  // 3. Events of the time that are in no chain. Without a beginning: since the first that is in one.
  const from = since === undefined ? undefined : base === undefined ? Date.parse(since) : Date.parse(base.at) + 1
  for await (const event of search.rest(from, until === undefined ? now + day : Date.parse(until))) {
    counted.unlinked++
    yield exportLine({ unlinked: event })
  }
  yield exportLine({ end: counted })
}

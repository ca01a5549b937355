import { timeOfId } from '../core/ids.ts'
import { day } from '../core/time.ts'
import type { AuditEvent } from '../wire/audit-events.ts'
import type { Client } from './client.ts'

/** A day is looked through when checkpoints are so far past it: by then all of it is linked, but after an outage. */
const wait = day / 4

/**
 * Finds events that stand in the table and in no chain. Names of linked events are held for the days that are not looked
 * through yet; what was not linked then may still be, later.
 */
export const makeUnlinkedSearch = (client: Pick<Client, 'pages'>) => {
  const linked = new Map<number, Set<string>>()
  const suspects = new Map<string, AuditEvent>()
  const dayOf = (at: number): number => Math.floor(at / day)
  let first: number | undefined
  /** The first day that is not looked through. */
  let next: number | undefined

  const list = (from: number, until: number): AsyncIterable<AuditEvent> =>
    client.pages<AuditEvent>('/v1/audit-events', {
      since: new Date(from).toISOString(),
      until: new Date(until).toISOString(),
    })

  const lookThrough = async (from: number, until: number): Promise<void> => {
    const names = linked.get(dayOf(from))
    for await (const event of list(from, until)) if (!names?.has(event.event_id)) suspects.set(event.event_id, event)
    linked.delete(dayOf(from))
  }

  return {
    /** An event that is in a chain. */
    linked: (eventId: string): void => {
      const at = timeOfId(eventId)
      const number = dayOf(at)
      first = Math.min(first ?? at, at)
      next ??= number
      if (number < next) suspects.delete(eventId)
      else {
        const names = linked.get(number) ?? new Set()
        linked.set(number, names.add(eventId))
      }
    },
    /** Everything that is counted by a checkpoint of this time has been told. */
    passed: async (at: number): Promise<void> => {
      for (; next !== undefined && (next + 1) * day + wait < at; next++) {
        const from = next * day
        if (first !== undefined) await lookThrough(Math.max(from, first), from + day - 1)
      }
    },
    /** All that are in no chain, from a time on, or from the first that is in one; call it when all of those were told. */
    rest: async function* (from: number | undefined, until: number): AsyncGenerator<AuditEvent> {
      const begin = Math.max(from ?? 0, first ?? until)
      if (from !== undefined && begin > from) yield* list(from, begin - 1)
      for (let number = next ?? dayOf(begin); number * day <= until; number++) {
        await lookThrough(Math.max(number * day, begin), Math.min((number + 1) * day - 1, until))
        if (number > dayOf(Date.now() + day)) break
      }
      for (const event of suspects.values()) if (timeOfId(event.event_id) >= begin) yield event
    },
  }
}

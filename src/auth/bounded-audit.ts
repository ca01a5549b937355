import { minute } from '../core/time.ts'
import type { EventDraft } from '../store/audit-event.ts'
import type { Source } from './caller.ts'

/** Denials of one source that get an event of their own, per minute; the rest is counted. */
const eventsPerMinute = 10
/** Sources that are followed at once; of more, nothing is written until others have had their minute. */
const maximumSources = 10_000

export interface BoundedAuditDeps {
  record: (event: EventDraft, source: Source & { actor: string }) => Promise<void>
  clock: () => number
  onFailure: (error: unknown) => void
  /** What the event that counts the rest is called. */
  action: string
}

/** Audits denials, so that a flood of them does not become a flood of writes. Never holds up the denial. */
export const makeBoundedAudit = ({ record, clock, onFailure, action }: BoundedAuditDeps) => {
  const sources = new Map<string, { since: number; events: number; suppressed: number; last: Source }>()

  const write = (event: EventDraft, source: Source, actor: string): void => {
    record(event, { ...source, actor }).catch(onFailure)
  }

  const closeWindow = (key: string): void => {
    const window = sources.get(key)
    sources.delete(key)
    if (window === undefined || window.suppressed === 0) return
    const after = { suppressed: window.suppressed, since: window.since }
    write({ action, target: key, outcome: 'denied', code: 'suppressed', after }, window.last, 'system')
  }

  return {
    /** `key`: who counts as one source, the address when absent. */
    denied: (event: EventDraft, actor: string, source: Source, key = source.remote_address): void => {
      const now = clock()
      let window = sources.get(key)
      if (window !== undefined && now - window.since >= minute) {
        closeWindow(key)
        window = undefined
      }
      if (window === undefined) {
        if (sources.size >= maximumSources) return
        window = { since: now, events: 0, suppressed: 0, last: source }
        sources.set(key, window)
      }
      if (window.events >= eventsPerMinute) {
        window.suppressed++
        window.last = source
        return
      }
      window.events++
      write(event, source, actor)
    },
    /** Writes the counts of the minutes that are over. Call it now and then. */
    sweep: (): void => {
      for (const [key, window] of sources) if (clock() - window.since >= minute) closeWindow(key)
    },
  }
}
export type BoundedAudit = ReturnType<typeof makeBoundedAudit>

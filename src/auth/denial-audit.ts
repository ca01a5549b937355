import type { ErrorCode } from '../core/errors.ts'
import { minute } from '../core/time.ts'
import type { EventDraft } from '../store/audit.ts'
import type { Presented, Source } from './caller.ts'

/** Denials of one source that get an event of their own, per minute; the rest is counted. */
const eventsPerMinute = 10
/** Sources that are followed at once; of more, only every new minute's first are. */
const maximumSources = 10_000

export interface DenialAuditDeps {
  record: (event: EventDraft, source: Source & { actor: string }) => Promise<void>
  clock: () => number
  onFailure: (error: unknown) => void
}

/** Audits denied admissions, so that a flood of them does not become a flood of writes. Never holds up the denial. */
export const makeDenialAudit = ({ record, clock, onFailure }: DenialAuditDeps) => {
  const sources = new Map<string, { since: number; events: number; suppressed: number; last: Source }>()

  const write = (event: EventDraft, source: Source, actor: string): void => {
    record(event, { ...source, actor }).catch(onFailure)
  }

  const closeWindow = (address: string): void => {
    const window = sources.get(address)
    sources.delete(address)
    if (window === undefined || window.suppressed === 0) return
    const after = { suppressed: window.suppressed, since: window.since }
    write(
      { action: 'admission.deny', target: address, outcome: 'denied', code: 'suppressed', after },
      window.last,
      'system',
    )
  }

  return {
    denied: (code: ErrorCode, presented: Presented, source: Source): void => {
      const now = clock()
      let window = sources.get(source.remote_address)
      if (window !== undefined && now - window.since >= minute) {
        closeWindow(source.remote_address)
        window = undefined
      }
      if (window === undefined) {
        if (sources.size >= maximumSources) return
        window = { since: now, events: 0, suppressed: 0, last: source }
        sources.set(source.remote_address, window)
      }
      if (window.events >= eventsPerMinute) {
        window.suppressed++
        window.last = source
        return
      }
      window.events++
      // Somebody goes on using what was replaced: the sign of a stolen certificate, or of a lost renewal.
      const action = code === 'certificate_superseded' ? 'certificate.reuse' : 'admission.deny'
      const after = presented.claimed
        ? { claimed: presented.claimed.principal_id, fingerprint: presented.fingerprint }
        : {}
      write(
        { action, target: presented.serial_number, outcome: 'denied', code, after },
        source,
        presented.claimed?.principal_id ?? 'unknown',
      )
    },
    /** Writes the counts of the minutes that are over. Call it now and then. */
    sweep: (): void => {
      for (const [address, window] of sources) if (clock() - window.since >= minute) closeWindow(address)
    },
  }
}

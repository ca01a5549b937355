import type { ErrorCode } from '../core/errors.ts'
import { minute, second } from '../core/time.ts'
import { type AdmissionRows, type RowsWanted, rowsPerRead } from '../store/admission-rows.ts'
import { decisionLife, isIdle } from './admission.ts'
import type { Presented } from './caller.ts'
import type { Decisions } from './decisions.ts'
import { type VerdictRules, verdictOf } from './verdict.ts'

export interface RecheckDeps {
  rules: () => VerdictRules
  decisions: Decisions
  /** Certificates of the open connections. */
  held: () => Iterable<{ presented: Presented }>
  readMany: (wanted: RowsWanted[]) => Promise<AdmissionRows[]>
  /** This process is changing the principal's rights, and acts on that itself: who asked for it is to be answered first. */
  isChanging: (principalId: string) => boolean
  clock: () => number
  /** A connection's certificate is no longer good, though no feed has said so; `since` when it was revoked, Unix ms. */
  onLost: (presented: Presented, code: ErrorCode, since?: number) => void
  /** The store has been silent for so long that nothing may stay open on its word. */
  onSilence: () => void
  onFailure: (error: unknown) => void
}

/** From the start of one round to the next; the contract allows 30 s. Milliseconds. */
const roundEvery = 20 * second
const retryAfter = 2 * second
const readsAtOnce = 4
/** How long open connections outlive a silent store: under 5 minutes, with the time to notice. Milliseconds. */
const longestSilence = 5 * minute - 15 * second

/** Reads the rows of every open connection and kept decision again and again: so a row changed by hand is seen. */
export const makeRecheck = (deps: RecheckDeps) => {
  const { rules, decisions, held, isChanging, readMany, clock, onLost, onSilence, onFailure } = deps
  let timer: NodeJS.Timeout | undefined
  let stopped = true
  let lastWholeRoundAt = clock()

  const subjects = (): Presented[] => {
    const found = new Map<string, Presented>()
    const now = clock()
    for (const { presented } of held()) found.set(presented.fingerprint, presented)
    for (const decision of decisions.all()) {
      const { presented } = decision
      if (found.has(presented.fingerprint)) continue
      if (isIdle(decision, now)) decisions.forget(presented.fingerprint)
      else found.set(presented.fingerprint, presented)
    }
    return [...found.values()].filter((presented) => presented.claimed !== undefined)
  }

  /** Fingerprints that this round, and the one before, left to the change that was being written. */
  let spared = new Set<string>()
  let sparedBefore = spared

  const recheckSome = async (some: Presented[]): Promise<void> => {
    const epoch = decisions.epoch()
    const startedAt = clock()
    const rows = await readMany(
      some.map(({ serial_number, claimed }) => ({ serial_number, principal_id: claimed?.principal_id ?? '' })),
    )
    for (const [i, presented] of some.entries()) {
      // The feed knows better what has changed since.
      if (decisions.changedSince(epoch, presented)) continue
      // Once: who never stops writing must not be spared for ever.
      if (isChanging(presented.claimed?.principal_id ?? '') && !sparedBefore.has(presented.fingerprint)) {
        spared.add(presented.fingerprint)
        continue
      }
      const found = rows[i] as AdmissionRows
      const verdict = verdictOf(presented, found, rules(), clock())
      const known = decisions.get(presented.fingerprint)
      if ('denied' in verdict) {
        decisions.forget(presented.fingerprint)
        // Set by hand it has no time. The feed may only be late: then the time tells by how much.
        onLost(presented, verdict.denied, found.certificate?.revoked ? found.certificate.revoked_at : undefined)
      } else if (known !== undefined && known.read_at <= startedAt) {
        decisions.set({ ...known, rows: found, read_at: startedAt, good_until: startedAt + decisionLife })
      }
    }
  }

  const round = async (): Promise<void> => {
    sparedBefore = spared
    spared = new Set()
    const startedAt = clock()
    let wait = roundEvery
    try {
      const all = subjects()
      const chunks = Array.from({ length: Math.ceil(all.length / rowsPerRead) }, (_, i) =>
        all.slice(i * rowsPerRead, (i + 1) * rowsPerRead),
      )
      // Side by side: a slow store must not make a round of many connections longer than what is promised.
      const readOn = async (): Promise<void> => {
        for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift()) await recheckSome(chunk)
      }
      await Promise.all(Array.from({ length: readsAtOnce }, readOn))
      lastWholeRoundAt = startedAt
    } catch (error) {
      onFailure(error)
      wait = retryAfter
      if (clock() - lastWholeRoundAt > longestSilence) {
        onSilence()
        lastWholeRoundAt = clock()
      }
    }
    if (!stopped)
      timer = setTimeout(round, Math.max(wait === retryAfter ? retryAfter : 0, wait - (clock() - startedAt)))
  }

  return {
    start: (): void => {
      stopped = false
      lastWholeRoundAt = clock()
      timer = setTimeout(round, roundEvery * Math.random())
    },
    stop: (): void => {
      stopped = true
      clearTimeout(timer)
    },
    /** One round, now: for tests. */
    round,
  }
}

import { ControlError, type ErrorCode } from '../core/errors.ts'
import { minute, second } from '../core/time.ts'
import type { AdmissionRows, RowsWanted } from '../store/admission-rows.ts'
import type { Admitted, Presented, Source } from './caller.ts'
import type { Decision, Decisions } from './decisions.ts'
import { type VerdictRules, verdictOf } from './verdict.ts'

/** A decision older than this is not used. Milliseconds. */
export const decisionLife = 45 * second
/** How long a denial is believed. Milliseconds. */
const denialLife = 1 * second
/** A decision that nobody used for so long is forgotten instead of being read again. Milliseconds. */
const idleLife = 2 * minute
/** Reads of one certificate that may be overtaken by changes before the caller is told to come back. */
const maximumReads = 50

export interface AdmissionDeps {
  rules: () => VerdictRules
  /** Throws `store_unavailable` when it was not read for longer than a decision lives which issuers are trusted. */
  knowIssuers: () => Promise<void> | undefined
  decisions: Decisions
  readRows: (wanted: RowsWanted) => Promise<AdmissionRows>
  clock: () => number
  /** Records the first use of a successor, before it is answered; or says why it is refused after all. */
  recordFirstUse: (caller: Admitted, source: Source) => Promise<ErrorCode | undefined>
  /** Told of every denial: for the log, the metrics and the audit. */
  onDenied: (code: ErrorCode, presented: Presented, source: Source) => void
}

/**
 * Lets in, or throws the ControlError that says why not: a 401 code, or `store_unavailable` when the registry could not
 * be asked. In the steady state this reads nothing: a decision is kept until the feed drops it, 45 s at the longest.
 */
export const makeAdmit = ({
  rules,
  knowIssuers,
  decisions,
  readRows,
  clock,
  recordFirstUse,
  onDenied,
}: AdmissionDeps) => {
  const reading = new Map<string, Promise<Decision>>()

  const readDecision = async (presented: Presented, principalId: string): Promise<Decision> => {
    for (let reads = 0; reads < maximumReads; reads++) {
      const epoch = decisions.epoch()
      const startedAt = clock()
      const rows = await readRows({ serial_number: presented.serial_number, principal_id: principalId })
      if (decisions.changedSince(epoch, presented)) continue
      const admitted = 'admitted' in verdictOf(presented, rows, rules(), startedAt)
      const life = admitted ? decisionLife : denialLife
      const decision = { presented, rows, read_at: startedAt, used_at: startedAt, good_until: startedAt + life }
      decisions.set(decision)
      return decision
    }
    throw new ControlError('overloaded', 'the registry changes too quickly to decide; try again', {
      retryAfterSeconds: 1,
    })
  }

  const decisionFor = async (presented: Presented, principalId: string): Promise<Decision> => {
    const now = clock()
    const known = decisions.get(presented.fingerprint)
    // A clock that was set back must not lengthen a decision's life.
    if (known !== undefined && now < known.good_until && now >= known.read_at - second) {
      known.used_at = now
      return known
    }
    const underWay = reading.get(presented.fingerprint)
    if (underWay !== undefined) return underWay
    const read = readDecision(presented, principalId).finally(() => reading.delete(presented.fingerprint))
    reading.set(presented.fingerprint, read)
    return read
  }

  return async (presented: Presented, source: Source): Promise<Admitted> => {
    const refuse = (code: ErrorCode): never => {
      onDenied(code, presented, source)
      throw new ControlError(code, '')
    }
    if (presented.claimed === undefined) return refuse('certificate_untrusted')
    const principalId = presented.claimed.principal_id
    const learning = knowIssuers()
    if (learning !== undefined) await learning
    for (let uses = 0; ; uses++) {
      const decision = await decisionFor(presented, principalId)
      const verdict = verdictOf(presented, decision.rows, rules(), clock())
      if ('denied' in verdict) return refuse(verdict.denied)
      const { certificate } = verdict.admitted
      if (certificate.renewed_from === undefined || certificate.first_used_at !== undefined) return verdict.admitted
      if (uses === 2)
        throw new ControlError('store_unavailable', 'the first use could not be recorded; try again', {
          retryAfterSeconds: 1,
        })
      const refused = await recordFirstUse(verdict.admitted, source)
      if (refused !== undefined) return refuse(refused)
      decisions.forget(presented.fingerprint)
    }
  }
}
export type Admit = ReturnType<typeof makeAdmit>

/** Whether a decision is worth being read again, or has been forgotten by everybody. */
export const isIdle = (decision: Decision, now: number): boolean => now - decision.used_at > idleLife

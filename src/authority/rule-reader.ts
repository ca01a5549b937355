import type { JoinRuleRecord } from '../core/joining.ts'
import { second } from '../core/time.ts'

/** Reads a second, per process. Rules are read for whoever claims to join, so a flood of them must not be one of reads. */
const readsPerSecond = 200
/** What is used instead when there were more; a rule is read anew before it lets somebody in. Milliseconds. */
const longestAge = 1 * second

export interface RuleReaderDeps {
  all: () => Promise<JoinRuleRecord[]>
  clock: () => number
}

/** The join rules, oldest first: as they are now, and in a flood as they were at most 1 s ago. */
export const makeRuleReader = ({ all, clock }: RuleReaderDeps) => {
  let window = { since: 0, reads: 0 }
  let last: { at: number; rules: Promise<JoinRuleRecord[]> } | undefined

  const read = (): Promise<JoinRuleRecord[]> => {
    const now = clock()
    if (now - window.since >= second || now < window.since) window = { since: now, reads: 0 }
    const young = last !== undefined && now >= last.at && now - last.at < longestAge
    if (window.reads >= readsPerSecond && last !== undefined && young) return last.rules
    window.reads += 1
    const latest = { at: now, rules: all() }
    last = latest
    latest.rules.catch(() => {
      if (last === latest) last = undefined
    })
    return latest.rules
  }
  return {
    read,
    /** What this process has changed itself, it sees at once. */
    forget: (): void => {
      last = undefined
    },
  }
}

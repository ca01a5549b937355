import type { Attribution } from '../../core/audit.ts'
import { minute } from '../../core/time.ts'
import { withDeadline } from '../../store/deadline.ts'
import type { Registry } from '../../store/registry.ts'

/** What is done again on restored tables, and for whom it is told. */
export interface RestoreDeps {
  /** Nobody is the last admin here: what was decided before is only done again. */
  registry: Registry & { lastAdminMayGo: true }
  clock: () => number
  attribution: Attribution
  count: (what: keyof RestoreCounts) => void
}

/** What was done again, or would be. */
export interface RestoreCounts {
  certificates_revoked: number
  /** Revoked after the restore point and issued after it as well: only the CRL has to know. */
  unregistered_listed: number
  certificates_superseded: number
  keys_burnt: number
  principals_suspended: number
  principals_activated: number
  principals_deleted: number
  principals_barred: number
  join_tokens_revoked: number
  join_tokens_recounted: number
  join_rules_deleted: number
  join_rules_disabled: number
  issuers_removed: number
  issuers_retired: number
  /** Let sign in the place of another. */
  issuers_activated: number
  /** Begun after the restore point and not seen to end: servers carry them out. */
  mass_revocations_begun: number
}

export const noCounts = (): RestoreCounts => ({
  certificates_revoked: 0,
  unregistered_listed: 0,
  certificates_superseded: 0,
  keys_burnt: 0,
  principals_suspended: 0,
  principals_activated: 0,
  principals_deleted: 0,
  principals_barred: 0,
  join_tokens_revoked: 0,
  join_tokens_recounted: 0,
  join_rules_deleted: 0,
  join_rules_disabled: 0,
  issuers_removed: 0,
  issuers_retired: 0,
  issuers_activated: 0,
  mass_revocations_begun: 0,
})

/** What a store that does not answer is waited for. Milliseconds. */
const longestTask = 10 * minute

/** Work that is done side by side: a store far away answers many as quickly as one. */
export const sideBySide = async <T>(subjects: Iterable<T>, task: (subject: T) => Promise<void>): Promise<void> => {
  const queue = subjects[Symbol.iterator]()
  const worker = async (): Promise<void> => {
    for (let next = queue.next(); next.done !== true; next = queue.next())
      await withDeadline(longestTask, () => task(next.value as T))
  }
  await Promise.all(Array.from({ length: 8 }, worker))
}

import type { Admitted } from '../auth/caller.ts'
import type { Attribution } from '../core/audit.ts'
import type { Once } from '../core/once.ts'

/** What each verb learns of the call that it serves. */
export interface CallerRequest {
  caller: Admitted
  attribution: Attribution
  /** Present when the caller sent an Idempotency-Key. */
  once?: Once
}

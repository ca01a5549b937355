import { ControlError } from '../../core/errors.ts'
import type { BoundedAudit } from '../bounded-audit.ts'
import type { Source } from '../caller.ts'
import { type FailedProofs, sourceOf } from './failed-proofs.ts'
import { JoinRefused } from './proof.ts'

export interface Refusal extends Source {
  method: string
  reason: string
  by?: string
  principal_id?: string
}

export interface JoinGateDeps {
  failed: FailedProofs
  audit: Pick<BoundedAudit, 'denied'>
  /** For the log. */
  onRefused: (refusal: Refusal) => void
}

const tooMany = (retryAfterSeconds: number) => new ControlError('rate_limited', '', { retryAfterSeconds })
/** An audit event has room for a sentence. */
const longestReason = 512

/**
 * Where refusals lose their reason: it goes to the audit and the log, and the caller is left with a code. Who fails too often
 * is told to wait.
 */
export const makeJoinGate = ({ failed, audit, onRefused }: JoinGateDeps) => ({
  run: async <T>(source: Source, method: string, join: () => Promise<T>): Promise<T> => {
    try {
      return await join()
    } catch (error) {
      if (!(error instanceof JoinRefused)) throw error
      const reason = error.reason.slice(0, longestReason)
      const { by, principal_id } = error.context
      const known = { ...(by === undefined ? {} : { by }), ...(principal_id === undefined ? {} : { principal_id }) }
      const { remote_address } = source
      audit.denied(
        {
          action: 'join.refuse',
          // The id after `join_token:`, so that a token or rule shows what came of it.
          target: by?.split(':')[1] ?? sourceOf(remote_address),
          outcome: 'denied',
          code: 'join_refused',
          after: { method, reason, ...(principal_id === undefined ? {} : { principal_id }) },
        },
        by ?? 'unknown',
        source,
        sourceOf(remote_address),
      )
      onRefused({ ...source, method, reason, ...known })
      const wait = failed.count(remote_address)
      if (wait > 0) throw tooMany(wait)
      throw new ControlError('join_refused', '')
    }
  },
  /** Throws `rate_limited` before anybody else is asked on behalf of a source that has failed too often. */
  demandPatience: (source: Source): void => {
    const wait = failed.wait(source.remote_address)
    if (wait > 0) throw tooMany(wait)
  },
})

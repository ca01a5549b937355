import { ControlError } from '../../core/errors.ts'
import type { BoundedAudit } from '../bounded-audit.ts'
import type { Source } from '../caller.ts'
import { type FailedProofs, sourceOf } from './failed-proofs.ts'
import { JoinRefused, JoinUnproven } from './proof.ts'

export interface Refusal extends Source {
  code: string
  method: string
  reason: string
  by?: string
  principal_id?: string
}

export interface JoinGateDeps {
  failed: FailedProofs
  /** Proofs for which AWS was asked and did not answer. The caller chooses the region, so it must not choose without end. */
  unanswered: FailedProofs
  audit: Pick<BoundedAudit, 'denied'>
  /** For the log. */
  onRefused: (refusal: Refusal) => void
}

const tooMany = (retryAfterSeconds: number) => new ControlError('rate_limited', '', { retryAfterSeconds })
/** An audit event has room for a sentence. */
const longestReason = 512

/**
 * Where refusals lose their reason: it goes to the audit and the log, and the caller is left with a code. Who fails too often
 * is told to wait. The silence of others is nobody's failure: it is answered `issuer_unavailable`, and not counted as one.
 */
export const makeJoinGate = ({ failed, unanswered, audit, onRefused }: JoinGateDeps) => ({
  run: async <T>(source: Source, method: string, join: () => Promise<T>): Promise<T> => {
    try {
      return await join()
    } catch (error) {
      if (!(error instanceof JoinRefused)) throw error
      const { code } = error
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
          code,
          after: { method, reason, ...(principal_id === undefined ? {} : { principal_id }) },
        },
        by ?? 'unknown',
        source,
        sourceOf(remote_address),
      )
      onRefused({ ...source, code, method, reason, ...known })
      if (error instanceof JoinUnproven) {
        if (method === 'aws_iam') unanswered.count(remote_address)
        throw new ControlError(code, '', { retryAfterSeconds: error.retryAfterSeconds ?? 1 })
      }
      const wait = failed.count(remote_address)
      if (wait > 0) throw tooMany(wait)
      throw new ControlError(code, '')
    }
  },
  /**
   * Throws before AWS is asked on behalf of a source: `rate_limited` when it has failed too often, `issuer_unavailable` when
   * AWS has been silent too often.
   */
  demandPatience: (source: Source): void => {
    const wait = failed.wait(source.remote_address)
    if (wait > 0) throw tooMany(wait)
    const silence = unanswered.wait(source.remote_address)
    if (silence > 0) throw new ControlError('issuer_unavailable', '', { retryAfterSeconds: silence })
  },
})

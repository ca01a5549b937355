import { ControlError, type ErrorCode } from '../../core/errors.ts'

/** What a proof of a machine's origin says once it has been verified. */
export interface Proven {
  method: 'aws_iam' | 'oidc'
  /** What rules match on and templates may name. */
  attributes: Record<string, string>
  /** Of a token: names the keys that verified it. It proves nothing to a rule whose keys come from elsewhere. */
  key_source?: string
  /** SHA-256, in hex, of what must not be used twice. */
  proof_id: string
  /** Until when the use is remembered, in milliseconds since 1970. */
  keep_until: number
  /** Who it was, for the audit. */
  subject: string
}

export type VerifyProof<Body> = (
  body: Body,
  context: {
    /** SHA-256 of the DER request, in hex. */
    csr_sha256: string
    now: number
  },
) => Promise<Proven>

/** What the log and the audit learn of a refusal beside its reason. */
export interface RefusalContext {
  /** `join_token:ID` or `join_rule:ID`, when the refused came so far. */
  by?: string | undefined
  principal_id?: string | undefined
}

/**
 * A join that is refused. The reason, on one line and without secrets, is for the audit and the log; the caller is told
 * the code and nothing else.
 */
export class JoinRefused extends ControlError {
  readonly reason: string
  readonly context: RefusalContext

  constructor(
    reason: string,
    context: RefusalContext = {},
    { code = 'join_refused', ...passing }: { code?: ErrorCode; retryAfterSeconds?: number } = {},
  ) {
    super(code, '', passing)
    this.name = 'JoinRefused'
    this.reason = reason
    this.context = context
  }
}

/** Seconds after which a joiner asks again, when who could vouch for it did not answer. */
const askAgainAfter = 5

/**
 * A join that is refused for now: who could vouch for it does not answer, so nothing is proven and nothing is disproven. The
 * caller is told to come again, and nothing of who was asked, which it has not chosen.
 */
export class JoinUnproven extends JoinRefused {
  constructor(reason: string) {
    super(reason, {}, { code: 'issuer_unavailable', retryAfterSeconds: askAgainAfter })
    this.name = 'JoinUnproven'
  }
}

/**
 * A good proof with a key that is another's, or was compromised. The caller is told as much, so that it makes a new one; it
 * counts as a failure, for the proof stays unspent and could be sent without end.
 */
export class JoinKeyTaken extends JoinRefused {
  constructor(context: RefusalContext) {
    super("the key is another principal's, or was compromised", context, { code: 'key_already_registered' })
    this.name = 'JoinKeyTaken'
  }
}

import { sha256Hex } from '../core/bytes.ts'
import type { Once } from '../core/once.ts'
import type { PrincipalType } from '../core/principal.ts'
import type { StoredAnswer } from '../store/answers.ts'
import type { EventDraft } from '../store/audit-event.ts'
import type { Write } from '../store/transaction.ts'

/** On what terms somebody may come back under the name of a principal that exists. */
export interface RejoinTerms {
  /** `join_token:ID` or `join_rule:ID`. */
  by: string
  principal_type: PrincipalType
  rejoin: boolean
  /** A token that names exactly this principal. */
  names_principal: boolean
  /** Per principal and 24 h; absent: the uses of the token are the limit. */
  max_rejoins?: number
}

/** What a verified proof is good for. */
export interface JoinTicket extends RejoinTerms {
  /** Where the answer is kept: the same proof with the same request gets it again while the proof is good. */
  once: Once
  /** What is kept there, where it was read together with the proof; absent: nobody has looked. */
  kept?: { answer: StoredAnswer | undefined }
  /** The same for a certificate that is handed out again, of a proof that is good for many requests. */
  onceAgain?: (serialNumber: string) => Once
  /** Joins of the same name wait for each other. */
  exclusive: string
  /** Who it is that joins, beyond the principal: for the audit. */
  subject?: string
  validity_seconds?: number
  metadata: Record<string, string>
  delete_after_expiry_seconds?: number
  /** The id that it gives, to one who asks for `asked` or for none. Throws JoinRefused. */
  principalId(asked: string | undefined): string
  /** What spends the proof, read anew for each attempt. Throws JoinRefused when it is spent or no longer good. */
  spend(principalId: string): Promise<{ writes: Write[]; events: EventDraft[] }>
}

/** Where the answer to a proof and what was asked with it is kept until `keepUntil` (Unix ms). */
export const onceOf = (method: string, proofId: string, asked: string, keepUntil: number): Once => {
  const key = sha256Hex(JSON.stringify(['enroll', method, proofId, asked]))
  return { key, body_sha256: key, status: 201, kept: false, keep_until: keepUntil }
}

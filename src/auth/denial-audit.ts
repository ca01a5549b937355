import type { ErrorCode } from '../core/errors.ts'
import { type BoundedAuditDeps, makeBoundedAudit } from './bounded-audit.ts'
import type { Presented, Source } from './caller.ts'

export type DenialAuditDeps = Omit<BoundedAuditDeps, 'action'>

/** Audits denied admissions. */
export const makeDenialAudit = (deps: DenialAuditDeps) => {
  const audit = makeBoundedAudit({ ...deps, action: 'admission.deny' })
  return {
    denied: (code: ErrorCode, presented: Presented, source: Source): void => {
      // Somebody goes on using what was replaced: the sign of a stolen certificate, or of a lost renewal.
      const action = code === 'certificate_superseded' ? 'certificate.reuse' : 'admission.deny'
      const after = presented.claimed
        ? { claimed: presented.claimed.principal_id, fingerprint: presented.fingerprint }
        : {}
      const event = { action, target: presented.serial_number, outcome: 'denied' as const, code, after }
      audit.denied(event, presented.claimed?.principal_id ?? 'unknown', source)
    },
    sweep: audit.sweep,
  }
}

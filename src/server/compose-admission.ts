import { makeAdmit } from '../auth/admission.ts'
import type { Decisions } from '../auth/decisions.ts'
import { type DenialAuditDeps, makeDenialAudit } from '../auth/denial-audit.ts'
import { makeRecheck } from '../auth/recheck.ts'
import { makeRecordFirstUse } from '../authority/first-use.ts'
import { second } from '../core/time.ts'
import { makeAdmissionRows } from '../store/admission-rows.ts'
import type { Store } from '../store/client.ts'
import { withDeadline } from '../store/deadline.ts'
import type { Registry } from '../store/registry.ts'
import type { Config } from './config.ts'
import type { Connections } from './connections.ts'
import type { Log } from './log.ts'
import type { TrustedIssuers } from './trusted-issuers.ts'

export interface AdmissionOfProcessDeps {
  config: Pick<Config, 'supersedeGrace'>
  store: Store
  registry: Registry
  trust: Pick<TrustedIssuers, 'authorities' | 'know'>
  decisions: Decisions
  connections: Connections
  /** Whether this process is changing the principal just now. */
  isChanging: (principalId: string) => boolean
  clock: () => number
  log: Log
  onFailure: (error: unknown) => void
}

/** Who is let in, who has to go since, and what is written down of those who were not. */
export const composeAdmission = (deps: AdmissionOfProcessDeps) => {
  const { config, registry, trust, decisions, connections, isChanging, clock, log, onFailure } = deps
  const { supersedeGrace } = config
  const rules = () => ({ supersede_grace: supersedeGrace, trusts: trust.authorities().trusts })
  const rows = makeAdmissionRows(deps.store)
  const recordDenial: DenialAuditDeps['record'] = (event, source) =>
    withDeadline(5 * second, () => registry.audit.record(event, source, clock()))
  const denials = makeDenialAudit({
    record: recordDenial,
    clock,
    onFailure: (error) => log.debug({ event: 'denial_not_audited', reason: (error as Error).message }),
  })
  return {
    recordDenial,
    denials,
    admit: makeAdmit({
      rules,
      knowIssuers: trust.know,
      decisions,
      readRows: rows.read,
      clock,
      recordFirstUse: makeRecordFirstUse({ registry, clock, supersedeGrace }),
      onDenied: denials.denied,
    }),
    recheck: makeRecheck({
      rules,
      decisions,
      held: connections.entries,
      isChanging,
      readMany: (wanted) => withDeadline(5 * second, () => rows.readMany(wanted)),
      clock,
      onLost: ({ serial_number }, code, since) => {
        if (code === 'certificate_superseded') connections.finish(serial_number)
        else connections.cut({ serial_number }, code, undefined, since)
      },
      onSilence: () => {
        for (const [socket] of connections.streams()) socket.destroy()
      },
      onFailure,
    }),
  }
}

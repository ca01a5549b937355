import type { ExportedEvent } from '../../core/exported-event.ts'
import { makeActivatePrincipal } from '../activate-principal.ts'
import { makeDeletePrincipal } from '../delete-principal.ts'
import type { CallerRequest } from '../request.ts'
import { makeSuspendPrincipal } from '../suspend-principal.ts'
import type { RestoreDeps } from './deps.ts'
import { makeReapplyRevocation, makeReapplySupersede } from './reapply-certificates.ts'

const ofStatus = new Set(['principal.suspend', 'principal.activate', 'principal.delete'])
const ofCertificates = new Set(['certificate.revoke', 'certificate.distrust', 'certificate.supersede'])

/** Whose rights an event is about; undefined when it is about nobody's. */
export const principalOf = ({ action, target, after }: ExportedEvent): string | undefined => {
  if (ofStatus.has(action)) return target
  const id = after['principal_id']
  return ofCertificates.has(action) && typeof id === 'string' ? id : undefined
}

/** Does again what happened to a principal and its certificates, from the oldest event on; the last status stays. */
export const makeReapplyPrincipal = (deps: RestoreDeps) => {
  const { registry, clock, attribution, count } = deps
  const changing = { registry, clock }
  const suspend = makeSuspendPrincipal(changing)
  const activate = makeActivatePrincipal(changing)
  const remove = makeDeletePrincipal(changing)
  const revoke = makeReapplyRevocation(deps)
  const supersede = makeReapplySupersede(deps)
  // None of these verbs asks who calls, but by its attribution.
  const request = { attribution } as CallerRequest

  const setStatus = async (principalId: string, { action, after }: ExportedEvent): Promise<void> => {
    const before = await registry.principals.get(principalId)
    if (before === undefined || before.status === 'deleted') return
    if (action === 'principal.delete') {
      await remove(request, principalId)
      count('principals_deleted')
    } else if (action === 'principal.suspend') {
      if (before.status === 'suspended' && before.suspended_at !== undefined) return
      const reason = typeof after['suspended_reason'] === 'string' ? after['suspended_reason'] : 'restore'
      await suspend(request, principalId, { reason }, {})
      count('principals_suspended')
    } else if (before.status !== 'active' || before.rejoin_blocked) {
      await activate(request, principalId, {})
      count('principals_activated')
    }
  }

  return async (principalId: string, events: ExportedEvent[]): Promise<void> => {
    const lastOf = (wanted: (event: ExportedEvent) => boolean) => events.findLastIndex(wanted)
    const deleted = lastOf(({ action }) => action === 'principal.delete')
    const last = events[deleted >= 0 ? deleted : lastOf(({ action }) => ofStatus.has(action))]
    const activated = lastOf(({ action }) => action === 'principal.activate')
    // 1. Certificate by certificate; what is done already is passed over, so a run that was cut off is run again.
    for (const [i, event] of events.entries()) {
      if (event.action === 'certificate.supersede') await supersede(event, principalId)
      else if (ofCertificates.has(event.action)) await revoke(event, principalId, i > activated)
    }
    // 2. The status that came last. Nobody is let in before all is done, so the order is not one of safety.
    if (last !== undefined) await setStatus(principalId, last)
  }
}

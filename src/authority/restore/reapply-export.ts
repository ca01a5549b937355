import { type RevocationReason, revocationReasons } from '../../core/certificate.ts'
import type { ExportedEvent } from '../../core/exported-event.ts'
import type { RevocationRecord } from '../../core/revocation.ts'
import { type RestoreDeps, sideBySide } from './deps.ts'
import { makeReapplyAuthorities } from './reapply-authorities.ts'
import { makeReapplyJoining } from './reapply-joining.ts'
import { makeReapplyPrincipal, principalOf } from './reapply-principal.ts'
import { makeRevokeRows } from './revoke-rows.ts'

/** Whether an event says of anything that a restored table has to be told again, or that somebody has to know. */
export const isOfInterest = ({ action }: Pick<ExportedEvent, 'action'>): boolean =>
  /^(certificate\.|principal\.|revocation\.|join_token\.|join_rule\.|authority\.)/.test(action)

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

/** A mass revocation as it was asked for. It spares nobody: who asked may have lost the certificate that was spared. */
const recordOf = ({ target, at, actor, after, event_id }: ExportedEvent): RevocationRecord => {
  const { principal_id, issuer_id, issued_before, reason } = after
  return {
    revocation_id: target,
    state: 'pending',
    filter: {
      ...(typeof principal_id === 'string' ? { principal_id } : {}),
      ...(typeof issuer_id === 'string' ? { issuer_id } : {}),
      ...(typeof issued_before === 'number' ? { issued_before } : {}),
    },
    reason: revocationReasons.find((one): one is RevocationReason => one === reason) ?? 'unspecified',
    dry_run: false,
    created_at: at,
    created_by: actor,
    spared_serial: '',
    spared_lineage: '',
    request_id: event_id,
    remote_address: 'local',
    matched: 0,
    revoked: 0,
  }
}

/**
 * Does again what the events say, each subject's from its oldest on. Every step passes over what is done already: a run that
 * was cut off is run again. What is left for somebody to do by hand comes back, a line each.
 */
export const makeReapplyExport = (deps: RestoreDeps) => {
  const { registry, attribution, count } = deps
  const reapplyPrincipal = makeReapplyPrincipal(deps)
  const joining = makeReapplyJoining(deps)
  const revokeRows = makeRevokeRows(deps)
  const reapplyAuthorities = makeReapplyAuthorities(deps)

  const beginAgain = async (event: ExportedEvent): Promise<void> => {
    const record = recordOf(event)
    const done = await registry.commit<boolean>({
      attribution,
      exclusive: `revocation:${record.revocation_id}`,
      plan: async () => {
        if ((await registry.revocations.get(record.revocation_id)) !== undefined) return { unchanged: false }
        return {
          writes: registry.revocations.create(record).map((item) => ({ item })),
          events: [{ action: 'revocation.start', target: record.revocation_id, after: event.after }],
          changes: [{ type: 'revocation_started', revocation_id: record.revocation_id }],
          answer: true,
        }
      },
    })
    if (done) count('mass_revocations_begun')
  }

  return async (events: ExportedEvent[]): Promise<string[]> => {
    const sorted = events.toSorted((one, other) => (one.event_id < other.event_id ? -1 : 1))
    const groupBy = (wanted: RegExp, idOf: (event: ExportedEvent) => string | undefined) => {
      const groups = Map.groupBy(
        sorted.filter(({ action }) => wanted.test(action)),
        idOf,
      )
      groups.delete(undefined)
      return groups as Map<string, ExportedEvent[]>
    }
    const target = (event: ExportedEvent) => event.target

    await sideBySide(groupBy(/^(certificate|principal)\./, principalOf), ([id, some]) => reapplyPrincipal(id, some))
    await sideBySide(groupBy(/^join_token\.(revoke|use)$/, target), ([id, some]) => joining.token(id, some))
    const rules = groupBy(/^join_rule\.(update|delete)$/, target)
    await sideBySide(rules, ([id, some]) => joining.rule(id, some))
    const ended = new Set(sorted.filter(({ action }) => action === 'revocation.complete').map(target))
    for (const event of sorted)
      if (event.action === 'revocation.start' && event.after['dry_run'] !== true && !ended.has(event.target))
        await beginAgain(event)

    // An issuer that was removed lets nobody in again, whatever the restored tables say of it.
    const authorities = await reapplyAuthorities(sorted)
    const { removed } = authorities
    if (removed.length > 0) await revokeRows((row) => removed.includes(row.issuer_id))

    const by = (wanted: string) => sorted.filter(({ action }) => action === wanted)
    const issued = [...by('certificate.issue'), ...by('certificate.renew')].map(target)
    const lost = (await registry.certificates.getMany([...new Set(issued)])).length
    const created = by('principal.create').map(target)
    const gone = (await Promise.all(created.map((id) => registry.principals.get(id)))).filter((one) => !one).length
    return [
      ...authorities.by_hand,
      ...(rules.size === 0 ? [] : ['join rules that were changed are switched off: look at them, then enable them']),
      ...(new Set(issued).size === lost
        ? []
        : [
            `${new Set(issued).size - lost} certificates were issued after the restore point and are not let in: issue them anew`,
          ]),
      ...(gone === 0 ? [] : [`${gone} principals were created after the restore point and are gone: create them anew`]),
      ...by('principal.update')
        .filter(({ after }) => textOf(after['max_certificates']) ?? after['max_certificates'])
        .map((event) => `principal ${event.target}: max_certificates was changed`),
    ]
  }
}

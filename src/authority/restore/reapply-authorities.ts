import type { AuthorityRecord, StoredAuthorities } from '../../core/authority.ts'
import type { ExportedEvent } from '../../core/exported-event.ts'
import type { EventDraft } from '../../store/audit-event.ts'
import { exclusive, writesOf } from '../authorities/deps.ts'
import type { RestoreCounts, RestoreDeps } from './deps.ts'

/** What the events have made of each issuer. */
interface Wanted {
  removed: Map<string, number>
  retired: Map<string, number>
  /** The last one that an admin let sign. */
  active: { issuer_id: string; at: number } | undefined
}

const wantedOf = (events: ExportedEvent[]): Wanted => {
  const wanted: Wanted = { removed: new Map(), retired: new Map(), active: undefined }
  for (const { action, target, at, after } of events) {
    if (!action.startsWith('authority.') || action === 'authority.deactivate') continue
    wanted.removed.delete(target)
    wanted.retired.delete(target)
    if (action === 'authority.remove') wanted.removed.set(target, at)
    if (action === 'authority.retire') wanted.retired.set(target, at)
    // What a server took over from its configuration, it takes over again.
    if (action === 'authority.activate' && after['from'] !== 'configuration') wanted.active = { issuer_id: target, at }
  }
  return wanted
}

type Step = { read: AuthorityRecord; after: AuthorityRecord; action: string; what: keyof RestoreCounts | undefined }

/** What brings the restored rows to there. An issuer without a row, or that still signs, is left to somebody. */
const stepsOf = (stored: StoredAuthorities, wanted: Wanted): { steps: Step[]; active: string | undefined } => {
  const rows = new Map(stored.issuers.map((row) => [row.issuer_id, row]))
  const steps: Step[] = []
  const change = (
    read: AuthorityRecord,
    set: Partial<AuthorityRecord>,
    action: string,
    what?: keyof RestoreCounts,
  ): void => {
    steps.push({ read, after: { ...read, ...set, version: read.version + 1 }, action, what })
  }
  const pointed = stored.active?.issuer_id
  const next = wanted.active === undefined ? undefined : rows.get(wanted.active.issuer_id)
  const signs = next !== undefined && next.state !== 'removed' && (next.issuer_id !== pointed || stored.active?.adopted)
  const active = signs ? next.issuer_id : pointed
  if (signs && wanted.active !== undefined)
    change(next, { state: 'active', activated_at: wanted.active.at }, 'authority.activate', 'issuers_activated')
  for (const row of rows.values()) {
    const { issuer_id, state } = row
    if (issuer_id === active || state === 'removed') continue
    const [removed_at, retired_at] = [wanted.removed.get(issuer_id), wanted.retired.get(issuer_id)]
    const deactivated = signs && issuer_id === pointed ? { deactivated_at: wanted.active?.at ?? 0 } : {}
    if (removed_at !== undefined)
      change(row, { ...deactivated, state: 'removed', removed_at }, 'authority.remove', 'issuers_removed')
    else if (retired_at !== undefined && state !== 'retired')
      change(row, { ...deactivated, state: 'retired', retired_at }, 'authority.retire', 'issuers_retired')
    else if (signs && issuer_id === pointed) change(row, { ...deactivated, state: 'prepared' }, 'authority.deactivate')
  }
  return { steps, active }
}

/**
 * Removes, retires and activates issuers again, all in one transaction; where that is done already, nothing. Gives the ids of
 * those that were removed, by the registry or not, and lines for what is left to somebody.
 */
export const makeReapplyAuthorities =
  ({ registry, attribution, count }: RestoreDeps) =>
  async (events: ExportedEvent[]): Promise<{ removed: string[]; by_hand: string[] }> => {
    const wanted = wantedOf(events)
    const done = await registry.commit<Step[]>({
      attribution,
      exclusive,
      plan: async () => {
        const stored = await registry.authorities.read()
        const { steps, active } = stepsOf(stored, wanted)
        const drafts = steps.map(
          ({ read, after, action }): EventDraft => ({
            action,
            target: read.issuer_id,
            before: { state: read.state },
            after: { state: after.state },
          }),
        )
        const [first, ...others] = drafts
        if (first === undefined) return { unchanged: [] }
        const pointer = active === stored.active?.issuer_id ? stored.active : active && { issuer_id: active }
        const isActivation = steps.some(({ action }) => action === 'authority.activate')
        return {
          writes: writesOf(
            { registry },
            stored,
            steps.map(({ read, after }) => [read, after]),
            isActivation && active !== undefined ? { issuer_id: active } : pointer || undefined,
          ),
          events: [first, ...others],
          changes: [{ type: 'authorities_changed' }],
          answer: steps,
        }
      },
    })
    for (const { what } of done) if (what !== undefined) count(what)

    // What a dry run would have done counts as done.
    const stored = await registry.authorities.read()
    const now = new Map(stored.issuers.map((row) => [row.issuer_id, row.state]))
    for (const { after } of done) now.set(after.issuer_id, after.state)
    const signing =
      done.find(({ action }) => action === 'authority.activate')?.read.issuer_id ?? stored.active?.issuer_id
    const removed = [...wanted.removed.keys()]
    const by_hand = [
      ...(wanted.active === undefined || wanted.active.issuer_id === signing
        ? []
        : [`issuer ${wanted.active.issuer_id} signed last: prepare it again, then activate it`]),
      ...removed.map((id) =>
        now.get(id) === 'removed'
          ? `issuer ${id} is removed again: remove it once more for its last CRL (POST /v1/authorities/${id}/remove)`
          : `issuer ${id} was removed, and ${id === signing ? 'signs in the restored tables: activate another one first, then remove it' : 'the restored tables do not know it: if servers have it in their configuration, remove it again'}`,
      ),
      ...[...wanted.retired.keys()]
        .filter((id) => now.get(id) !== 'retired' && now.get(id) !== 'removed')
        .map((id) => `issuer ${id} was retired: do it again`),
    ]
    return { removed, by_hand }
  }

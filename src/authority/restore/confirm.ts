import type { ExportedEvent } from '../../core/exported-event.ts'
import { toRfc3339 } from '../../core/time.ts'
import { beginEpoch } from './begin-epoch.ts'
import { noCounts, type RestoreCounts, type RestoreDeps } from './deps.ts'
import { makeReapplyExport } from './reapply-export.ts'
import { makeRevokeEverything } from './revoke-everything.ts'
import { restoreAttribution, type StoreAccess } from './store-access.ts'

export interface RestoreWish {
  /** To which time the tables were restored, Unix milliseconds. */
  taken_at: number
  how: { events: ExportedEvent[]; until: number } | { issued_before: number }
  /** Count only. */
  dry_run: boolean
  clock: () => number
}

export interface ConfirmedRestore {
  done: RestoreCounts
  /** What somebody has to look at. */
  by_hand: string[]
  /** Absent where nothing remembers the tables, and of a dry run. */
  epoch?: string
}

/** Plans all and commits nothing. */
const withoutEffect = (registry: StoreAccess['registry']): StoreAccess['registry'] => ({
  ...registry,
  commit: async (operation) => {
    const plan = await operation.plan()
    return 'unchanged' in plan ? plan.unchanged : plan.answer
  },
})

/**
 * Takes rights away again that restored tables have given back, then lets servers admit. Each step does nothing where it
 * was done before, and the end of the hold comes last: cut off anywhere, admission stays closed, and the same call goes on.
 */
export const confirmRestore = async (access: StoreAccess, wish: RestoreWish): Promise<ConfirmedRestore> => {
  const done = noCounts()
  const attribution = restoreAttribution()
  const deps: RestoreDeps = {
    registry: wish.dry_run ? withoutEffect(access.registry) : access.registry,
    clock: wish.clock,
    attribution,
    count: (what) => {
      done[what] += 1
    },
  }
  const { how, taken_at } = wish
  const by_hand =
    'events' in how ? await makeReapplyExport(deps)(how.events) : await makeRevokeEverything(deps)(how.issued_before)
  if (wish.dry_run) return { done, by_hand }
  const made = Object.fromEntries(Object.entries(done).filter(([, number]) => number > 0))
  const from =
    'events' in how ? { export_until: toRfc3339(how.until) } : { revoked_issued_before: toRfc3339(how.issued_before) }
  const after = { taken_at: toRfc3339(taken_at), ...from, ...made }
  const epoch = await beginEpoch(access, attribution, 'restore.confirm', after, wish.clock())
  return { done, by_hand, ...(epoch === undefined ? {} : { epoch }) }
}

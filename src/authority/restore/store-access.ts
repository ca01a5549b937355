import { timeOrderedId } from '../../core/ids.ts'
import { compareMarks, type EpochVerdict, type RememberedMark, type StoreMark } from '../../core/store-epoch.ts'
import { systemClock } from '../../core/time.ts'
import { openStore } from '../../store/client.ts'
import { openEpochFile } from '../../store/epoch-file.ts'
import type { EpochMemory } from '../../store/epoch-memory.ts'
import { openEpochParameter } from '../../store/epoch-parameter.ts'
import { withRegistry } from '../../store/lone-registry.ts'
import type { Registry } from '../../store/registry.ts'
import type { Tables } from '../../store/schema.ts'
import { mustAnswer } from '../bootstrap/preflight.ts'

/** Where a deployment keeps what it knows. */
export interface StorePlace {
  tables: Tables
  region?: string
  /** Absent: nothing remembers the tables. */
  memory?: { file: string } | { parameter: string }
}

/** What tables and memory say now. */
export interface EpochState {
  inside: StoreMark | undefined
  /** `unreadable`: what is there is no mark. */
  outside: RememberedMark | 'unreadable' | undefined
  /** Absent without a memory. */
  verdict: EpochVerdict | undefined
}

export interface StoreAccess {
  registry: Registry & { lastAdminMayGo: true }
  memory: EpochMemory | undefined
  state(): Promise<EpochState>
}

const memoryOf = ({ memory, region }: StorePlace): EpochMemory | undefined => {
  if (memory === undefined) return undefined
  if ('file' in memory) return openEpochFile(memory.file)
  return openEpochParameter({ name: memory.parameter, ...(region === undefined ? {} : { client: { region } }) })
}

/** Lends the tables to somebody who works on them directly, with the rights of who runs this. */
export const withStore = async <T>(place: StorePlace, use: (access: StoreAccess) => Promise<T>): Promise<T> => {
  const store = openStore({ tables: place.tables, ...(place.region === undefined ? {} : { region: place.region }) })
  const memory = memoryOf(place)
  try {
    await mustAnswer(store)
    return await withRegistry(store, systemClock, (registry) =>
      use({
        registry: { ...registry, lastAdminMayGo: true },
        memory,
        state: async () => {
          const read = await memory?.read().catch((error: Error) => {
            if (error.name === 'MemoryUnreadable') return 'unreadable' as const
            throw error
          })
          const inside = await registry.epochs.get()
          if (memory === undefined) return { inside, outside: undefined, verdict: undefined }
          if (read === 'unreadable')
            return { inside, outside: read, verdict: { state: 'held', why: 'memory_unreadable' } }
          return { inside, outside: read, verdict: compareMarks(inside, read, await registry.epochs.tableIds()) }
        },
      }),
    )
  } finally {
    store.close()
  }
}

/** Who does it: nobody whom the registry could vouch for. */
export const restoreAttribution = () => ({
  actor: 'system',
  request_id: timeOrderedId(systemClock()),
  remote_address: 'local',
})

import type { CertificateRecord } from '../../src/core/certificate.ts'
import type { PrincipalRecord } from '../../src/core/principal.ts'
import { openStore, type Store } from '../../src/store/client.ts'
import type { FeedRecord } from '../../src/store/feed.ts'
import { openRegistry, type Registry } from '../../src/store/registry.ts'
import { storeCredentials, type TestStore } from './store.ts'

export interface TestRegistry {
  registry: Registry
  store: Store
  /** What this process acted on. */
  committed: FeedRecord[]
  /** Feed records whose fate is open. */
  held: Set<string>
  /** Calls of the store so far, by operation. */
  calls: Map<string, number>
  /** Writes rows as they are, past all rules. */
  plant(rows: { principals?: PrincipalRecord[]; certificates?: CertificateRecord[] }): Promise<void>
  close(): void
}

/** The registry over the real engine, or over a fault proxy in front of it. */
export const openTestRegistry = ({ tables, engine }: TestStore, endpoint = engine.endpoint): TestRegistry => {
  const calls = new Map<string, number>()
  const observe = (operation: string) => void calls.set(operation, (calls.get(operation) ?? 0) + 1)
  const store = openStore({ tables, endpoint, observe, ...storeCredentials })
  const committed: FeedRecord[] = []
  const held = new Set<string>()
  const registry = openRegistry({
    store,
    clock: Date.now,
    random: Math.random,
    callerIsThere: () => true,
    holdBack: ({ id }) => {
      held.add(id)
      return () => held.delete(id)
    },
    onCommitted: (record) => committed.push(record),
  })
  const putAll = async (TableName: string, rows: object[]) => {
    for (let at = 0; at < rows.length; at += 100)
      await store.transact(rows.slice(at, at + 100).map((Item) => ({ Put: { TableName, Item: { ...Item } } })))
  }
  return {
    registry,
    store,
    committed,
    held,
    calls,
    plant: async ({ principals = [], certificates = [] }) => {
      await putAll(tables.principals, principals)
      await putAll(tables.certificates, certificates)
    },
    close: store.close,
  }
}

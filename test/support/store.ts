import { randomBytes } from 'node:crypto'
import { openStore, type Store } from '../../src/store/client.ts'
import { type EmbeddedStore, startEmbeddedStore } from '../../src/store/embedded.ts'
import { createTables, type Tables } from '../../src/store/schema.ts'

export const storeCredentials = { region: 'us-east-1', credentials: { accessKeyId: 'local', secretAccessKey: 'local' } }

/** The real engine with fresh tables, and a client of it for looking at rows directly. */
export interface TestStore {
  engine: EmbeddedStore
  tables: Tables
  store: Store
  stop(): Promise<void>
}

export interface TestStoreOptions {
  /** Where its file lives; absent: in memory. */
  directory?: string
  /** Those of a file that is there already; absent: fresh ones. */
  tables?: Tables
}

export const startTestStore = async ({ directory, tables: given }: TestStoreOptions = {}): Promise<TestStore> => {
  const engine = await startEmbeddedStore(directory === undefined ? {} : { directory })
  const prefix = `t${randomBytes(4).toString('hex')}`
  const tables = given ?? {
    principals: `${prefix}_principals`,
    certificates: `${prefix}_certificates`,
    control: `${prefix}_control`,
  }
  const store = openStore({ tables, endpoint: engine.endpoint, ...storeCredentials })
  await createTables(store.documents, tables)
  return {
    engine,
    tables,
    store,
    stop: async () => {
      store.close()
      await engine.stop()
    },
  }
}

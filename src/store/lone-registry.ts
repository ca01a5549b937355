import { makeChainWriter } from './chain-writer.ts'
import type { Store } from './client.ts'
import { openRegistry, type Registry } from './registry.ts'

/**
 * Lends the registry to a program that is no server: nobody is connected to it. Its audit events go into a chain of its own;
 * what it leaves unlinked when it crashes, a server finds and links.
 */
export const withRegistry = async <T>(
  store: Store,
  clock: () => number,
  use: (registry: Registry) => Promise<T>,
): Promise<T> => {
  const chain = makeChainWriter({ store, clock, onFailure: () => {} })
  const registry = openRegistry({
    store,
    chain,
    clock,
    random: Math.random,
    callerIsThere: () => true,
    holdBack: () => () => {},
    onCommitted: () => {},
  })
  chain.start()
  try {
    return await use(registry)
  } finally {
    await chain.stop()
  }
}

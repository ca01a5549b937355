import type { Attribution } from '../../core/audit.ts'
import type { Item } from '../../store/client.ts'
import type { StoreAccess } from './store-access.ts'

/**
 * Says that these tables are the right ones: they begin another epoch, which the memory outside then learns of; servers let
 * in as soon as they see both. A crash between the two leaves admission closed: the same command goes on.
 */
export const beginEpoch = async (
  { registry, memory }: Pick<StoreAccess, 'registry' | 'memory'>,
  attribution: Attribution,
  action: string,
  after: Item,
  now: number,
): Promise<string | undefined> => {
  // 1. Tables and audit event, in one transaction.
  const mark = await registry.commit({
    attribution,
    exclusive: 'store_epoch',
    plan: async () => {
      const { mark: begun, item } = registry.epochs.begin(await registry.epochs.get(), now)
      return { writes: [{ item }], events: [{ action, target: begun.epoch, after }], changes: [], answer: begun }
    },
  })
  if (memory === undefined) return undefined
  // 2. Outside. The ids of the tables are those that are right from now on.
  const { epoch, number, moved_at } = mark
  const table_ids = await registry.epochs.tableIds()
  await memory.write({ epoch, number, moved_at, ...(table_ids && { table_ids }) })
  // 3. From here on, a memory that vanishes is missed.
  await registry.epochs.publish(epoch)
  return epoch
}

import type { Store } from './client.ts'
import { updateOf } from './expression.ts'
import { failureOf } from './failures.ts'
import { controlKey } from './schema.ts'

/** Background work that one server does at a time. */
export const makeWorkLeases = (store: Store) => ({
  /** Takes `work` until `until`, or keeps it; false while another server has it. Times in Unix milliseconds. */
  take: async (work: string, owner: string, now: number, until: number): Promise<boolean> => {
    try {
      await store.update(
        updateOf({
          table: store.tables.control,
          key: controlKey.lease(work),
          set: { owner, until },
          condition: 'attribute_not_exists(#pk) OR #until < :now OR #owner = :owner',
          values: { ':now': now, ':owner': owner },
        }),
      )
      return true
    } catch (error) {
      if (failureOf(error).kind === 'condition') return false
      throw error
    }
  },
})
export type WorkLeases = ReturnType<typeof makeWorkLeases>

import type { Deadline } from './deadline.ts'
import type { Item } from './item.ts'
import type { KeysByTable } from './operations.ts'

interface Asked {
  table: string
  key: Item
  resolve: (item: Item | undefined) => void
  reject: (error: unknown) => void
}

export interface SharedReadsDeps {
  get: (table: string, key: Item) => Promise<Item | undefined>
  batchGet: (keys: KeysByTable) => Promise<Map<string, Item[]>>
  /** Whose work this is; undefined: nobody's, and it is shared with nothing. */
  workNow: () => Deadline | undefined
}

/** Keys of one table have the same attributes, all of them text. */
const nameOf = (key: Item): string =>
  JSON.stringify(
    Object.keys(key)
      .sort()
      .map((name) => [name, key[name]]),
  )
const isAt = (item: Item, key: Item): boolean => Object.keys(key).every((name) => item[name] === key[name])

/**
 * Rows that one request asks for in one breath are read by one call, since a call costs more than a row. Never those of
 * two requests: neither waits for the other, nor fails with it.
 */
export const makeSharedReads = ({ get, batchGet, workNow }: SharedReadsDeps) => {
  const open = new Map<Deadline, Asked[]>()

  const readAll = async (asked: Asked[]): Promise<void> => {
    const [first] = asked as [Asked]
    if (asked.length === 1) return get(first.table, first.key).then(first.resolve, first.reject)
    const keys = new Map<string, Map<string, Item>>()
    // The store refuses a question that names a key twice.
    for (const { table, key } of asked) keys.set(table, (keys.get(table) ?? new Map()).set(nameOf(key), key))
    try {
      const found = await batchGet(new Map([...keys].map(([table, some]) => [table, [...some.values()]])))
      for (const { table, key, resolve } of asked) resolve(found.get(table)?.find((item) => isAt(item, key)))
    } catch (error) {
      for (const { reject } of asked) reject(error)
    }
  }

  /** Strongly consistent. */
  return (table: string, key: Item): Promise<Item | undefined> => {
    const work = workNow()
    if (work === undefined) return get(table, key)
    return new Promise((resolve, reject) => {
      const asked = open.get(work)
      const one = { table, key, resolve, reject }
      // The store takes 100 keys.
      if (asked !== undefined && asked.length < 100) {
        asked.push(one)
        return
      }
      const some = [one]
      open.set(work, some)
      queueMicrotask(() => {
        if (open.get(work) === some) open.delete(work)
        void readAll(some)
      })
    })
  }
}

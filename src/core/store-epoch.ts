/** The tables' own mark of how far they have come: a control item. Times in Unix milliseconds. */
export interface StoreMark {
  /** Random; another one after every restore. */
  epoch: string
  /** Grows by one with every move. */
  number: number
  moved_at: number
  /** Whether the memory outside has been written since this epoch began. */
  published: boolean
}

/** What the store calls each table; a table that was restored has another id. */
export interface TableIds {
  principals: string
  certificates: string
  control: string
}

/** What is remembered of the tables outside of them: never more than they had said of themselves before. */
export interface RememberedMark {
  epoch: string
  number: number
  moved_at: number
  table_ids?: TableIds
}

export const heldReasons = {
  tables_unmarked: 'the tables carry no mark, and what is remembered of them does: they are new, or older than it',
  tables_older: 'the tables are older than what is remembered of them: they were restored',
  tables_of_another_epoch: 'the tables are of another epoch than the one that is remembered: they were restored',
  tables_replaced: 'the tables are not those that are remembered, though named like them: they were restored',
  memory_lost: 'the tables were marked, and nothing is remembered of them: whether they were restored cannot be known',
  memory_unreadable: 'what is remembered of the tables is no record of this program: somebody else wrote there',
} as const
export type HeldReason = keyof typeof heldReasons

/** What the tables and the memory outside say together. */
export type EpochVerdict =
  /** Nobody has marked anything yet: a first start. */
  | { state: 'unmarked' }
  /** `behind`: the memory does not know yet all that the tables say. */
  | { state: 'agree'; behind: boolean }
  | { state: 'held'; why: HeldReason }

const tableNames = ['principals', 'certificates', 'control'] as const
const sameTables = (one: TableIds, other: TableIds): boolean => tableNames.every((name) => one[name] === other[name])

/**
 * Whether these are the tables that are remembered. `outside` has to be read before `inside`: the memory never runs ahead
 * of the tables, so tables that know less than it are not those that it was told of. `ids`: absent where the store tells none.
 */
export const compareMarks = (
  inside: StoreMark | undefined,
  outside: RememberedMark | undefined,
  ids?: TableIds,
): EpochVerdict => {
  const held = (why: HeldReason): EpochVerdict => ({ state: 'held', why })
  if (inside === undefined) return outside === undefined ? { state: 'unmarked' } : held('tables_unmarked')
  // A first start that was cut off between the two writes goes on; a memory that was there once does not vanish unnoticed.
  if (outside === undefined) return inside.published ? held('memory_lost') : { state: 'agree', behind: true }
  if (outside.epoch !== inside.epoch) return held('tables_of_another_epoch')
  if (outside.number > inside.number) return held('tables_older')
  // The same number, made another time: restored tables on which somebody has gone on.
  if (outside.number === inside.number && outside.moved_at !== inside.moved_at) return held('tables_older')
  if (ids !== undefined && outside.table_ids !== undefined && !sameTables(ids, outside.table_ids))
    return held('tables_replaced')
  const moved = inside.number > outside.number || !inside.published
  return { state: 'agree', behind: moved || (ids !== undefined && outside.table_ids === undefined) }
}

const format = 'airunner-store-epoch/1'
/** Characters; ours have some 250. */
const longestText = 2048

export const writeRemembered = (mark: RememberedMark): string => JSON.stringify({ format, ...mark })

/** Reads what `writeRemembered` wrote; undefined for any other text. */
export const readRemembered = (text: string): RememberedMark | undefined => {
  if (text.length > longestText) return undefined
  let value: Record<string, unknown>
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null || value['format'] !== format) return undefined
  const { epoch, number, moved_at, table_ids } = value
  const isCount = (one: unknown): one is number => Number.isSafeInteger(one) && (one as number) >= 0
  if (typeof epoch !== 'string' || !/^[0-9a-f]{32}$/.test(epoch) || !isCount(number) || !isCount(moved_at))
    return undefined
  if (table_ids === undefined) return { epoch, number, moved_at }
  if (typeof table_ids !== 'object' || table_ids === null) return undefined
  const ids = table_ids as Record<string, unknown>
  const id = (name: (typeof tableNames)[number]): string => (typeof ids[name] === 'string' ? ids[name] : '')
  const [principals, certificates, control] = tableNames.map(id) as [string, string, string]
  if (principals === '' || certificates === '' || control === '') return undefined
  return { epoch, number, moved_at, table_ids: { principals, certificates, control } }
}

/** Actions that take a right away: what a restored table would give back. */
const taking =
  /^(certificate\.(revoke|distrust)|principal\.(suspend|delete)|revocation\.start|join_token\.revoke|join_rule\.(update|delete)|authority\..+)$/

export const takesRightAway = (action: string): boolean => taking.test(action)

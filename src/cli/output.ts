import { type Io, write } from './io.ts'
import { makePaint, paintOf } from './paint.ts'
import { oneLine, relativeTime, timeOf } from './text.ts'

export const formats = ['table', 'wide', 'json', 'jsonl', 'yaml', 'name'] as const
export type Format = (typeof formats)[number]

/** What a cell can show; RFC 3339 times are told by their form. */
export type Cell = string | number | boolean | undefined

export interface Column<T> {
  title: string
  /** Shown by `-o wide` only. */
  wide?: true
  cell(record: T): Cell
}

/** How one kind of record is shown: what names it, and the columns of its table. */
export interface View<T> {
  name(record: T): string
  columns: Column<T>[]
}

/** The text of one cell: times relative in tables, exact in `wide`. */
const cellText = (cell: Cell, format: Format, now: number): string => {
  if (cell === undefined || cell === '') return '-'
  const at = format === 'table' ? timeOf(cell) : undefined
  return at === undefined ? oneLine(String(cell)) : relativeTime(at, now)
}

const flatten = (value: unknown): Cell => {
  if (Array.isArray(value)) return value.map((item) => flatten(item)).join(', ')
  if (value !== null && typeof value === 'object')
    return Object.entries(value)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([key, item]) => `${key}=${flatten(item) ?? ''}`)
      .join(' ')
  return value === null ? undefined : (value as Cell)
}

/** JSON that is safe on a terminal as well: the same document, C1 control characters escaped. */
export const jsonText = (value: unknown, indent?: number): string =>
  JSON.stringify(value, null, indent).replace(
    /[\u007f-\u009f]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

export const yamlText = async (value: unknown): Promise<string> => (await import('yaml')).stringify(value)

/** Prints rows under titles; the columns are as wide as their widest cell, the last one unpadded. */
export const alignRows = (rows: string[][]): string[] => {
  const widths = (rows[0] ?? []).map((_, index) => Math.max(...rows.map((row) => (row[index] ?? '').length)))
  return rows.map((row) =>
    row.map((text, index) => (index === row.length - 1 ? text : text.padEnd((widths[index] ?? 0) + 2))).join(''),
  )
}

export interface Printer {
  /** One record: all its fields under each other, or the document itself. */
  record<T extends object>(view: Pick<View<T>, 'name'>, record: T): Promise<void>
  /** All records of a listing, complete; jsonl and name write each as it comes. */
  list<T extends object>(view: View<T>, records: AsyncIterable<T> | Iterable<T>): Promise<void>
  /** Records of a stream without an end, each written as it comes; `json` writes a line each, like jsonl. */
  follow<T extends object>(view: View<T>): { header(): Promise<void>; row(record: T): Promise<void> }
  /** A document without a table: JSON unless YAML was asked for. */
  document(value: unknown): Promise<void>
}

/** Writes results to stdout in the format that was asked for. */
export const makePrinter = (io: Io, format: Format): Printer => {
  const paint = makePaint(io, io.stdout)
  const out = (text: string) => write(io.stdout, text)
  const colour = (text: string): string => {
    const word = paintOf(text.trimEnd())
    return word === undefined ? text : paint(word, text)
  }
  const columnsOf = <T>(view: View<T>) => view.columns.filter((column) => column.wide !== true || format === 'wide')
  const cells = <T>(columns: Column<T>[], record: T): string[] =>
    columns.map((column) => cellText(column.cell(record), format, io.now()))

  const printRecord = async <T extends object>(view: Pick<View<T>, 'name'>, record: T): Promise<void> => {
    if (format === 'name') return out(`${view.name(record)}\n`)
    if (format !== 'table' && format !== 'wide') return printDocument(record)
    const rows = Object.entries(record)
      .map(([key, value]) => [key.replaceAll('_', ' '), flatten(value)] as const)
      .filter(([, cell]) => cell !== undefined && cell !== '')
    const width = Math.max(0, ...rows.map(([key]) => key.length)) + 2
    const lines = rows.map(
      ([key, cell]) => `${paint('dim', key.padEnd(width))}${colour(cellText(cell, format, io.now()))}\n`,
    )
    return out(lines.join(''))
  }

  const printDocument = async (value: unknown): Promise<void> => {
    if (format === 'yaml') return out(await yamlText(value))
    return out(`${jsonText(value, format === 'jsonl' ? undefined : 2)}\n`)
  }

  const printList = async <T extends object>(view: View<T>, records: AsyncIterable<T> | Iterable<T>): Promise<void> => {
    if (format === 'jsonl') {
      for await (const record of records) await out(`${jsonText(record)}\n`)
      return
    }
    if (format === 'name') {
      for await (const record of records) await out(`${view.name(record)}\n`)
      return
    }
    const items: T[] = []
    for await (const record of records) items.push(record)
    if (format === 'json' || format === 'yaml') return printDocument({ items })
    const columns = columnsOf(view)
    const lines = alignRows([columns.map(({ title }) => title), ...items.map((item) => cells(columns, item))])
    const painted = lines.map((line, index) => (index === 0 ? paint('bold', line) : paintCells(line)))
    return out(`${painted.join('\n')}\n`)
  }
  const paintCells = (line: string): string => line.replace(/(?<=^|\s{2})[a-z]+(?=\s{2}|$)/g, (word) => colour(word))

  const follow = <T extends object>(view: View<T>) => {
    const columns = columnsOf(view)
    const widths = columns.map(({ title }) => title.length)
    const line = (texts: string[]): string =>
      texts
        .map((text, index) => {
          widths[index] = Math.max(widths[index] ?? 0, text.length)
          return index === texts.length - 1 ? text : text.padEnd((widths[index] ?? 0) + 2)
        })
        .join('')
    const tabular = format === 'table' || format === 'wide'
    return {
      header: async () => {
        if (tabular) await out(`${paint('bold', line(columns.map(({ title }) => title)))}\n`)
      },
      row: async (record: T) => {
        if (format === 'name') return out(`${view.name(record)}\n`)
        if (format === 'yaml') return out(`---\n${await yamlText(record)}`)
        if (!tabular) return out(`${jsonText(record)}\n`)
        // A line stays on the screen while time passes: an exact time is the one that stays true.
        const texts = columns.map((column) => cellText(column.cell(record), 'wide', io.now()))
        return out(`${paintCells(line(texts))}\n`)
      },
    }
  }

  return { record: printRecord, list: printList, follow, document: printDocument }
}

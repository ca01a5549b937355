/** What is read of an audit event when what it tells is done again. `at` in Unix milliseconds. */
export interface ExportedEvent {
  event_id: string
  at: number
  actor: string
  action: string
  target: string
  before: Record<string, unknown>
  after: Record<string, unknown>
}

/** What is read of the first line. Unix milliseconds. */
export interface ExportHead {
  /** Events before this are not in it; absent: all that are kept. */
  since?: number
  /** Nor those after this. */
  until: number
}

export type ExportedLine =
  | { head: ExportHead }
  | { event: ExportedEvent }
  /** A checkpoint, or an event that was denied: nothing to do again. */
  | { nothing: true }
  | { end: true }
  /** Of an event that was there and is lost. */
  | { missing: true }

const exportFormat = 'airunner-audit/1'

const recordOf = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}

const momentOf = (value: unknown): number => (typeof value === 'string' ? Date.parse(value) : Number.NaN)

const eventOf = (value: Record<string, unknown>): ExportedLine | undefined => {
  const { event_id, at, actor, action, target, outcome, before, after } = value
  const time = momentOf(at)
  if (typeof event_id !== 'string' || !/^[0-9a-f]{32}$/.test(event_id) || Number.isNaN(time)) return undefined
  if (typeof actor !== 'string' || typeof action !== 'string' || typeof target !== 'string') return undefined
  if (outcome !== 'success') return { nothing: true }
  return { event: { event_id, at: time, actor, action, target, before: recordOf(before), after: recordOf(after) } }
}

/** Reads one line of `airunner audit export`, whatever fields it has beside ours. Undefined when it is none. */
export const readExportedLine = (text: string): ExportedLine | undefined => {
  let value: Record<string, unknown>
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  if (value['format'] !== undefined) {
    const [since, until, made] = ['since', 'until', 'exported_at'].map((name) => momentOf(value[name]))
    const end = Math.min(...[until, made].filter((one): one is number => one !== undefined && !Number.isNaN(one)))
    if (value['format'] !== exportFormat) return undefined
    return { head: { until: end, ...(since === undefined || Number.isNaN(since) ? {} : { since }) } }
  }
  if (value['checkpoint'] !== undefined) return { nothing: true }
  if (value['end'] !== undefined) return { end: true }
  if (value['missing'] !== undefined) return { missing: true }
  return eventOf(value['unlinked'] === undefined ? value : recordOf(value['unlinked']))
}

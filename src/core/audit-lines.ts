import { type ChainedEvent, type Checkpoint, exportFormat, type MissingEvent, type PlainEvent } from './audit-chain.ts'
import { canonicalJson, isCanonical } from './canonical.ts'

/** The first line of an export. */
export interface ExportHeader {
  format: string
  exported_at: string
  kept_days: number
  /** Absent: everything that is kept. */
  since?: string
  until?: string
}

/** The last line: how many lines of each kind stand above. */
export interface ExportEnd {
  events: number
  checkpoints: number
  missing: number
  unlinked: number
}

export type ExportLine =
  | { kind: 'header'; header: ExportHeader }
  | { kind: 'event'; event: ChainedEvent; hashed: string }
  | { kind: 'missing'; missing: MissingEvent }
  | { kind: 'unlinked'; event: PlainEvent }
  | { kind: 'checkpoint'; checkpoint: Checkpoint }
  | { kind: 'end'; end: ExportEnd }

const isHash = (value: unknown): boolean => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
const isId = (value: unknown): boolean => typeof value === 'string' && /^[0-9a-f]{32}$/.test(value)
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0
const isMoment = (value: unknown): boolean =>
  typeof value === 'string' &&
  /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value) &&
  !Number.isNaN(Date.parse(value))
const isText = (value: unknown): boolean => typeof value === 'string'

/** No other spelling of the same octets. */
const isBase64 = (value: unknown): boolean =>
  typeof value === 'string' && Buffer.from(value, 'base64').toString('base64') === value

type Shape = Record<string, (value: unknown) => boolean>
const has = (value: unknown, shape: Shape): boolean =>
  typeof value === 'object' &&
  value !== null &&
  Object.entries(shape).every(([name, fits]) => fits((value as Record<string, unknown>)[name]))
/** These fields and no others, for what nobody has signed or hashed must not be read as if somebody had. */
const hasOnly = (value: unknown, shape: Shape, more: string[] = []): boolean =>
  has(value, shape) && Object.keys(value as object).every((name) => name in shape || more.includes(name))

const headerShape: Shape = { format: (format) => format === exportFormat, exported_at: isMoment, kept_days: isCount }
const placeShape: Shape = { chain: isId, seq: isCount, prev_hash: isHash, event_id: isId, hash: isHash }
const eventShape: Shape = {
  event_id: isId,
  at: isMoment,
  actor: isText,
  action: isText,
  target: isText,
  outcome: isText,
}
const headShape: Shape = { chain: isId, seq: isCount, hash: isHash, at: isMoment }
const checkpointShape: Shape = {
  n: isCount,
  at: isMoment,
  prev_hash: isHash,
  heads: (heads) => Array.isArray(heads) && heads.every((head) => has(head, headShape)),
  public_key: isBase64,
  signature: isBase64,
}
const endShape: Shape = { events: isCount, checkpoints: isCount, missing: isCount, unlinked: isCount }

/** Whether it has the fields of a checkpoint; says nothing of its signature. */
export const isCheckpoint = (value: unknown): value is Checkpoint => hasOnly(value, checkpointShape)

/**
 * Reads one line of an export. Undefined when it is none, also when it is not canonical: two programs must not read
 * different things in it. `hashed` is what the hash of an event is made over.
 */
export const readExportLine = (text: string): ExportLine | undefined => {
  let value: Record<string, unknown>
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null || !isCanonical(text, value)) return undefined
  const { format, checkpoint, missing, unlinked, end } = value
  if (format !== undefined)
    return hasOnly(value, headerShape, ['since', 'until']) &&
      isText(value['since'] ?? '') &&
      isText(value['until'] ?? '')
      ? { kind: 'header', header: value as unknown as ExportHeader }
      : undefined
  const wraps = [checkpoint, missing, unlinked, end].some((wrapped) => wrapped !== undefined)
  if (wraps && Object.keys(value).length > 1) return undefined
  if (checkpoint !== undefined) return isCheckpoint(checkpoint) ? { kind: 'checkpoint', checkpoint } : undefined
  if (missing !== undefined)
    return hasOnly(missing, placeShape) ? { kind: 'missing', missing: missing as MissingEvent } : undefined
  if (unlinked !== undefined)
    return has(unlinked, eventShape) ? { kind: 'unlinked', event: unlinked as PlainEvent } : undefined
  if (end !== undefined) return hasOnly(end, endShape) ? { kind: 'end', end: end as ExportEnd } : undefined
  if (!has(value, { ...eventShape, ...placeShape })) return undefined
  // Nested objects come before this field in the order of names, and no quote stands unescaped in a string: it is the last.
  const field = `"hash":"${value['hash']}",`
  const at = text.lastIndexOf(field)
  return {
    kind: 'event',
    event: value as unknown as ChainedEvent,
    hashed: text.slice(0, at) + text.slice(at + field.length),
  }
}

/** A line as it stands in an export, without its end. */
export const exportLine = (value: object): string => canonicalJson(value)

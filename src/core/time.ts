/** Unix milliseconds, as in the tables. Injected wherever a decision depends on it. */
export type Clock = () => number

export const systemClock: Clock = () => Date.now()

export const second = 1000
export const minute = 60 * second
export const hour = 60 * minute
export const day = 24 * hour

const unitMilliseconds: Record<string, number> = { ms: 1, s: second, m: minute, h: hour, d: day }

/** Reads `500ms`, `30s`, `15m`, `12h`, `90d` as milliseconds; `0` needs no unit. Undefined when it is none of these. */
export const parseDuration = (text: string): number | undefined => {
  if (text === '0') return 0
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text)
  if (!match) return undefined
  const unit = unitMilliseconds[match[2] as string] as number
  return Number(match[1]) * unit
}

/** Moments that were written lately: of one row most are written again with each answer. */
const written = new Map<number, string>()
const writtenAtMost = 4096

/** RFC 3339 UTC with milliseconds, as on the wire. */
export const toRfc3339 = (at: number): string => {
  const known = written.get(at)
  if (known !== undefined) return known
  const text = new Date(at).toISOString()
  if (written.size >= writtenAtMost) written.clear()
  written.set(at, text)
  return text
}

/** The `YYYY-MM-DD` (UTC) that GSI3 of the certificate table is keyed by. */
export const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10)

/** The `YYYY-MM-DDTHH` (UTC) that the feed is partitioned by. */
export const hourOf = (at: number): string => new Date(at).toISOString().slice(0, 13)

/**
 * Runs what takes a signal, for so many milliseconds at the most; rejects with a TimeoutError then. What knows no signal,
 * as the SDK's search for credentials, is left alone.
 */
export const withinTime = async <T>(timeout: number, run: (abortSignal: AbortSignal) => Promise<T>): Promise<T> => {
  const abort = new AbortController()
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    late.reject(Object.assign(new Error(`no answer within ${Math.round(timeout)} ms`), { name: 'TimeoutError' }))
    abort.abort()
  }, timeout)
  try {
    return await Promise.race([run(abort.signal), late.promise])
  } finally {
    clearTimeout(timer)
  }
}

import { InvalidArgumentError, Option } from 'commander'
import { revocationReasons } from '../core/certificate.ts'
import { isPrincipalId } from '../core/ids.ts'
import { type Clock, parseDuration, second, toRfc3339 } from '../core/time.ts'

/** Reads `30d`, `12h`, `90s` as milliseconds, more than none. */
export const readDuration = (text: string): number => {
  const milliseconds = parseDuration(text)
  if (milliseconds === undefined || milliseconds === 0)
    throw new InvalidArgumentError('Expected a length of time such as 30s, 15m, 12h or 90d.')
  return milliseconds
}

/** Reads a length of time as whole seconds. */
export const readSeconds = (text: string): number => {
  const milliseconds = readDuration(text)
  if (milliseconds % second !== 0) throw new InvalidArgumentError('Expected whole seconds.')
  return milliseconds / second
}

/** An option that may be given again: all of its values. */
export const gather = (value: string, before: string[] = []): string[] => [...before, value]

const momentExpression = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2}))?$/

/** Reads a moment as RFC 3339: itself, a date (midnight UTC), or a length of time before (-1) or after (1) now. */
export const makeReadMoment =
  (now: Clock, direction: 1 | -1) =>
  (text: string): string => {
    const duration = parseDuration(text)
    if (duration !== undefined) return toRfc3339(now() + direction * duration)
    const at = momentExpression.test(text) ? Date.parse(text) : Number.NaN
    if (Number.isNaN(at))
      throw new InvalidArgumentError(
        `Expected a time such as 2026-11-01T12:00:00Z, a date, or a length of time ${direction < 0 ? 'ago' : 'from now'} such as 24h.`,
      )
    return toRfc3339(at)
  }

/** Reads an integer of at least `least`. */
export const makeReadInteger =
  (least: number, most = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= least && value <= most))
      throw new InvalidArgumentError(
        most === Number.MAX_SAFE_INTEGER
          ? `Expected a number from ${least}.`
          : `Expected a number from ${least} to ${most}.`,
      )
    return value
  }

/** Reads the id of a principal, so that a typing error is found before anything is sent. */
export const readPrincipalId = (text: string): string => {
  if (!isPrincipalId(text))
    throw new InvalidArgumentError(
      'A principal id has 1 to 128 characters out of a-z 0-9 . _ - and begins and ends with a letter or digit.',
    )
  return text
}

/** Reads a serial number as certificates and other tools show it: any case, with colons or without. */
export const readSerialNumber = (text: string): string => {
  const digits = text.replaceAll(':', '').toLowerCase()
  if (!/^[0-9a-f]{1,40}$/.test(digits))
    throw new InvalidArgumentError('A serial number has 32 hex digits; `airunner certificate list` shows them.')
  return digits.padStart(32, '0')
}

/** Adds one `key=value` to those read before. */
export const collectPair = (text: string, earlier: Record<string, string> = {}): Record<string, string> => {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('Expected key=value.')
  return { ...earlier, [text.slice(0, at)]: text.slice(at + 1) }
}

/** Adds one value to those read before. */
export const collect = (text: string, earlier: string[] = []): string[] => [...earlier, text]

/** `"3"` and `3` as the header wants it. */
export const readVersion = (text: string): string => {
  const digits = text.replace(/^"(.*)"$/, '$1')
  if (!/^[1-9]\d{0,14}$/.test(digits))
    throw new InvalidArgumentError('Expected the version that `get` showed, a number.')
  return `"${digits}"`
}

export const yesOption = () => new Option('-y, --yes', 'do not ask')

export const forceOption = (what = 'overwrite files that exist') => new Option('--force', what)

export const validityOption = (otherwise: string) =>
  new Option('--validity <time>', `how long it is good for, e.g. 30d; ${otherwise}`).argParser(readSeconds)

export const reasonOption = () =>
  new Option('--reason <reason>', 'why, as certificates name it').choices([...revocationReasons]).makeOptionMandatory()

export const ifMatchOption = () =>
  new Option('--if-match <version>', 'only if the record still has this version').argParser(readVersion)

export const limitOption = () =>
  new Option('--limit <count>', 'at most so many; all of them otherwise').argParser(makeReadInteger(1))

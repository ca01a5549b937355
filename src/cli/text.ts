import { day, hour, minute, second } from '../core/time.ts'

const units = [
  ['d', day],
  ['h', hour],
  ['m', minute],
  ['s', second],
] as const

/** A length of time in its two largest units where that helps: `89d`, `2d 5h`, `3m 20s`. */
export const briefDuration = (milliseconds: number): string => {
  const rest = Math.abs(milliseconds)
  const index = units.findIndex(([, size]) => rest >= size)
  if (index === -1) return '0s'
  const [unit, size] = units[index] as (typeof units)[number]
  const count = Math.floor(rest / size)
  const lower = units[index + 1]
  const remainder = lower ? Math.floor((rest - count * size) / lower[1]) : 0
  return count < 10 && lower && remainder > 0 ? `${count}${unit} ${remainder}${lower[0]}` : `${count}${unit}`
}

/** `in 89d`, `3m ago`, `now`: how far `at` lies from `now`, both in Unix milliseconds. */
export const relativeTime = (at: number, now: number): string => {
  if (Math.abs(at - now) < second) return 'now'
  return at > now ? `in ${briefDuration(at - now)}` : `${briefDuration(now - at)} ago`
}

const hostile = /[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu

/**
 * Text from outside on one line: control characters and those that turn the direction of writing are shown as `\u{…}`,
 * so that no name in the registry can move the cursor or repaint the terminal of who lists it.
 */
export const oneLine = (text: string): string =>
  text.replace(hostile, (character) => `\\u{${(character.codePointAt(0) as number).toString(16)}}`)

/** Groups of two hex digits with colons, as OpenSSL prints fingerprints. */
export const colonHex = (hex: string): string => (hex.match(/../g) ?? []).join(':')

const timestampExpression = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$/

/** Unix milliseconds of an RFC 3339 UTC time, undefined for other text. */
export const timeOf = (text: unknown): number | undefined =>
  typeof text === 'string' && timestampExpression.test(text) ? Date.parse(text) : undefined

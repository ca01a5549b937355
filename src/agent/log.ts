import type { Writable } from 'node:stream'
import { toRfc3339 } from '../core/time.ts'

/** One line per decision; never a key, a token or a request. */
export type Log = (event: string, fields?: Record<string, string | number | boolean | undefined>) => void

const hostile = /[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu
const oneLine = (text: string): string => text.replace(hostile, ' ')

/** JSON, `event` first, for programs; words for a person at a terminal. */
export const makeLog = (out: Writable & { isTTY?: boolean }, now: () => number): Log => {
  const human = out.isTTY === true
  return (event, fields = {}) => {
    const told = Object.entries(fields).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, typeof value === 'string' ? oneLine(value) : value] as const],
    )
    out.write(
      human
        ? `${toRfc3339(now()).slice(11, 19)} ${event.replaceAll('_', ' ')}${told.map(([key, value]) => `  ${key}=${value}`).join('')}\n`
        : `${JSON.stringify({ event, at: toRfc3339(now()), ...Object.fromEntries(told) })}\n`,
    )
  }
}

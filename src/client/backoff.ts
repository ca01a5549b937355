import { hour, second } from '../core/time.ts'
import type { Answer } from './transport.ts'

/** A random wait below a bound that doubles with each failure, up to `most`: full jitter. Milliseconds. */
export const fullJitter = (failures: number, first: number, most: number, random: () => number): number =>
  random() * Math.min(most, first * 2 ** Math.min(failures, 30))

/** A server that asks for more is mistaken, or its header was read wrongly. */
const longestRetryAfter = hour

/** Milliseconds that an answer of 429 or 503 asks to wait, undefined when it names none. */
export const retryAfterOf = (answer: Pick<Answer, 'status' | 'headers'>): number | undefined => {
  const header = answer.headers['retry-after']
  return (answer.status === 503 || answer.status === 429) && header !== undefined && /^\d{1,9}$/.test(header)
    ? Math.min(Number(header) * second, longestRetryAfter)
    : undefined
}

import { type Clock, minute } from '../core/time.ts'
import type { Log } from './log.ts'

export interface Denial {
  code: string
  serial_number?: string
  remote_address: string
  /** What else there is to know. */
  [name: string]: unknown
}

/** Lines per minute, from one address and from all. */
const perSource = 10
const overall = 100

/** Logs peers that were refused at the door: the first few of a minute, then only how many more there were. */
export const makeDenialLog = (log: Log, clock: Clock, event = 'admission_denied') => {
  let began = 0
  let written = 0
  let left = 0
  const bySource = new Map<string, number>()

  const beginMinute = (now: number) => {
    began = now
    written = 0
    bySource.clear()
  }

  return (denial: Denial): void => {
    const now = clock()
    if (now - began >= minute || now < began) beginMinute(now)
    const before = bySource.get(denial.remote_address) ?? 0
    if (written >= overall || before >= perSource) {
      left++
      return
    }
    // Bounded by `overall`: an address is noted only with a line.
    bySource.set(denial.remote_address, before + 1)
    written++
    log.warn({ event, ...denial, ...(left === 0 ? {} : { not_logged: left }) })
    left = 0
  }
}

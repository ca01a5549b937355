import { day, minute, second } from '../core/time.ts'
import type { Log } from './log.ts'
import type { Gauges } from './metrics.ts'

export interface VitalsDeps {
  gauges: Readonly<Partial<Gauges>>
  log: Log
  /** Between two lines, milliseconds. */
  every?: number
}

const rounded = (value: number): number => Math.round(value * 10) / 10

/** Logs the figures of this process that alarms are made of, once a minute, for where nobody scrapes metrics. */
export const startVitals = ({ gauges, log, every = minute }: VitalsDeps): { stop(): void } => {
  let failuresBefore = 0
  const tell = () => {
    const sum = Object.values(gauges.connections?.() ?? {}).reduce((total, count) => total + count, 0)
    const failures = gauges.failedAnswers?.() ?? 0
    const crlAges = (gauges.crls?.() ?? []).map(({ age_seconds }) => age_seconds)
    const daysLeft = Object.entries(gauges.certificateExpiry?.() ?? {}).map(
      ([kind, seconds]) => [kind, rounded((seconds * second) / day)] as const,
    )
    log.info({
      event: 'vitals',
      feed_age_seconds: rounded(gauges.feedAge?.() ?? 0),
      connections: sum,
      responses_5xx: failures - failuresBefore,
      ...(crlAges.length > 0 && { crl_age_seconds: rounded(Math.max(...crlAges)) }),
      ...(daysLeft.length > 0 && { certificate_days_left: Math.min(...daysLeft.map(([, days]) => days)) }),
      ...Object.fromEntries(daysLeft.map(([kind, days]) => [`${kind}_certificate_days_left`, days])),
    })
    failuresBefore = failures
  }
  const timer = setInterval(tell, every).unref()
  return { stop: () => clearInterval(timer) }
}

import t from 'tap'
import { day, second } from '../../src/core/time.ts'
import { makeMetrics } from '../../src/server/metrics.ts'
import { startVitals } from '../../src/server/vitals.ts'
import { startPlane } from '../support/plane.ts'

t.test('what alarms are made of is told as numbers, at intervals', async (t) => {
  const metrics = makeMetrics()
  const days = day / second
  metrics.watch({
    connections: () => ({ worker: 7, admin: 2 }),
    feedAge: () => 0.84,
    certificateExpiry: () => ({ server: 61.24 * days, root: -2 * days }),
  })
  for (const status of [200, 404, 500, 503]) metrics.answered(status)
  const lines: object[] = []
  const vitals = startVitals({
    gauges: metrics.gauges,
    log: { info: (line) => lines.push(line), debug: () => {}, warn: () => {}, error: () => {} },
    every: 10,
  })
  const first = {
    event: 'vitals',
    feed_age_seconds: 0.8,
    connections: 9,
    responses_5xx: 2,
    certificate_days_left: -2,
    server_certificate_days_left: 61.2,
    root_certificate_days_left: -2,
  }
  while (lines.length < 2) await new Promise((resolve) => setTimeout(resolve, 5))
  vitals.stop()
  t.strictSame(lines.slice(0, 2), [first, { ...first, responses_5xx: 0 }], 'failed answers since the line before')
})

t.test('a server whose feed was never read has an old one', async (t) => {
  const plane = await startPlane(t)
  const lost = await plane.startServer({ endpoint: 'http://127.0.0.1:9' })
  await new Promise((resolve) => setTimeout(resolve, 1100))
  const text = await (await fetch(`http://${lost.metrics}/metrics`)).text()
  t.ok(Number(/^airunner_feed_age_seconds (\S+)$/m.exec(text)?.[1]) > 1)
})

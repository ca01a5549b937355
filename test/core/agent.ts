import t from 'tap'
import { type AgentRecord, type HeldStream, reportAfter, type ServerLease, seenOf } from '../../src/core/agent.ts'
import { renewalWindowOf } from '../../src/core/renewal-window.ts'
import { newSerialNumber } from '../../src/pki/serial.ts'

const now = 1_800_000_000_000
const minute = 60_000

const lease = (server_id: string, age: number): [string, ServerLease] => [
  server_id,
  { server_id, renewed_at: now - age, streams: 1 },
]
const stream = (server_id: string, more: Partial<HeldStream> = {}): HeldStream => ({
  serial_number: 'a'.repeat(32),
  server_id,
  stream_id: '1',
  instance: 'one',
  connected_at: now - 60 * minute,
  remote_address: '192.0.2.1',
  expires_at: now + 60 * minute,
  ...more,
})
const agent = (more: Partial<AgentRecord>): AgentRecord => ({ principal_id: 'a', streams: [], commands: [], ...more })
const silent = stream('live', { silent_since: now - 2 * minute })

const leases = new Map([lease('live', 1000), lease('gone', 5000), lease('long-gone', 11 * minute)])

const cases: [string, AgentRecord, string, number][] = [
  ['its server renews its lease', agent({ streams: [stream('live')] }), 'online', now - 1000],
  ['its server was last heard of 5 s ago', agent({ streams: [stream('gone')] }), 'stale', now - 5000],
  [
    'its server was last heard of 11 minutes ago',
    agent({ streams: [stream('long-gone')] }),
    'offline',
    now - 11 * minute,
  ],
  ['its server left no lease', agent({ streams: [stream('unknown')] }), 'offline', now - 60 * minute],
  ['one of two servers lives', agent({ streams: [stream('gone'), stream('live')] }), 'online', now - 1000],
  ['disconnected a minute ago', agent({ disconnected_at: now - minute }), 'stale', now - minute],
  ['disconnected 11 minutes ago', agent({ disconnected_at: now - 11 * minute }), 'offline', now - 11 * minute],
  ['connected and silent', agent({ streams: [silent] }), 'stale', now - 2 * minute],
  ['silent, and heard elsewhere since', agent({ streams: [silent], reported_at: now - minute }), 'online', now - 1000],
  [
    'silent for more than 10 minutes',
    agent({ streams: [stream('live', { silent_since: now - 11 * minute })] }),
    'offline',
    now - 11 * minute,
  ],
  ['without a stream, but it reports', agent({ reported_at: now - minute }), 'stale', now - minute],
]

t.test('presence', async (t) => {
  for (const [name, row, presence, seenAt] of cases) {
    const seen = seenOf(row, leases, now)
    t.strictSame([seen.presence, seen.last_seen_at], [presence, seenAt], name)
  }
})

t.test('reports become rarer as the fleet grows', async (t) => {
  t.equal(reportAfter(0, 1), 25)
  t.equal(reportAfter(2500, 1), 25)
  t.equal(reportAfter(10_000, 1), 100)
  t.equal(reportAfter(10_000, 2), 50)
  t.equal(reportAfter(1_000_000, 1), 600)
})

t.test('renewals of certificates of one moment are spread evenly over a tenth of their life', async (t) => {
  const life = 30 * 24 * 60 * minute
  const tenths = Array.from({ length: 10 }, () => 0)
  for (let i = 0; i < 2000; i++) {
    const { renew_after, renew_before } = renewalWindowOf({
      serial_number: newSerialNumber(now),
      issued_at: now,
      expires_at: now + life,
    })
    const place = ((renew_after - now) / life - 0.6) * 10
    tenths[Math.floor(place * 10)] = (tenths[Math.floor(place * 10)] ?? 0) + 1
    if (renew_before - renew_after < 0.049 * life || renew_before > now + 0.751 * life) t.fail('outside of the window')
  }
  for (const count of tenths) t.ok(count > 100 && count < 300, `${tenths}`)
})

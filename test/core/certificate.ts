import t from 'tap'
import { type CertificateRecord, lineageOf, statusOf } from '../../src/core/certificate.ts'
import { endOfLineage, liveLineages } from '../../src/core/principal.ts'
import { certificateRow, principalRow } from '../support/http-apps.ts'

const now = 1000
const row = { ...certificateRow('a'.repeat(32), principalRow('worker-1', 'worker')), expires_at: now + 1 }

const statuses: [ReturnType<typeof statusOf>, Partial<CertificateRecord>][] = [
  ['active', {}],
  ['expired', { expires_at: now }],
  ['superseded', { superseded_by: 'b' }],
  ['superseded', { superseded_by: 'b', expires_at: now }],
  ['revoked', { revoked: true }],
  ['revoked', { revoked: true, superseded_by: 'b', expires_at: now }],
]
t.test('the status is the first of revoked, superseded, expired', async (t) => {
  for (const [status, set] of statuses) t.equal(statusOf({ ...row, ...set }, now), status, JSON.stringify(set))
})

t.test('a lineage is named by its first certificate', async (t) => {
  t.equal(lineageOf(row), row.serial_number)
  t.equal(lineageOf({ ...row, lineage: 'first' }), 'first')
})

t.test('a place is taken until the last certificate of its lineage ends', async (t) => {
  const active_serials = {
    over: { expires_at: now },
    used: { expires_at: now + 1 },
    waiting: { expires_at: now - 1, successor: 'x', successor_expires_at: now + 5 },
    'both over': { expires_at: now - 1, successor: 'y', successor_expires_at: now },
  }
  t.same(Object.keys(liveLineages({ active_serials }, now)), ['used', 'waiting'])
  t.equal(endOfLineage(active_serials.waiting), now + 5)
})

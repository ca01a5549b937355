import t from 'tap'
import { readExportedLine } from '../../src/core/exported-event.ts'

const event = {
  event_id: '0'.repeat(32),
  at: '2026-11-21T07:00:00.000Z',
  actor: 'admin-1',
  action: 'principal.suspend',
  target: 'worker-1',
  outcome: 'success',
  request_id: 'r',
  remote_address: '127.0.0.1',
}
const read = (value: unknown) => readExportedLine(typeof value === 'string' ? value : JSON.stringify(value))
const at = Date.parse(event.at)

t.test('lines of an export are read whatever stands beside what is needed', async (t) => {
  const kept = { event_id: event.event_id, at, actor: 'admin-1', action: 'principal.suspend', target: 'worker-1' }
  t.same(read({ ...event, after: { a: 1 }, chain: 'c', seq: 1, hash: 'h', new: {} }), {
    event: { ...kept, before: {}, after: { a: 1 } },
  })
  t.same(read({ unlinked: event }), { event: { ...kept, before: {}, after: {} } })
  t.same(read({ ...event, outcome: 'denied' }), { nothing: true })
  t.same(read({ checkpoint: {} }), { nothing: true })
  t.same(read({ end: {} }), { end: true })
  t.same(read({ missing: {} }), { missing: true })
  const head = { format: 'airunner-audit/1', exported_at: event.at }
  t.same(read(head), { head: { until: at } })
  t.same(read({ ...head, since: event.at, until: '2026-11-21T06:00:00.000Z' }), {
    head: { until: at - 3_600_000, since: at },
  })
})

t.test('what is no line of one is none', async (t) => {
  for (const [name, value] of Object.entries({
    nothing: '',
    'half a line': JSON.stringify(event).slice(0, -1),
    'a number': '1',
    'an array': '[]',
    null: 'null',
    'another format': { format: 'airunner-audit/2', exported_at: event.at },
    'no id': { ...event, event_id: 'x' },
    'no time': { ...event, at: 'yesterday' },
    'a time of another kind': { ...event, at: 5 },
    'no actor': { ...event, actor: undefined },
    'an action that is no text': { ...event, action: {} },
    'no target': { ...event, target: 1 },
    'an unlinked nothing': { unlinked: null },
  }))
    t.equal(read(value), undefined, name)
})

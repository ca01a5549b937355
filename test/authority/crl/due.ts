import t from 'tap'
import { dueAt, noteList, noteRevoked, noteSuperseded, nothingWaits, settling } from '../../../src/authority/crl/due.ts'
import type { CrlHead } from '../../../src/core/crl.ts'
import { day, hour, minute, second } from '../../../src/core/time.ts'

const start = Date.parse('2026-11-21T00:00:00Z')
const headAt = (read_at: number, more: Partial<CrlHead> = {}): CrlHead => ({
  issuer_id: '0123456789abcdef',
  number: 1,
  build_id: 'b',
  this_update: read_at,
  next_update: read_at + day,
  read_at,
  final: false,
  entries: 0,
  chunks: 1,
  size: 200,
  sha256: '',
  build_ms: 100,
  ...more,
})

t.test('a list is due at once when there is none, and after 6 hours when nothing happens', async (t) => {
  t.equal(dueAt(undefined, nothingWaits()), 0)
  t.equal(dueAt(headAt(start), nothingWaits()), start + 6 * hour)
})

t.test('a revocation is on a list within 60 s, however many come and however long a list takes', async (t) => {
  for (const build_ms of [10, 1000, 3000, 10 * second]) {
    const waiting = nothingWaits()
    let head = headAt(start, { build_ms })
    const seen: number[] = []
    let lists = 0
    for (let now = start; now < start + 5 * minute; now += second / 2) {
      noteRevoked(waiting, now)
      seen.push(now)
      if (dueAt(head, waiting) > now) continue
      head = headAt(now, { build_ms })
      lists += 1
      noteList(waiting, head, settling)
      while (seen[0] !== undefined && seen[0] <= now - settling) {
        const age = now + build_ms - seen[0]
        if (age > minute) t.fail(`${age} ms with lists that take ${build_ms}`)
        seen.shift()
      }
    }
    t.ok(lists * build_ms < 2 * minute, `${lists} lists of ${build_ms} ms take little of the time`)
  }
})

t.test('of a list by another clock nobody concludes more than is sure', async (t) => {
  const waiting = nothingWaits()
  noteRevoked(waiting, start)
  noteList(waiting, headAt(start + settling - 1), settling)
  t.equal(waiting.first, start, 'perhaps it began before the change')
  noteList(waiting, headAt(start + settling), settling)
  t.equal(waiting.first, undefined)
  noteRevoked(waiting, start)
  noteList(waiting, headAt(start), 0)
  t.equal(waiting.first, undefined, 'this process knows when it began')
})

t.test('a supersession asks for a list when its grace is over', async (t) => {
  const waiting = nothingWaits()
  const head = headAt(start)
  noteSuperseded(waiting, start + 5 * minute)
  const due = dueAt(head, waiting)
  t.ok(due >= start + 5 * minute && due <= start + 6 * minute)
  noteList(waiting, headAt(start + minute), settling)
  t.equal(dueAt(headAt(start + minute), waiting), due, 'one that was made before is none')
  noteList(waiting, headAt(due), settling)
  t.equal(dueAt(headAt(due), waiting), due + 6 * hour)
  t.equal(
    dueAt(headAt(start, { next_due: start + 5 * minute }), nothingWaits()),
    due,
    'what only the last list knows of',
  )
  const many = nothingWaits()
  for (let i = 0; i < 100_000; i++) noteSuperseded(many, start + i)
  t.ok(many.later.size <= 12, 'those of the same seconds are one')
})

t.test(
  'after the last list of an issuer none follows for 2 minutes, and then one if it is trusted again',
  async (t) => {
    const waiting = nothingWaits()
    t.equal(dueAt(headAt(start, { final: true }), waiting), start + 2 * minute)
    noteRevoked(waiting, start + 1)
    t.equal(dueAt(headAt(start, { final: true }), waiting), start + 2 * minute)
  },
)

t.test(
  'of a removed issuer each list is a last one, and another follows only for what is revoked after it',
  async (t) => {
    const waiting = nothingWaits()
    const last = headAt(start, { final: true })
    t.equal(dueAt(headAt(start), waiting, true), 0, 'one that is good for a day is none')
    t.equal(dueAt(last, waiting, true), Number.POSITIVE_INFINITY, 'not even after 6 hours')
    noteRevoked(waiting, start + 1000)
    t.ok(dueAt(last, waiting, true) <= start + minute, 'within the minute, as any other')
  },
)

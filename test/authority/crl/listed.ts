import t from 'tap'
import { type Listing, type ListTimes, listingOf } from '../../../src/authority/crl/listed.ts'
import { day, hour, minute, second } from '../../../src/core/time.ts'

const now = Date.parse('2026-11-21T12:00:00Z')
const serial_number = '01a1fe442c097960bfa02f4dc623a2a1'
const record = { serial_number, revoked_at: now - hour, reason: 'key_compromise', expires_at: now + day } as const
const times: ListTimes = { this_update: now, previous_update: now - 10 * minute }
const entry = (revoked_at: number = now - hour, reason = 'key_compromise'): Listing =>
  ({ entry: { serial_number, revoked_at, reason } }) as Listing

// biome-ignore lint/suspicious/noExplicitAny: records as somebody may have written them by hand
const cases: [what: string, record: any, times: ListTimes, expected: Listing][] = [
  ['a revoked one', record, times, entry()],
  ['one that has expired since the last list', { ...record, expires_at: now - minute }, times, entry()],
  ['one that has expired when the last list was made', { ...record, expires_at: now - 10 * minute }, times, 'gone'],
  ['one that has expired, and there was no list', { ...record, expires_at: now - day }, { this_update: now }, entry()],
  [
    'one that was revoked after it had expired, since the last list',
    { ...record, expires_at: now - hour, revoked_at: now - minute },
    times,
    entry(now - minute),
  ],
  [
    'a revocation by a clock that is ahead: it counts at once',
    { ...record, revoked_at: now + 3 * second },
    times,
    entry(now),
  ],
  [
    'one that is superseded and lives in its grace',
    { ...record, reason: 'superseded', superseded_at: now - minute, revoked_at: now + 4 * minute },
    times,
    { later: now + 4 * minute },
  ],
  [
    'one that is superseded and past its grace',
    { ...record, reason: 'superseded', superseded_at: now - hour, revoked_at: now - minute },
    times,
    entry(now - minute, 'superseded'),
  ],
  ['a reason that nobody knows', { ...record, reason: 'certificate_hold' }, times, entry(now - hour, 'unspecified')],
  [
    'a reason that is a name of every object',
    { ...record, reason: 'toString' },
    times,
    entry(now - hour, 'unspecified'),
  ],
  ['no reason and no time', { serial_number, expires_at: now + day }, times, entry(now, 'unspecified')],
  ['a time that is text', { ...record, revoked_at: 'today' }, times, entry(now)],
  ['a time before 1970', { ...record, revoked_at: -1 }, times, entry(0)],
  ['no expiry', { ...record, expires_at: undefined }, times, entry()],
  ['a serial number that is none', { ...record, serial_number: 'x' }, times, 'unreadable'],
  ['a serial number in capitals', { ...record, serial_number: serial_number.toUpperCase() }, times, 'unreadable'],
]

t.test('what becomes of a record', async (t) => {
  for (const [what, given, when, expected] of cases) t.same(listingOf(given, when), expected, what)
})

import t from 'tap'
import { ControlError, errorCodes, isControlError } from '../../src/core/errors.ts'
import { isPrincipalId, isSerialNumber, lowestIdAt, timeOfId, timeOrderedId } from '../../src/core/ids.ts'
import { dayOf, hourOf, parseDuration, toRfc3339 } from '../../src/core/time.ts'

t.test('time-ordered ids', async (t) => {
  const now = Date.UTC(2026, 0, 1)
  const ids = Array.from({ length: 2000 }, (_, i) => timeOrderedId(now + i))
  t.equal(new Set(ids).size, 2000)
  t.same(ids.toSorted(), ids)
  for (const id of ids.slice(0, 300)) {
    t.ok(isSerialNumber(id) && id[12] === '7' && '89ab'.includes(id[16] ?? ''), 'version 7, variant 10')
    t.ok(Number.parseInt(id[0] ?? '', 16) < 8, 'positive as an integer')
  }
  t.equal(timeOfId(ids[7] ?? ''), now + 7)
  t.ok(lowestIdAt(now) <= timeOrderedId(now) && timeOrderedId(now) < lowestIdAt(now + 1))
  t.equal(lowestIdAt(-5), '000000000000')
})

const ids: [boolean, string][] = [
  [true, 'a'],
  [true, 'worker-1.b_c'],
  [true, 'a'.repeat(128)],
  [false, 'a'.repeat(129)],
  ...['', '-a', 'a-', '.a', 'A', 'a/b', 'a b', 'a\n', 'ä', 'a%2f'].map((id): [boolean, string] => [false, id]),
]
t.test('principal ids fit into a SPIFFE path segment', async (t) => {
  for (const [good, id] of ids) t.equal(isPrincipalId(id), good, JSON.stringify(id))
})

const durations: [string, number | undefined][] = [
  ['0', 0],
  ['500ms', 500],
  ['30s', 30_000],
  ['15m', 900_000],
  ['12h', 43_200_000],
  ['90d', 7_776_000_000],
  ...['', '5', '-1s', '1.5s', '1 s', '1w', '1s\n', '12345678901s'].map((text): [string, undefined] => [
    text,
    undefined,
  ]),
]
t.test('durations', async (t) => {
  for (const [text, milliseconds] of durations) t.equal(parseDuration(text), milliseconds, JSON.stringify(text))
})

t.test('times as the tables are keyed by them', async (t) => {
  const at = Date.UTC(2026, 11, 31, 23, 59, 59, 999)
  t.same([toRfc3339(at), dayOf(at), hourOf(at)], ['2026-12-31T23:59:59.999Z', '2026-12-31', '2026-12-31T23'])
})

t.test('errors are told apart by their code', async (t) => {
  const cause = new Error('why')
  const error = new ControlError('not_found', 'nothing there', { cause, retryAfterSeconds: 3 })
  t.ok(isControlError(error) && isControlError(error, 'not_found'))
  t.notOk(isControlError(error, 'last_admin') || isControlError(cause))
  t.same([error.cause, error.message, error.retryAfterSeconds], [cause, 'nothing there', 3])
  t.equal(new Set(errorCodes).size, errorCodes.length)
})

import t from 'tap'
import { makeAttempts } from '../../src/agent/attempts.ts'
import { backoffBounds, renewalTime } from '../../src/agent/renewal.ts'
import { becomeOther, newSelf, renewAt, takeWindow } from '../../src/agent/self.ts'
import { fullJitter, retryAfterOf } from '../../src/client/backoff.ts'
import type { Identity } from '../../src/client/identity.ts'
import { day, hour, minute, second } from '../../src/core/time.ts'

const life = { from: 0, to: 90 * day }

const table: [what: string, random: number, window: [number, number] | undefined, expected: number][] = [
  ['in the middle: two thirds', 0.5, undefined, 60 * day],
  ['earliest: 10 % of the life sooner', 0, undefined, 51 * day],
  ['latest: 10 % of the life later', 1, undefined, 69 * day],
  ['inside of the window: as chosen', 0.5, [54 * day, 68 * day], 60 * day],
  ['before the window: chosen anew within it', 0, [54 * day, 68 * day], 54 * day],
  ['behind the window: chosen anew within it', 1, [54 * day, 64 * day], 64 * day],
  ['a window far away', 0.25, [10 * day, 20 * day], 12.5 * day],
  ['a window of one moment', 0.7, [7 * day, 7 * day], 7 * day],
  ['a window that ends before it begins is none', 0.5, [20 * day, 10 * day], 60 * day],
]
for (const [what, random, window, expected] of table)
  t.test(`renewal time: ${what}`, async (t) => {
    const given = window && { renew_after: window[0], renew_before: window[1] }
    t.equal(renewalTime(life, random, given), expected)
  })

t.test('whatever the chance, the time lies within the window', async (t) => {
  for (let random = 0; random < 1; random += 0.01) {
    const at = renewalTime(life, random, { renew_after: 58 * day, renew_before: 61 * day })
    if (at < 58 * day || at > 61 * day) t.fail(`${random}`)
  }
  t.pass('all of them')
})

t.test('who was asked to renew out of turn does, though every report is answered with the turn', async (t) => {
  const self = newSelf(0.5)
  const now = Date.UTC(2026, 0, 10)
  const text = (at: number) => new Date(at).toISOString()
  const certificate = { validFrom: text(now - 9 * day), validTo: text(now + 81 * day) } as Identity['certificate']
  const identity = { keyPem: '', chainPem: '', rootsPem: '', certificate }
  const inTurn = { renew_after: text(now + 50 * day), renew_before: text(now + 52 * day) }
  becomeOther(self, identity, undefined, 0.5)
  takeWindow(self, { renew_after: text(now), renew_before: text(now + hour) }, 'asked')
  t.equal(renewAt(self), now + hour / 2)
  takeWindow(self, inTurn)
  t.equal(renewAt(self), now + hour / 2)
  becomeOther(self, identity, undefined, 0.5)
  takeWindow(self, inTurn)
  t.equal(renewAt(self), now + 51 * day, 'its successor was asked nothing')
})

t.test('a renewal that fails has time for many tries, however short the life', async (t) => {
  for (const length of [5 * minute, hour, day, 90 * day]) {
    const { first, most } = backoffBounds({ from: 0, to: length })
    t.ok(
      first <= 2 * second && most >= first && most * 8 <= length / 3,
      `${length / minute} min: ${first} to ${most} ms`,
    )
  }
})

t.test('full jitter: anywhere below a bound that doubles up to its limit', async (t) => {
  const wait = (failures: number, random: number) => fullJitter(failures, 100, 1000, () => random)
  t.same(
    [0, 1, 2, 3, 4, 50].map((failures) => wait(failures, 1)),
    [100, 200, 400, 800, 1000, 1000],
  )
  t.equal(wait(3, 0), 0)
  t.equal(wait(3, 0.5), 400)
})

t.test('Retry-After is kept to, and jitter comes on top', async (t) => {
  let now = 0
  const attempts = makeAttempts({ monotonic: () => now, random: () => 0.5, bounds: () => ({ first: 100, most: 1000 }) })
  t.ok(attempts.ready())
  t.equal(attempts.failed(5000), 5050)
  now = 5049
  t.notOk(attempts.ready())
  now = 5050
  t.ok(attempts.ready())
  attempts.failed()
  t.equal(attempts.failures(), 2)
  t.notOk(attempts.ready())
  attempts.hurry()
  t.ok(attempts.ready(), 'waking up ends a wait')
  attempts.succeeded()
  t.equal(attempts.failures(), 0)
})

t.test('Retry-After as servers write it', async (t) => {
  const of = (status: number, header?: string) =>
    retryAfterOf({ status, headers: header === undefined ? {} : { 'retry-after': header } })
  t.equal(of(503, '7'), 7000)
  t.equal(of(429, '0'), 0)
  t.equal(of(503, '99999999'), hour, 'no server means years')
  t.equal(of(500, '7'), undefined)
  t.equal(of(503, 'soon'), undefined)
  t.equal(of(503), undefined)
})

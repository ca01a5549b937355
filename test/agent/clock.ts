import t from 'tap'
import { makeAlarm, makeTime } from '../../src/agent/clock.ts'
import { day, hour, minute, second } from '../../src/core/time.ts'

const makeWorld = () => {
  const here = { wall: 1000 * day, monotonic: 0 }
  const world = { wall: () => here.wall, monotonic: () => here.monotonic, random: () => 0.5, tick: 10 }
  const pass = (milliseconds: number) => {
    here.wall += milliseconds
    here.monotonic += milliseconds
  }
  return { here, pass, time: makeTime(world), world }
}

t.test('time that passes is no jump', async (t) => {
  const { pass, time } = makeWorld()
  for (let count = 0; count < 100; count++) {
    pass(second)
    if (time.jumped(false)) t.fail(`after ${count} s`)
  }
  t.pass('none')
})

const jumps: [what: string, wall: number, monotonic: number][] = [
  ['the wall clock is set a day ahead', day, second],
  ['the wall clock is set a day back', -day, second],
  ['the machine sleeps, and its monotonic clock with it', 8 * hour, 0],
  ['the process is stopped and goes on', minute, minute],
]
for (const [what, wall, monotonic] of jumps)
  t.test(`${what}: noticed once`, async (t) => {
    const { here, pass, time } = makeWorld()
    pass(second)
    time.jumped(false)
    here.wall += wall
    here.monotonic += monotonic
    t.ok(time.jumped(false))
    pass(second)
    t.notOk(time.jumped(false))
  })

t.test('who was busy for a minute was not stopped', async (t) => {
  const { here, pass, time } = makeWorld()
  pass(minute)
  t.notOk(time.jumped(true))
  here.wall += day
  t.ok(time.jumped(true), 'a clock that was set meanwhile is seen')
})

t.test('the server’s clock counts, and then whichever of ours is ahead', async (t) => {
  const { here, pass, time } = makeWorld()
  t.equal(time.now(), 1000 * day, 'nobody was heard yet')
  time.learn(2000 * day)
  pass(hour)
  t.equal(time.now(), 2000 * day + hour)
  here.wall -= day
  t.equal(time.now(), 2000 * day + hour, 'set back: nothing is late')
  here.wall += 3 * day
  t.equal(time.now(), 2002 * day + hour, 'set forth, or slept: rather early')
  time.learn(2000 * day + 2 * hour)
  t.equal(time.now(), 2000 * day + 2 * hour)
})

t.test('an alarm ends when it is ready, poked, or stopped; a poke before is not lost', async (t) => {
  const { world } = makeWorld()
  const stopping = new AbortController()
  const alarm = makeAlarm(world, stopping.signal)
  let looks = 0
  await alarm.wait(() => ++looks > 3)
  t.ok(looks > 3)
  alarm.poke()
  await alarm.wait(() => false)
  const waiting = alarm.wait(() => false)
  alarm.poke()
  await waiting
  const last = alarm.wait(() => false)
  stopping.abort()
  await last
  await alarm.wait(() => false)
  t.pass('all of them ended')
})

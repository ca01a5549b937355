import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import { type DrainDeps, makeDrain } from '../../src/server/drain.ts'

const start = (change: Partial<DrainDeps> = {}) => {
  const began = performance.now()
  const steps: [string, number][] = []
  const step = (name: string) => void steps.push([name, performance.now() - began])
  const closed = Promise.withResolvers<void>()
  const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
  const drain = makeDrain({
    delay: 100,
    grace: 200,
    log: quiet,
    random: () => 0.5,
    announce: () => step('announce'),
    streams: () => [],
    stopListening: () => step('stop listening'),
    finishAll: () => step('finish'),
    allClosed: () => closed.promise,
    destroyAll: () => {
      step('destroy')
      return 0
    },
    ...change,
  })
  const names = () => steps.map(([name]) => name)
  const at = (name: string) => steps.find(([each]) => each === name)?.[1] ?? Number.NaN
  return { drain, names, at, close: closed.resolve }
}

/** Not before its time, and soon after it; how soon depends on who else shares the machine. */
const near = (found: number, wanted: number) => found >= wanted - 5 && found < wanted + 9000

t.test('balancers are told first, ports close after the delay, the rest is cut after the grace', async (t) => {
  const { drain, names, at } = start()
  await drain.begin('SIGTERM')
  t.same(names(), ['announce', 'stop listening', 'finish', 'destroy'])
  t.ok(near(at('announce'), 0))
  t.ok(near(at('stop listening'), 100), `${at('stop listening')}`)
  t.ok(near(at('destroy'), 300), `${at('destroy')}`)
})

t.test('it is over as soon as the last connection is', async (t) => {
  const { drain, at, close } = start({ grace: 10_000 })
  setTimeout(close, 150)
  await drain.begin('SIGTERM')
  t.ok(near(at('destroy'), 150), `${at('destroy')}`)
})

t.test('a second SIGTERM changes nothing', async (t) => {
  const { drain, names, at } = start()
  const first = drain.begin('SIGTERM')
  t.equal(drain.begin('SIGTERM'), first)
  await first
  t.equal(names().length, 4)
  t.ok(near(at('destroy'), 300))
})

t.test('a SIGINT skips the delay and is over in 2 s', async (t) => {
  const { drain, at } = start({ delay: 15_000, grace: 25_000 })
  await drain.begin('SIGINT')
  t.ok(near(at('stop listening'), 0))
  t.ok(at('destroy') < 14_000, `${at('destroy')}`)
})

t.test('a SIGINT hurries a drain that has begun', async (t) => {
  const { drain, at } = start({ delay: 15_000, grace: 25_000 })
  const ended = drain.begin('SIGTERM')
  setTimeout(() => void drain.begin('SIGINT'), 50)
  await ended
  t.ok(near(at('stop listening'), 50), `${at('stop listening')}`)
  t.ok(at('destroy') < 14_000)
})

t.test('streams are told at moments spread over delay and grace, less 5 s', async (t) => {
  const told: number[] = []
  const began = performance.now()
  const streams = [0.1, 0.5, 0.9].map(() => {
    const socket = new EventEmitter() as Socket
    return [socket, { reconnect: () => told.push(performance.now() - began) }] as const
  })
  let share = 0
  const { drain } = start({
    delay: 100,
    grace: 5_400,
    random: () => [0.1, 0.5, 0.9][share++] as number,
    streams: () => streams.map(([socket, stream]) => [socket, stream]),
    allClosed: () => new Promise((resolve) => setTimeout(resolve, 700)),
  })
  await drain.begin('SIGTERM')
  t.equal(told.length, 3, 'each once')
  for (const [index, wanted] of [50, 250, 450].entries()) t.ok(near(told[index] as number, wanted), `${told[index]}`)
})

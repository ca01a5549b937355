import t from 'tap'
import { makeHandshakeQueue } from '../../src/server/handshake-queue.ts'
import { eventually } from '../support/agent-stream.ts'

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

const open = (options: { perTurn?: number; maxOpen?: number; maxWaiting?: number; patience?: number } = {}) => {
  const begun: number[] = []
  const gone: number[] = []
  const state = { open: 0, slow: false, dropped: 0 }
  const queue = makeHandshakeQueue({
    perTurn: 4,
    maxOpen: 100,
    maxWaiting: 50,
    patience: 10_000,
    ...options,
    open: () => state.open,
    dropSlowest: () => {
      if (!state.slow) return false
      state.dropped++
      state.open--
      return true
    },
  })
  const enter = (name: number) =>
    queue.enter({
      begin: () => {
        state.open++
        begun.push(name)
      },
      giveUp: () => void gone.push(name),
    })
  return { queue, enter, begun, gone, state }
}

t.test('a few begin in each turn of the event loop, from both ends of the line', async (t) => {
  const { enter, begun } = open()
  for (let name = 0; name < 12; name++) enter(name)
  t.strictSame(begun, [])
  await turn()
  t.strictSame(begun, [0, 11, 1, 10])
  await turn()
  t.equal(begun.length, 8)
  enter(99)
  await turn()
  t.ok(begun.includes(99), 'who comes now does not wait behind all the others')
  for (let turns = 0; turns < 3; turns++) await turn()
  t.strictSame(
    [...begun].sort((a, b) => a - b),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 99],
  )
})

t.test('so many wait and no more', async (t) => {
  const { enter, queue } = open()
  for (let name = 0; name < 50; name++) t.ok(enter(name))
  t.notOk(enter(50))
  t.equal(queue.size(), 50)
})

t.test('whoever waits too long has no turn', async (t) => {
  const { enter, begun, gone } = open({ patience: 20, perTurn: 1 })
  for (let name = 0; name < 3; name++) enter(name)
  const until = performance.now() + 40
  while (performance.now() < until);
  await turn()
  t.strictSame([begun, gone], [[], [0, 1, 2]])
})

t.test('full of handshakes that are under way, it waits; a slow one loses its place', async (t) => {
  const { enter, begun, state } = open({ maxOpen: 2 })
  for (let name = 0; name < 4; name++) enter(name)
  for (let turns = 0; turns < 5; turns++) await turn()
  t.equal(begun.length, 2)
  state.slow = true
  t.ok(await eventually(() => begun.length === 4))
  t.equal(state.dropped, 2)
})

t.test('a long line keeps its order and forgets who has gone', async (t) => {
  const { enter, begun, queue } = open({ perTurn: 1, maxWaiting: 5000, maxOpen: 10_000 })
  for (let name = 0; name < 3000; name++) enter(name)
  for (let turns = 0; turns < 3001; turns++) await turn()
  t.strictSame(
    begun,
    Array.from({ length: 3000 }, (_, name) => name),
  )
  t.equal(queue.size(), 0)
})

import t from 'tap'
import { makeBackground } from '../../src/server/background.ts'

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

t.test('what was asked for before the start is done at the start, and what comes later too', async (t) => {
  let rounds = 0
  const background = makeBackground({
    revoke: async () => {
      rounds += 1
      if (rounds === 2) throw new Error('interrupted')
    },
    removeDeparted: async () => {},
    watchAudit: async () => undefined,
    sweeps: [],
    onStoreFailure: () => {},
    log: quiet,
  })
  await background.runRevocations()
  t.equal(rounds, 0)
  background.start()
  t.equal(rounds, 1)
  await background.runRevocations()
  t.equal(rounds, 2, 'asked for meanwhile: done once more')
  await background.runRevocations()
  t.equal(rounds, 3, 'one that fails holds up no other')
  await background.stop()
  await background.runRevocations()
  t.equal(rounds, 3)
})

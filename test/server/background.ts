import t from 'tap'
import { makeBackground } from '../../src/server/background.ts'

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

t.test('what was asked for before the start is done at the start, and what comes later too', async (t) => {
  let rounds = 0
  const begun = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  const background = makeBackground({
    revoke: async () => {
      rounds += 1
      begun.resolve()
      await release.promise
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
  await begun.promise
  t.equal(rounds, 1)
  const meanwhile = [background.runRevocations(), background.runRevocations()]
  release.resolve()
  await Promise.all(meanwhile)
  t.equal(rounds, 2, 'asked for meanwhile: done once more')
  await background.runRevocations()
  t.equal(rounds, 3, 'one that fails holds up no other')
  await background.stop()
  await background.runRevocations()
  t.equal(rounds, 3)
})

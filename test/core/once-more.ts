import t from 'tap'
import { makeOnceMore } from '../../src/core/once-more.ts'

t.test('whoever asks while it is under way has it done once more, however many ask', async (t) => {
  let done = 0
  const work = makeOnceMore(
    async () => {
      done++
    },
    () => true,
  )
  await Promise.all([work.ask(), work.ask(), work.ask()])
  t.equal(done, 1, 'asked before it began: once')
  const first = work.ask()
  await Promise.resolve()
  const more = [work.ask(), work.ask()]
  await Promise.all([first, ...more])
  t.ok(done <= 3 && done >= 2)
  for (let wishes = 0; wishes < 50; wishes++) {
    const before = done
    const wish = work.ask()
    for (let turns = 0; turns < wishes; turns++) await Promise.resolve()
    const later = work.ask()
    await Promise.all([wish, later])
    t.ok(done > before, `no wish is lost ${wishes} turns later`)
  }
  await work.ended()
})

t.test('nothing is begun when it does not go on, and a failure is no end', async (t) => {
  let goesOn = false
  let done = 0
  const work = makeOnceMore(
    async () => {
      done++
      if (done === 1) throw new Error('the first time')
    },
    () => goesOn,
  )
  await work.ask()
  t.equal(done, 0)
  goesOn = true
  await t.rejects(work.ask(), { message: 'the first time' })
  await work.ask()
  t.equal(done, 2)
})

import t from 'tap'
import { lastOctets, makeCommands } from '../../src/agent/commands.ts'
import { day } from '../../src/core/time.ts'
import type { CommandEvent } from '../../src/wire/agent-events.ts'

const command = (digit: string, name: CommandEvent['command'] = 'renew'): CommandEvent => ({
  command_id: digit.repeat(32),
  command: name,
  created_at: '2026-11-01T00:00:00.000Z',
  expires_at: '2026-11-01T00:05:00.000Z',
})

const memory = () => {
  const disk = { text: undefined as string | undefined, full: false }
  return {
    disk,
    read: async () => disk.text,
    write: async (next: string) => {
      if (disk.full) throw new Error('the disk is full')
      disk.text = next
    },
  }
}
const clock = { now: 1000 * day }
const start = async (store: ReturnType<typeof memory>) => {
  const commands = makeCommands({ store, now: () => clock.now })
  await commands.begin()
  return commands
}

t.test('acted on once, however often it is sent', async (t) => {
  const store = memory()
  const commands = await start(store)
  t.equal(await commands.accept(command('a')), true)
  t.equal(await commands.accept({ ...command('a'), again: true }), false, 'while it is acted on')
  t.same(commands.due(), [], 'and has no result yet')
  await commands.finish(command('a').command_id, { state: 'succeeded', output: 'done' })
  t.same(commands.due(), [{ command_id: command('a').command_id, result: { state: 'succeeded', output: 'done' } }])
  await commands.reported(command('a').command_id)
  t.same(commands.due(), [])
  t.equal(await commands.accept({ ...command('a'), again: true }), false)
  t.equal(commands.due().length, 1, 'whoever asks again has not heard the result')
  const after = await start(store)
  t.equal(await after.accept(command('a')), false, 'nor after a restart')
})

t.test('its id is on disk before it is acted on; after a crash it was interrupted', async (t) => {
  const store = memory()
  const dying = await start(store)
  await dying.accept(command('a'))
  const commands = await start(store)
  t.same(commands.due(), [{ command_id: command('a').command_id, result: { state: 'failed', output: 'interrupted' } }])
  t.equal(await commands.accept({ ...command('a'), again: true }), false)
})

t.test('what ended and was not reported is reported after a restart', async (t) => {
  const store = memory()
  const dying = await start(store)
  await dying.accept(command('a'))
  await dying.finish(command('a').command_id, { state: 'failed', output: 'no' })
  t.match((await start(store)).due(), [{ result: { state: 'failed', output: 'no' } }])
})

t.test('an id that cannot be kept is not acted on', async (t) => {
  const store = memory()
  const commands = await start(store)
  store.disk.full = true
  await t.rejects(commands.accept(command('a')), /full/)
  commands.refuse(command('a'), 'the disk is full')
  t.match(commands.due(), [{ result: { state: 'failed', output: 'the disk is full' } }])
  store.disk.full = false
  await commands.reported(command('a').command_id)
  t.equal(await commands.accept(command('a')), false)
})

t.test('old ids are forgotten, unreported ones are not', async (t) => {
  const store = memory()
  const commands = await start(store)
  for (const digit of ['a', 'b']) {
    await commands.accept(command(digit))
    await commands.finish(command(digit).command_id, { state: 'succeeded' })
  }
  await commands.reported(command('a').command_id)
  clock.now += 3 * day
  await commands.accept(command('c'))
  const kept = JSON.parse(store.disk.text ?? '').commands.map(({ command_id }: CommandEvent) => command_id[0])
  t.same(kept, ['b', 'c'])
})

t.test('leaving is for the certificate that was told to leave, over a restart as well', async (t) => {
  const store = memory()
  const commands = await start(store)
  await commands.accept(command('a', 'leave'))
  t.notOk(commands.leaving('one'))
  await commands.finish(command('a').command_id, { state: 'succeeded' }, 'one')
  const after = await start(store)
  t.ok(after.leaving('one'))
  t.notOk(after.leaving('two'), 'who joined again stays')
})

t.test('a file that somebody broke is as none', async (t) => {
  const store = memory()
  for (const text of ['', '{', '{"commands":7}']) {
    store.disk.text = text
    t.same((await start(store)).due(), [])
  }
})

t.test('the end of an output, in whole characters', async (t) => {
  t.equal(lastOctets('abc', 4), 'abc')
  t.equal(lastOctets('abcdef', 4), 'cdef')
  t.equal(lastOctets('ääää', 3), 'ä')
  t.equal(Buffer.byteLength(lastOctets('€'.repeat(5000))), 4095)
})

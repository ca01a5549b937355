import t from 'tap'
import { hour, minute, second } from '../../src/core/time.ts'
import type { Store } from '../../src/store/client.ts'
import { type Change, type FeedRecord, feedItem, makeFeedReader } from '../../src/store/feed.ts'
import { startTestStore } from '../support/store.ts'

const noon = Date.UTC(2026, 5, 1, 12)
const change: Change = { type: 'principal_updated', principal_id: 'worker-1' }

/** A reader on a clock that the test sets, of a feed of its own; `poll` reads once. */
const open = async (t: { teardown: (end: () => unknown) => void }, start = noon) => {
  const test = await startTestStore()
  t.teardown(test.stop)
  let now = start
  const seen: string[] = []
  const failures: unknown[] = []
  let gaps = 0
  let broken = false
  const store: Store = {
    ...test.store,
    query: (input) => (broken ? Promise.reject(new Error('no answer')) : test.store.query(input)),
    batchGet: async (keys) => {
      const found = await test.store.batchGet(keys)
      for (const [table, items] of found) {
        const left = items.filter((item) => item['sk'] !== lost)
        read += left.length
        found.set(table, left)
      }
      return found
    },
    clockSkew: () => skew,
  }
  let read = 0
  let lost: string | undefined
  let skew = 0
  const reader = makeFeedReader({
    store,
    clock: () => now,
    interval: hour,
    onRecord: (record: FeedRecord) => seen.push(record.id),
    onGap: () => gaps++,
    onFailure: (error) => failures.push(error),
  })
  return {
    reader,
    seen,
    failures,
    gaps: () => gaps,
    /** Commits a record whose writer's clock shows `at`. */
    write: async (at = now): Promise<string> => {
      const { item, record } = feedItem(test.store, [change], at)
      await test.store.transact([item])
      return record.id
    },
    poll: async () => {
      await reader.start()
      reader.stop()
    },
    set: (to: number) => {
      now = to
    },
    pass: (milliseconds: number) => {
      now += milliseconds
    },
    /** Records that were read by their ids. */
    recordsRead: () => read,
    /** No such record is found any more, though it is listed. */
    lose: (id: string | undefined) => {
      lost = id
    },
    break: (value: boolean) => {
      broken = value
    },
    skew: (value: number) => {
      skew = value
    },
  }
}

t.test('each record is acted on once, in order, also those that come late or out of order', async (t) => {
  const feed = await open(t)
  await feed.poll()
  const third = await feed.write(noon + 3 * second)
  feed.pass(4 * second)
  await feed.poll()
  t.same(feed.seen, [third])
  const first = await feed.write(noon + second)
  feed.pass(second)
  await feed.poll()
  await feed.poll()
  t.same(feed.seen, [third, first])
  t.equal(feed.reader.lastSuccessAt(), noon + 5 * second)
})

const atTheHour: [string, number, number][] = [
  ['just before the hour, read just after', -1, 1],
  ['just after the hour, by a writer that is ahead', 2 * second, -1 * second],
  ['in the last second of the hour, by a writer that is behind', -1, 2 * second],
]
for (const [name, written, read] of atTheHour) {
  t.test(`a record written ${name}, is not missed`, async (t) => {
    const feed = await open(t, noon - 5 * second)
    await feed.poll()
    const id = await feed.write(noon + written)
    feed.set(noon + read)
    await feed.poll()
    t.same(feed.seen, [id])
  })
}

t.test('after a silence all of it is read, and what was decided before is dropped', async (t) => {
  const feed = await open(t)
  await feed.poll()
  feed.break(true)
  const ids: string[] = []
  for (let step = 0; step < 9; step++) {
    feed.pass(5 * minute)
    ids.push(await feed.write())
  }
  await feed.poll()
  t.equal(feed.failures.length, 1)
  t.equal(feed.gaps(), 1)
  feed.break(false)
  await feed.poll()
  t.same(feed.seen, ids)
})

t.test('of a busy moment only what is new is read, all of it, and in order', async (t) => {
  const feed = await open(t)
  await feed.poll()
  t.equal(feed.recordsRead(), 0)
  // More than one call for records takes.
  const ids: string[] = []
  for (let i = 0; i < 120; i++) ids.push(await feed.write(noon + i))
  feed.pass(second)
  await feed.poll()
  t.same(feed.seen, ids)
  t.equal(feed.recordsRead(), 120)
  feed.pass(second)
  const next = await feed.write()
  await feed.poll()
  t.same(feed.seen, [...ids, next])
  t.equal(feed.recordsRead(), 121)
})

t.test('a record that is gone again when it is to be read is passed over', async (t) => {
  const feed = await open(t)
  await feed.poll()
  const first = await feed.write()
  const later = await feed.write(noon + 1)
  feed.lose(first)
  await feed.poll()
  t.same(feed.seen, [later])
  feed.lose(undefined)
  await feed.poll()
  t.same(feed.seen, [later, first])
})

t.test('a clock that is set back hides nothing', async (t) => {
  const feed = await open(t)
  await feed.poll()
  feed.pass(-10 * minute)
  const before = await feed.write()
  await feed.poll()
  feed.pass(5 * second)
  const after = await feed.write()
  await feed.poll()
  t.same(feed.seen, [before, after])
})

t.test('a clock that runs ahead of the store’s does not count as having read', async (t) => {
  const feed = await open(t)
  await feed.poll()
  feed.pass(5 * minute)
  feed.skew(5 * minute)
  await feed.poll()
  t.equal(feed.reader.lastSuccessAt(), noon)
  t.equal(feed.failures.length, 1)
  const inItsPast = await feed.write(noon + second)
  await feed.poll()
  feed.set(noon + 20 * second)
  feed.skew(0)
  await feed.poll()
  t.same(feed.seen, [inItsPast])
})

t.test('a record of its own is left to the transaction, and read after all when that gave it up', async (t) => {
  const feed = await open(t)
  await feed.poll()
  const own = await feed.write()
  const lost = await feed.write()
  const releases = [own, lost].map((id) => feed.reader.holdBack({ id, changes: [change] }))
  t.equal(feed.reader.isWriting(change.principal_id), true)
  t.equal(feed.reader.isWriting('somebody-else'), false)
  feed.pass(second)
  await feed.poll()
  t.same(feed.seen, [])
  feed.reader.noteOwn(own)
  for (const release of releases) release()
  t.equal(feed.reader.isWriting(change.principal_id), false)
  feed.pass(7 * second)
  await feed.poll()
  t.same(feed.seen, [lost])
})

t.test('a record that cannot be understood fails one read, not all that follow', async (t) => {
  const test = await startTestStore()
  t.teardown(test.stop)
  const failures: unknown[] = []
  const seen: string[] = []
  const reader = makeFeedReader({
    store: test.store,
    clock: Date.now,
    interval: hour,
    onRecord: ({ id, changes }) => {
      for (const one of changes) if (one.type === 'certificates_revoked') one.serial_numbers.map(String)
      seen.push(id)
    },
    onGap: () => t.fail(),
    onFailure: (error) => failures.push(error),
  })
  const bad = { type: 'certificates_revoked' } as unknown as Change
  for (const changes of [[bad], [change]]) await test.store.transact([feedItem(test.store, changes, Date.now()).item])
  for (const _ of [1, 2]) {
    await reader.start()
    reader.stop()
  }
  t.equal(failures.length, 1)
  t.equal(seen.length, 1)
})

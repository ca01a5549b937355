import t from 'tap'
import type { StoredAuthorities } from '../../src/core/authority.ts'
import { second } from '../../src/core/time.ts'
import { makeStoredAuthorities } from '../../src/server/stored-authorities.ts'

/** A view of a registry that can fall silent, by a clock that tests move. */
const start = () => {
  let now = 1_000_000
  let silent = false
  let reads = 0
  let changes = 0
  let stored: StoredAuthorities = { issuers: [] }
  let held: Promise<void> = Promise.resolve()
  const view = makeStoredAuthorities({
    read: async () => {
      reads++
      const found = stored
      await held
      if (silent) throw new Error('silent')
      return found
    },
    clock: () => now,
    onChange: () => {
      changes++
    },
    onFailure: () => undefined,
  })
  return {
    view,
    pass: (milliseconds: number) => {
      now += milliseconds
    },
    now: () => now,
    silence: (is: boolean) => {
      silent = is
    },
    hold: (until: Promise<void>) => {
      held = until
    },
    store: (version: number) => {
      stored = { issuers: [], active: { issuer_id: 'a', version } }
    },
    put: (next: StoredAuthorities) => {
      stored = next
    },
    reads: () => reads,
    changes: () => changes,
  }
}

t.test('what is too old is read anew, and when nothing is read, nothing is decided', async (t) => {
  const one = start()
  t.notOk(one.view.isFresh(45 * second), 'nothing was read yet')
  await one.view.demand(45 * second)
  t.ok(one.view.isFresh(45 * second))
  one.pass(44 * second)
  await one.view.demand(45 * second)
  t.equal(one.reads(), 1, 'not read again before it is too old')
  one.silence(true)
  await one.view.demand(45 * second)
  one.pass(2 * second)
  await t.rejects(one.view.demand(45 * second), { code: 'store_unavailable' })
  await t.rejects(one.view.demand(5 * second), { code: 'store_unavailable' })
  one.silence(false)
  await one.view.demand(5 * second)
  t.equal(one.changes(), 0, 'nothing has changed')
})

t.test('rows that say the same in another order are no change', async (t) => {
  const one = start()
  const der = () => Uint8Array.of(1, 2, 3)
  const row = { issuer_id: 'a', certificate_der: der(), state: 'active', version: 1 } as const
  const turned = { version: 1, state: 'active', certificate_der: der(), issuer_id: 'a' } as const
  one.put({ issuers: [row] })
  await one.view.demand(0)
  t.equal(one.changes(), 1)
  one.put({ issuers: [turned] })
  one.pass(second)
  await one.view.demand(0)
  t.equal(one.changes(), 1, 'the store may turn them as it likes')
  one.put({ issuers: [{ ...turned, certificate_der: Uint8Array.of(1, 2, 4) }] })
  one.pass(second)
  await one.view.demand(0)
  t.equal(one.changes(), 2, 'another certificate is one')
})

t.test('a feed that brings no news keeps it fresh, one that does makes it old', async (t) => {
  const one = start()
  await one.view.demand(5 * second)
  one.pass(40 * second)
  one.view.confirm(one.now(), performance.now())
  t.ok(one.view.isFresh(5 * second))
  one.store(1)
  one.view.changed()
  t.notOk(one.view.isFresh(45 * second), 'what has changed is not known yet')
  one.view.confirm(one.now(), performance.now())
  t.notOk(one.view.isFresh(45 * second), 'and no feed says what it is')
  one.silence(true)
  await t.rejects(
    one.view.demand(45 * second),
    { code: 'store_unavailable' },
    'a change that cannot be read is no reason to go on',
  )
  one.silence(false)
  await one.view.demand(45 * second)
  t.equal(one.view.get().active?.version, 1)
  t.equal(one.changes(), 1)
})

t.test('a change that comes while it is read is not lost', async (t) => {
  const one = start()
  const read = Promise.withResolvers<void>()
  one.hold(read.promise)
  const demanded = one.view.demand(45 * second)
  one.store(2)
  one.view.changed()
  read.resolve()
  await demanded
  t.equal(one.view.get().active?.version, 2)
  t.equal(one.reads(), 2)
})

t.test('a clock that is set back makes nothing younger', async (t) => {
  const one = start()
  await one.view.demand(45 * second)
  one.pass(-3600 * second)
  t.ok(one.view.isFresh(45 * second), 'by the other clock it is')
  one.pass(3600 * second + 46 * second)
  t.notOk(one.view.isFresh(45 * second))
})

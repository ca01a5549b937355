import t from 'tap'
import { ControlError, isControlError } from '../../src/core/errors.ts'
import { AlreadyAnswered, type Once } from '../../src/core/once.ts'
import { withDeadline } from '../../src/store/deadline.ts'
import type { Operation } from '../../src/store/transaction.ts'
import { type Fault, startFaultProxy } from '../support/fault-proxy.ts'
import { principalRow } from '../support/http-apps.ts'
import { openTestRegistry, type TestRegistry } from '../support/registry.ts'
import { startTestStore } from '../support/store.ts'

const store = await startTestStore()
t.teardown(store.stop)

const attribution = { actor: 'admin', request_id: 'r', remote_address: '127.0.0.1' }
const wish = (key: string, body = 'body'): Once => ({ key, body_sha256: body, status: 200, kept: false })
let made = 0

/** What a promise is rejected with. */
const refusalOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )

/** A registry behind a proxy of its own, with one principal. */
const open = async (t: { teardown: (end: () => void) => void }) => {
  const proxy = await startFaultProxy(store.engine.endpoint)
  const test = openTestRegistry(store, proxy.endpoint)
  t.teardown(async () => {
    test.close()
    await proxy.stop()
  })
  const id = `worker-${made++}`
  await test.plant({ principals: [principalRow(id, 'worker')] })
  let transactions = 0
  /** Applies to the first transactions, one each; all after them pass. */
  const faults = (...some: Fault[]) => {
    transactions = 0
    proxy.decide = (operation) =>
      operation === 'TransactWriteItems' ? (some[transactions++] ?? { kind: 'pass' }) : { kind: 'pass' }
  }
  return { ...test, proxy, id, faults, transactions: () => transactions }
}

/** Counts `rejoins` up by one, each time it is planned anew from what is there. */
const countUp = ({ registry }: TestRegistry, id: string, more: Partial<Operation<number>> = {}): Operation<number> => ({
  attribution,
  exclusive: `principal:${id}`,
  plan: async () => {
    const principal = await registry.principals.get(id)
    if (principal === undefined) throw new Error('it was planted')
    const rejoins = principal.rejoins + 1
    return {
      writes: [{ item: registry.principals.change(principal, { rejoins }) }],
      events: [{ action: 'principal.update', target: id }],
      changes: [{ type: 'principal_updated', principal_id: id }],
      answer: rejoins,
    }
  },
  ...more,
})

const eventsOf = async ({ registry }: TestRegistry, target: string) =>
  (await registry.audit.list({ since: 0, target, limit: 500 })).items.length

const happensOnce: [string, Fault[]][] = [
  ['passes', []],
  ['conflicts three times', [{ kind: 'conflict' }, { kind: 'conflict' }, { kind: 'conflict' }]],
  ['is throttled', [{ kind: 'throttle' }]],
  ['is done and its answer is lost', [{ kind: 'lose-answer' }]],
  ['is done, and twice its answer is lost', [{ kind: 'lose-answer' }, { kind: 'lose-answer' }]],
]
for (const [name, faults] of happensOnce) {
  t.test(`a transaction that ${name} has one effect, one event and one answer`, async (t) => {
    const test = await open(t)
    test.faults(...faults)
    const once = wish(`once-${test.id}`)
    t.equal(await test.registry.commit(countUp(test, test.id, { once })), 1)
    t.equal((await test.registry.principals.get(test.id))?.rejoins, 1)
    t.equal(await eventsOf(test, test.id), 1)
    t.equal(test.committed.length, 1, 'this process has acted on it')
    t.equal(test.held.size, 0, 'and its feed may read on')
    t.ok(once.kept)
    t.equal((await test.registry.answers.find(once.key))?.body, 1)
  })
}

t.test('an answer that never comes is given up after 5 s and read back', async (t) => {
  const test = await open(t)
  test.faults({ kind: 'hang-answer' })
  const started = performance.now()
  t.equal(await test.registry.commit(countUp(test, test.id)), 1)
  t.ok(performance.now() - started < 30_000)
  t.equal(test.transactions(), 1, 'nothing was sent again')
  t.equal(await eventsOf(test, test.id), 1)
})

/** Breaks the connection of the first transaction, and lets the store do it only when `release` is called. */
const holdFirst = (test: Awaited<ReturnType<typeof open>>) => {
  const send = Promise.withResolvers<void>()
  const done = Promise.withResolvers<void>()
  const transact = test.store.transact
  let first = true
  test.store.transact = async (items) => {
    if (!first) return transact(items)
    first = false
    void send.promise.then(() => withDeadline(5000, () => transact(items))).then(done.resolve, done.resolve)
    throw new Error('the connection broke')
  }
  return {
    release: () => {
      send.resolve()
      return done.promise
    },
  }
}

t.test('a commit that comes late is not done twice', async (t) => {
  for (const when of ['before the second plan', 'while the second is planned', 'after the second commit'] as const) {
    await t.test(when, async (t) => {
      const test = await open(t)
      const late = holdFirst(test)
      const { plan } = countUp(test, test.id)
      let plans = 0
      const answer = await test.registry.commit(
        countUp(test, test.id, {
          plan: async () => {
            plans++
            if (plans === 2 && when === 'before the second plan') await late.release()
            const planned = await plan()
            if (plans === 2 && when === 'while the second is planned') await late.release()
            return planned
          },
        }),
      )
      await late.release()
      t.equal(answer, 1)
      t.equal((await test.registry.principals.get(test.id))?.rejoins, 1)
      t.equal(await eventsOf(test, test.id), 1)
      t.equal(test.committed.length, 1)
    })
  }
})

t.test('what a late commit has made unchanged, or refused, is its own effect', async (t) => {
  for (const then of ['unchanged', 'refused'] as const) {
    await t.test(then, async (t) => {
      const test = await open(t)
      const late = holdFirst(test)
      const { plan } = countUp(test, test.id)
      const once = wish(`late-${test.id}`)
      let plans = 0
      const answer = await test.registry.commit(
        countUp(test, test.id, {
          once,
          plan: async () => {
            plans++
            if (plans === 1) return plan()
            await late.release()
            if (then === 'refused') throw new ControlError('invalid_transition', 'it is done already')
            return { unchanged: -1 }
          },
        }),
      )
      t.equal(answer, 1)
      t.ok(once.kept)
      t.equal(test.committed.length, 1, 'this process acts before it answers')
    })
  }
})

t.test('a wish that was granted before is answered as it was', async (t) => {
  const test = await open(t)
  const key = `kept-${test.id}`
  await test.registry.commit(countUp(test, test.id, { once: wish(key) }))
  const replayed = (error: unknown) => error instanceof AlreadyAnswered && error.body === 1
  t.ok(replayed(await refusalOf(test.registry.commit(countUp(test, test.id, { once: wish(key) })))))
  const refused = countUp(test, test.id, {
    once: wish(key),
    plan: () => Promise.reject(new ControlError('version_mismatch', 'it has changed since')),
  })
  t.ok(replayed(await refusalOf(test.registry.commit(refused))), 'also where its own effect now refuses it')
  const another = await refusalOf(test.registry.commit(countUp(test, test.id, { once: wish(key, 'another body') })))
  t.ok(isControlError(another, 'idempotency_key_reused'))
  t.equal((await test.registry.principals.get(test.id))?.rejoins, 1)
})

t.test('of fifty at once each sees the one before', async (t) => {
  const [here, there] = [await open(t), await open(t)]
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, i) => {
      const test = i % 2 === 0 ? here : there
      return test.registry.commit(countUp(test, here.id))
    }),
  )
  t.same(
    answers.sort((a, b) => a - b),
    Array.from({ length: 50 }, (_, i) => i + 1),
  )
})

t.test('who waits for another longer than it may is answered, and the next one is not held up', async (t) => {
  const test = await open(t)
  const go = Promise.withResolvers<void>()
  const { plan } = countUp(test, test.id)
  const slow = test.registry.commit(countUp(test, test.id, { plan: () => go.promise.then(plan) }))
  const started = performance.now()
  const late = await refusalOf(withDeadline(100, () => test.registry.commit(countUp(test, test.id))))
  t.ok(isControlError(late, 'store_unavailable'))
  t.ok(performance.now() - started < 20_000)
  const last = test.registry.commit(countUp(test, test.id))
  go.resolve()
  t.same(await Promise.all([slow, last]), [1, 2])
})

t.test('a store that conflicts for ever is given up, inside a request and outside of one', async (t) => {
  const test = await open(t)
  test.proxy.decide = (operation) => ({ kind: operation === 'TransactWriteItems' ? 'conflict' : 'pass' })
  const giveUp = async (run: () => Promise<number>, within: number) => {
    const started = performance.now()
    t.ok(isControlError(await refusalOf(run()), 'store_unavailable'))
    t.ok(performance.now() - started < within)
  }
  await Promise.all([
    giveUp(() => withDeadline(500, () => test.registry.commit(countUp(test, test.id))), 20_000),
    giveUp(() => test.registry.commit(countUp(test, `${test.id}`, { exclusive: 'another' })), 40_000),
  ])
  t.equal(test.held.size, 0)
})

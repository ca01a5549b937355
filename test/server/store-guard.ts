import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type RememberedMark, readRemembered } from '../../src/core/store-epoch.ts'
import { makeStoreGuard, type StoreGuardDeps } from '../../src/server/store-guard.ts'
import { makeStoreEpochs } from '../../src/store/epoch.ts'
import { openEpochFile } from '../../src/store/epoch-file.ts'
import type { EpochMemory } from '../../src/store/epoch-memory.ts'
import { openEpochParameter } from '../../src/store/epoch-parameter.ts'
import { controlKey } from '../../src/store/schema.ts'
import { eventually } from '../support/agent-stream.ts'
import { makeRequest } from '../support/client.ts'
import { startPlane } from '../support/plane.ts'
import { startSsm } from '../support/ssm.ts'
import { startTestStore, type TestStore } from '../support/store.ts'

const timing = { lookEvery: 100, lookAgain: 50, quickDelay: 50, slowDelay: 100, moveEvery: 60_000 }

const newFile = (t: Test): string => {
  const folder = mkdtempSync(join(tmpdir(), 'epoch-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'store-epoch')
}

const freshStore = async (t: Test): Promise<TestStore> => {
  const store = await startTestStore()
  t.teardown(store.stop)
  return store
}

/** A guard on real tables, and what it has said. */
const guardOn = (t: Test, { store }: TestStore, memory: EpochMemory, more: Partial<StoreGuardDeps> = {}) => {
  const told: Record<string, unknown>[] = []
  const tell = (line: Record<string, unknown>) => void told.push(line)
  const guard = makeStoreGuard({
    epochs: makeStoreEpochs(store),
    memory,
    implied: false,
    clock: Date.now,
    random: Math.random,
    log: { info: tell, warn: tell, error: tell, debug: tell } as never,
    onHeld: () => tell({ event: 'cut' }),
    isAnswering: () => true,
    timing,
    ...more,
  })
  t.teardown(guard.stop)
  const says = (event: string, why?: string) =>
    eventually(() => told.some((line) => line['event'] === event && (why === undefined || line['why'] === why)))
  return { guard, told, says }
}

const remembered = (path: string) => readRemembered(readFileSync(path, 'utf8')) as RememberedMark

t.test('servers that start at once on fresh tables agree on one mark', async (t) => {
  const store = await freshStore(t)
  const path = newFile(t)
  const guards = Array.from({ length: 4 }, () => guardOn(t, store, openEpochFile(path)).guard)
  await Promise.all(guards.map((guard) => guard.start()))
  t.ok(guards.every((guard) => guard.isOpen()))
  // All of them change something at once, again and again; the memory ends with the highest mark.
  for (let round = 0; round < 5; round++)
    await Promise.all(guards.map((guard) => guard.afterCommit(['certificate.revoke'])))
  const epochs = makeStoreEpochs(store.store)
  t.ok(await eventually(async () => remembered(path).number === (await epochs.get())?.number))
  const inside = await epochs.get()
  t.match(inside, { epoch: remembered(path).epoch, published: true })
  t.ok((inside?.number ?? 0) > 4)
  t.match(remembered(path).table_ids, { principals: /./, certificates: /./, control: /./ })
})

t.test('a start that was cut off anywhere is gone on with', async (t) => {
  const store = await freshStore(t)
  const path = newFile(t)
  const epochs = makeStoreEpochs(store.store)
  await epochs.create(Date.now())
  const first = guardOn(t, store, openEpochFile(path))
  await first.guard.start()
  t.ok(first.guard.isOpen(), 'tables marked, nothing outside')
  await first.guard.stop()

  const { epoch } = remembered(path)
  await epochs.advance(epoch, Date.now())
  const second = guardOn(t, store, openEpochFile(path))
  await second.guard.start()
  t.ok(second.guard.isOpen(), 'tables ahead')
  t.notOk(second.told.some(({ event }) => event === 'admission_held'))
})

t.test('who is told of a revocation can rely on it: the memory knows before the answer', async (t) => {
  const path = newFile(t)
  const plane = await startPlane(t, { env: { AIRUNNER_STORE_EPOCH_FILE: path } })
  const epochs = makeStoreEpochs(plane.store.store)
  for (const name of ['worker-1', 'worker-2', 'worker-3']) {
    const { issued } = await plane.enrol(name)
    const before = remembered(path).number
    const answer = await plane.admin.post(`/v1/certificates/${issued.certificate.serial_number}/revoke`, {
      reason: 'unspecified',
    })
    t.equal(answer.status, 200)
    t.ok(remembered(path).number > before, 'moved')
    t.ok(remembered(path).number <= ((await epochs.get())?.number ?? 0), 'and never ahead of the tables')
  }
})

t.test('tables that are exchanged under a running server let nobody in any more', async (t) => {
  const path = newFile(t)
  const plane = await startPlane(t, { env: { AIRUNNER_STORE_EPOCH_FILE: path }, guardTiming: timing })
  const worker = await plane.enrol('worker-1')
  const row = { TableName: plane.store.tables.control, Key: controlKey.storeEpoch() }
  const then = await plane.store.store.get(row)
  const token = (await plane.admin.post('/v1/join-tokens', { principal_type: 'worker', id_prefix: 'w-' })).body
  await plane.admin.post('/v1/principals/worker-1/suspend', { reason: 'a look' })
  await plane.admin.post('/v1/principals/worker-1/activate', {})
  t.equal((await worker.client.get('/v1/whoami')).status, 200)
  const socket = await worker.client.open()
  const ended = new Promise((resolve) => socket.once('close', resolve))
  const now = await plane.store.store.get(row)

  await plane.store.store.put({ TableName: row.TableName, Item: then ?? {} })
  await t.rejects(plane.server.plane.publishCrl(plane.authority.issuer.issuer_id), { code: 'store_unavailable' })
  await ended
  t.pass('open connections are cut')
  t.match(await plane.admin.get('/v1/whoami'), { status: 503, body: { code: 'store_unavailable' } })
  const { body } = await worker.client.get('/v1/whoami')
  t.equal(body.detail, undefined, 'who is not let in is told no more than the code')
  const { csr_pem } = await makeRequest()
  const join_token = token.join_token
  const anybody = plane.clientOf(undefined, { ...plane.server, mtls: plane.server.enroll })
  t.match(await anybody.post('/v1/enrollments', { method: 'token', join_token, csr_pem }), {
    status: 503,
    body: { code: 'store_unavailable' },
  })
  t.same(await (await fetch(`http://${plane.server.health}/readyz`)).text(), 'store_epoch')
  t.equal((await fetch(`http://${plane.server.health}/health`)).status, 200)
  t.match(await (await fetch(`http://${plane.server.metrics}/metrics`)).text(), /airunner_admission_held 1/)
  const line = plane.server.logged.find(({ event }) => event === 'admission_held')
  t.match(line, { why: 'tables_older', reason: /airunner restore confirm/ })

  // The right ones are back.
  await plane.store.store.put({ TableName: row.TableName, Item: { ...now, number: Number(now?.['number']) + 10 } })
  t.ok(await eventually(async () => (await worker.client.get('/v1/whoami')).status === 200))
})

t.test(
  'restored tables on which another server has gone on by as much as they had lost are found all the same',
  async (t) => {
    const store = await freshStore(t)
    const epochs = makeStoreEpochs(store.store)
    const row = { TableName: store.tables.control, Key: controlKey.storeEpoch() }
    // One that has looked long ago, and one that has seen every change.
    for (const lost of [1, 2, 3]) {
      const memory = openEpochFile(newFile(t))
      await store.store.transact([{ Delete: row }])
      const rare = { ...timing, lookEvery: 3_600_000 }
      const quiet = guardOn(t, store, memory, { timing: rare })
      await quiet.guard.start()
      const busy = guardOn(t, store, memory, { timing: rare })
      await busy.guard.start()
      await busy.guard.afterCommit(['certificate.revoke'])
      const then = await store.store.get(row)
      for (let n = 0; n < lost; n++) await busy.guard.afterCommit(['certificate.revoke'])
      const answered = await memory.read()
      await store.store.put({ TableName: row.TableName, Item: then ?? {} })
      await quiet.guard.afterCommit(['certificate.revoke'])
      t.notOk(quiet.guard.isOpen(), `${lost} lost, one made anew`)
      t.same(await memory.read(), answered, 'what was answered is not forgotten')
      t.ok(((await epochs.get())?.number ?? 0) <= (answered?.number ?? 0))
      await Promise.all([quiet.guard.stop(), busy.guard.stop()])
    }
  },
)

t.test(
  'a Parameter Store that is slow, silent or away: nobody gets in before the first answer, nobody goes out after',
  async (t) => {
    const store = await freshStore(t)
    const ssm = await startSsm()
    t.teardown(ssm.stop)
    const memory = openEpochParameter({ name: '/a/store-epoch', client: ssm.client, budget: 300 })
    for (const fault of [
      { kind: 'hang' },
      { kind: 'refuse' },
      { kind: 'error', name: 'InternalServerError', status: 500 },
    ] as const) {
      ssm.decide = () => fault
      const { guard, says } = guardOn(t, store, memory)
      const started = guard.start()
      t.ok(await says('admission_held', 'memory_unread'), fault.kind)
      t.notOk(guard.isOpen())
      t.throws(() => guard.mustBeOpen(), { code: 'store_unavailable' })
      ssm.decide = () => ({ kind: 'pass' })
      await started
      t.ok(guard.isOpen())
      ssm.decide = () => fault
      t.ok(await says('store_epoch_unread'))
      t.ok(guard.isOpen(), 'an outage closes nothing')
      // A revocation is not held up by it, and is remembered when it is back.
      await guard.afterCommit(['certificate.revoke'])
      t.ok(await eventually(() => !guard.isWell()), 'not ready')
      ssm.decide = () => ({ kind: 'slow', milliseconds: 100 })
      t.ok(await eventually(() => guard.isWell()))
      ssm.decide = () => ({ kind: 'pass' })
      await guard.stop()
    }
    ssm.parameters.set('/a/store-epoch', { value: 'something else', type: 'String' })
    const { guard, says } = guardOn(t, store, memory)
    void guard.start()
    t.ok(await says('admission_held', 'memory_unreadable'))
  },
)

t.test(
  'not being allowed to the parameter: a warning where nobody asked for it, and nobody gets in where somebody did',
  async (t) => {
    const ssm = await startSsm()
    t.teardown(ssm.stop)
    const memory = openEpochParameter({ name: '/a/store-epoch', client: ssm.client, budget: 300 })
    for (const operation of ['GetParameters', 'PutParameter']) {
      ssm.parameters.clear()
      const store = await freshStore(t)
      ssm.decide = (called) =>
        called === operation ? { kind: 'error', name: 'AccessDeniedException', status: 400 } : { kind: 'pass' }
      const implied = guardOn(t, store, memory, { implied: true })
      await implied.guard.start()
      t.ok(implied.guard.isOpen(), operation)
      t.ok(await implied.says('store_epoch_off'))
      const asked = guardOn(t, store, memory)
      void asked.guard.start()
      t.ok(await asked.says('admission_held', 'memory_unread'))
      t.notOk(asked.guard.isOpen())
      // Allowed by now: both go on, and from then on it is missed.
      ssm.decide = () => ({ kind: 'pass' })
      t.ok(await eventually(() => asked.guard.isOpen() && ssm.parameters.has('/a/store-epoch')))
      await Promise.all([implied.guard.stop(), asked.guard.stop()])
      ssm.decide = (called) =>
        called === operation ? { kind: 'error', name: 'AccessDeniedException', status: 400 } : { kind: 'pass' }
      if (operation === 'PutParameter') continue
      const later = guardOn(t, store, memory, { implied: true })
      void later.guard.start()
      t.ok(await later.says('admission_held', 'memory_unread'))
      t.notOk(later.guard.isOpen(), 'a memory that was used once is not done without')
    }
  },
)

t.test('a file that cannot be used lets nobody in', async (t) => {
  const store = await freshStore(t)
  for (const [name, path, why] of [
    ['a directory', tmpdir(), 'memory_unreadable'],
    ['below a file', join(import.meta.filename, 'x'), 'memory_unread'],
    ['in no directory', join(newFile(t), 'x', 'y'), 'memory_unread'],
  ] as const) {
    const { guard, says } = guardOn(t, store, openEpochFile(path))
    void guard.start()
    t.ok(await says('admission_held', why), name)
    t.notOk(guard.isOpen(), name)
    await guard.stop()
  }
  const path = newFile(t)
  writeFileSync(path, 'x'.repeat(10_000))
  const { guard, says } = guardOn(t, store, openEpochFile(path))
  void guard.start()
  t.ok(await says('admission_held', 'memory_unreadable'), 'too long')
})

import t from 'tap'
import { isControlError } from '../../src/core/errors.ts'
import { makeAdmissionRows } from '../../src/store/admission-rows.ts'
import { withDeadline } from '../../src/store/deadline.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { certificateRow, principalRow } from '../support/http-apps.ts'
import { openTestRegistry } from '../support/registry.ts'
import { startTestStore } from '../support/store.ts'

const store = await startTestStore()
const proxy = await startFaultProxy(store.engine.endpoint)
const test = openTestRegistry(store, proxy.endpoint)
t.teardown(async () => {
  test.close()
  await proxy.stop()
  await store.stop()
})
const size = 120
const wanted = Array.from({ length: size }, (_, i) => ({
  serial_number: i.toString(16).padStart(32, '0'),
  principal_id: `worker-${i}`,
}))
await test.plant({
  principals: wanted.map(({ principal_id }) => principalRow(principal_id, 'worker')),
  certificates: wanted.map(({ serial_number, principal_id }) =>
    certificateRow(serial_number, principalRow(principal_id, 'worker')),
  ),
})
const slow = (milliseconds: number) => {
  proxy.decide = () => ({ kind: 'slow', milliseconds })
}

t.test('many that ask at once share few calls, and each gets its own rows', async (t) => {
  const { read } = makeAdmissionRows(test.store)
  test.calls.clear()
  const found = await Promise.all(wanted.map(read))
  t.same(
    found.map((rows) => [rows.certificate?.serial_number, rows.principal?.principal_id]),
    wanted.map((one) => [one.serial_number, one.principal_id]),
  )
  t.equal(test.calls.get('batch_get'), Math.ceil(size / 50))
})

t.test('a principal is given out only with a certificate that names it', async (t) => {
  const { read } = makeAdmissionRows(test.store)
  const [first, second] = wanted
  const mixed = await read({ serial_number: first?.serial_number ?? '', principal_id: second?.principal_id ?? '' })
  t.equal(mixed.certificate?.principal_id, first?.principal_id)
  t.equal(mixed.principal, undefined)
  t.same(await read({ serial_number: 'f'.repeat(32), principal_id: 'worker-1' }), {
    certificate: undefined,
    principal: undefined,
  })
})

t.test('who is short of time is answered in time, and takes nobody along', async (t) => {
  const { read } = makeAdmissionRows(test.store)
  slow(2000)
  t.teardown(() => slow(0))
  const [first] = wanted.map((one) => () => read(one))
  const hurried = withDeadline(100, async () => first?.()).then(
    () => t.fail('the store is slower'),
    (error) => t.ok(isControlError(error, 'store_unavailable')),
  )
  const patient = withDeadline(20_000, () => Promise.all(wanted.slice(1, 5).map(read)))
  await hurried
  for (const rows of await patient) t.ok(rows.certificate)
  // The chain of reads that the hurried one began goes on for others, without its deadline.
  const later = await withDeadline(20_000, () => Promise.all(wanted.map(read)))
  t.ok(later.every((rows) => rows.certificate !== undefined))
})

import t from 'tap'
import { findBreaches } from '../support/checker.ts'
import { makeRequest } from '../support/client.ts'
import { startPlane } from '../support/plane.ts'

t.test('of 50 issues at the last free place, on two servers, exactly one wins', async (t) => {
  const plane = await startPlane(t)
  const second = await plane.startServer()
  const other = plane.clientOf(plane.admin.identity, second)
  await plane.enrol('worker-1')
  await plane.issue('worker-1')
  const requests = await Promise.all(Array.from({ length: 50 }, () => makeRequest()))
  const answers = await Promise.all(
    requests.map(({ csr_pem }, i) =>
      (i % 2 === 0 ? plane.admin : other).post('/v1/certificates', { principal_id: 'worker-1', csr_pem }),
    ),
  )
  t.same(
    answers
      .map((answer) => answer.status)
      .sort()
      .slice(0, 2),
    [201, 409],
  )
  t.equal(answers.filter((answer) => answer.body.code === 'certificate_quota_exceeded').length, 49)
  t.same(await findBreaches(plane.store.store), [])
})

t.test('of ten renewals of one certificate at most one live successor is left', async (t) => {
  const plane = await startPlane(t)
  const second = await plane.startServer()
  const { identity, client, issued } = await plane.enrol('worker-1')
  const other = plane.clientOf(identity, second)
  const requests = await Promise.all(Array.from({ length: 10 }, () => makeRequest()))
  const answers = await Promise.all(
    requests.map(({ csr_pem }, i) => (i % 2 === 0 ? client : other).post('/v1/renewals', { csr_pem })),
  )
  t.ok(answers.some((answer) => answer.status === 201))
  t.ok(
    answers.every((answer) => [201, 503].includes(answer.status)),
    answers.map((answer) => answer.status).join(),
  )
  const { body } = await plane.admin.get('/v1/certificates?principal_id=worker-1')
  const live = body.items.filter((one: { status: string }) => one.status === 'active')
  t.equal(live.length, 2, 'the predecessor and one successor')
  t.ok(live.some((one: { serial_number: string }) => one.serial_number === issued.certificate.serial_number))
  t.same(await findBreaches(plane.store.store), [])
})

t.test('the same idempotency key on two servers gives one certificate', async (t) => {
  const plane = await startPlane(t)
  const second = await plane.startServer()
  const other = plane.clientOf(plane.admin.identity, second)
  await plane.admin.post('/v1/principals', { principal_id: 'worker-1', type: 'worker' })
  const { csr_pem } = await makeRequest()
  const body = { principal_id: 'worker-1', csr_pem }
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, i) =>
      (i % 2 === 0 ? plane.admin : other).post('/v1/certificates', body, { key: 'one' }),
    ),
  )
  t.same([...new Set(answers.map((answer) => answer.status))], [201])
  t.equal(new Set(answers.map((answer) => JSON.stringify(answer.body))).size, 1, 'to the letter')
  const reused = await other.post('/v1/certificates', { ...body, description: 'another' }, { key: 'one' })
  t.equal(reused.body.code, 'idempotency_key_reused')
  t.equal(reused.status, 422)
  const { body: list } = await plane.admin.get('/v1/certificates?principal_id=worker-1')
  t.equal(list.items.length, 1)
  t.same(await findBreaches(plane.store.store), [])
})

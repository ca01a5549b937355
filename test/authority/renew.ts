import t from 'tap'
import { controlKey } from '../../src/store/schema.ts'
import { findBreaches } from '../support/checker.ts'
import { identityOf, makeKey, makeRequest } from '../support/client.ts'
import { startPlane } from '../support/plane.ts'

t.test('the last admin cannot renew itself into an hour without any', async (t) => {
  const plane = await startPlane(t)
  const { key, csr_pem } = await makeRequest()
  const short = await plane.admin.post('/v1/renewals', { csr_pem, validity_seconds: 600 })
  t.same([short.status, short.body.code], [409, 'last_admin'])
  const { status, body } = await plane.admin.post('/v1/renewals', { csr_pem, validity_seconds: 7200 })
  t.equal(status, 201)
  t.equal((await plane.clientOf(identityOf(body, key)).get('/v1/whoami')).status, 200)
  t.same(await findBreaches(plane.store.store), [])
})

t.test('a key stays its holder’s while any certificate of it lives, also after a shorter one', async (t) => {
  const plane = await startPlane(t)
  await plane.admin.post('/v1/principals', { principal_id: 'worker-1', type: 'worker' })
  const { key, csr_pem } = await makeRequest(makeKey())
  const first = await plane.admin.post('/v1/certificates', { principal_id: 'worker-1', csr_pem })
  const worker = plane.clientOf(identityOf(first.body, key))
  t.equal((await worker.post('/v1/renewals', { csr_pem, validity_seconds: 300 })).status, 201)
  const { store } = plane.store
  const row = await store.get({
    TableName: store.tables.certificates,
    Key: { serial_number: first.body.certificate.serial_number },
  })
  const record = await store.get({ TableName: store.tables.control, Key: controlKey.key(String(row?.['spki_sha256'])) })
  t.ok(Number(record?.['ttl']) >= Number(row?.['ttl']))
})

const stale: [what: string, change: string, values: Record<string, unknown>, code: string][] = [
  ['suspended', 'SET #status = :new', { ':new': 'suspended' }, 'principal_suspended'],
  ['deleted', 'SET #status = :new', { ':new': 'deleted' }, 'principal_deleted'],
]
t.test('a renewal is decided by the rows as they are, not as admission has read them', async (t) => {
  const plane = await startPlane(t)
  const { store } = plane.store
  const join = async (principal_id: string) => {
    await plane.admin.post('/v1/principals', { principal_id, type: 'worker' })
    const { key, csr_pem } = await makeRequest()
    const { body } = await plane.admin.post('/v1/certificates', { principal_id, csr_pem })
    const worker = plane.clientOf(identityOf(body, key))
    // The decision is kept from here on; nothing but the table tells of what an operator does by hand.
    t.equal((await worker.get('/v1/whoami')).status, 200)
    return { worker, serial_number: body.certificate.serial_number as string }
  }
  const renew = async (worker: Awaited<ReturnType<typeof join>>['worker']) =>
    worker.post('/v1/renewals', { csr_pem: (await makeRequest()).csr_pem })

  for (const [what, UpdateExpression, ExpressionAttributeValues, code] of stale) {
    const { worker } = await join(`worker-${what}`)
    await store.update({
      TableName: store.tables.principals,
      Key: { principal_id: `worker-${what}` },
      UpdateExpression,
      ExpressionAttributeNames: { '#status': 'status' },
      ExpressionAttributeValues,
    })
    t.equal((await renew(worker)).body.code, code, what)
  }
  const { worker: revoked, serial_number } = await join('worker-revoked')
  await store.update({
    TableName: store.tables.certificates,
    Key: { serial_number },
    UpdateExpression: 'SET #revoked = :true',
    ExpressionAttributeNames: { '#revoked': 'revoked' },
    ExpressionAttributeValues: { ':true': true },
  })
  t.equal((await renew(revoked)).body.code, 'certificate_revoked')

  // The second one meets the place that the first has changed, and takes its successor's.
  const { worker } = await join('worker-twice')
  const [first, second] = [await renew(worker), await renew(worker)]
  t.same([first.status, second.status], [201, 201])
  const { body } = await plane.admin.get(`/v1/certificates/${first.body.certificate.serial_number}`)
  t.equal(body.status, 'revoked')
})

t.test('many renewals of one certificate at once leave one successor', async (t) => {
  const plane = await startPlane(t)
  await plane.admin.post('/v1/principals', { principal_id: 'worker-1', type: 'worker' })
  const { key, csr_pem } = await makeRequest()
  const { body } = await plane.admin.post('/v1/certificates', { principal_id: 'worker-1', csr_pem })
  const worker = plane.clientOf(identityOf(body, key))
  t.equal((await worker.get('/v1/whoami')).status, 200)
  const requests = await Promise.all(Array.from({ length: 10 }, () => makeRequest()))
  const answers = await Promise.all(requests.map((one) => worker.post('/v1/renewals', { csr_pem: one.csr_pem })))
  t.same(
    answers.map(({ status }) => status),
    answers.map(() => 201),
  )
  t.same(await findBreaches(plane.store.store), [])
})

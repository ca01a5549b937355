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

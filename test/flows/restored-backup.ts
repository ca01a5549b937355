import { DeleteCommand, PutCommand, ScanCommand } from '@aws-sdk/lib-dynamodb'
import t from 'tap'
import { startPlane, type TestPlane } from '../support/plane.ts'

const rowsOf = async ({ store }: TestPlane) =>
  Promise.all(
    [store.tables.principals, store.tables.certificates].map(async (TableName) => ({
      TableName,
      items: (await store.store.documents.send(new ScanCommand({ TableName, ConsistentRead: true }))).Items ?? [],
    })),
  )

t.test('what a restored backup lets in again is out after the runbook', async (t) => {
  const plane = await startPlane(t)
  const [revoked, suspended] = [await plane.enrol('worker-1'), await plane.enrol('worker-2')]
  const { serial_number } = revoked.issued.certificate
  const backup = await rowsOf(plane)
  await plane.admin.post(`/v1/certificates/${serial_number}/revoke`, { reason: 'unspecified' })
  await plane.admin.post('/v1/principals/worker-2/suspend', { reason: 'a look' })

  // Step 2: what was taken away, while the old tables can be read.
  const { items: certificates } = (await plane.admin.get('/v1/certificates?status=revoked')).body
  const { items: principals } = (await plane.admin.get('/v1/principals?status=suspended')).body
  await plane.server.stop()
  for (const { TableName, items } of backup)
    for (const Item of items) await plane.store.store.documents.send(new PutCommand({ TableName, Item }))

  // The backup's feed ends with the backup.
  const TableName = plane.store.tables.control
  const { Items = [] } = await plane.store.store.documents.send(new ScanCommand({ TableName, ConsistentRead: true }))
  for (const { pk, sk } of Items)
    if (String(pk).startsWith('FEED#'))
      await plane.store.store.documents.send(new DeleteCommand({ TableName, Key: { pk, sk } }))

  const server = await plane.startServer()
  const admin = plane.clientOf(plane.admin.identity, server)
  const clients = [revoked, suspended].map(({ identity }) => plane.clientOf(identity, server))
  for (const client of clients) t.equal((await client.get('/v1/whoami')).status, 200, 'the danger is real')

  // Step 3: do it again.
  for (const one of certificates) {
    const path = `/v1/certificates/${one.serial_number}/revoke`
    t.equal((await admin.post(path, { reason: one.revocation_reason })).status, 200)
  }
  for (const one of principals)
    t.equal((await admin.post(`/v1/principals/${one.principal_id}/suspend`, { reason: 'restore' })).status, 200)
  const codes = await Promise.all(clients.map(async (client) => (await client.get('/v1/whoami')).body.code))
  t.same(codes, ['certificate_revoked', 'principal_suspended'])
})

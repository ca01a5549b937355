import { once } from 'node:events'
import { UpdateCommand } from '@aws-sdk/lib-dynamodb'
import t from 'tap'
import { startPlane, type TestPlane } from '../support/plane.ts'

const setByHand = (plane: TestPlane, TableName: string, Key: Record<string, string>, name: string, value: unknown) =>
  plane.store.store.documents.send(
    new UpdateCommand({
      TableName,
      Key,
      UpdateExpression: 'SET #name = :value',
      ExpressionAttributeNames: { '#name': name },
      ExpressionAttributeValues: { ':value': value },
    }),
  )

t.test('a revocation or suspension set by hand in the table cuts an idle stream within 60 s', async (t) => {
  const plane = await startPlane(t)
  const [revoked, suspended, other] = await Promise.all(['one', 'two', 'three'].map((id) => plane.enrol(id)))
  if (!revoked || !suspended || !other) throw new Error('three were enrolled')
  const open = async ({ client }: typeof revoked) => {
    const socket = await client.open()
    socket.on('error', () => undefined)
    socket.write('GET /v1/agent/events HTTP/1.1\r\nHost: localhost\r\nAirunner-Instance: one\r\n\r\n')
    await once(socket, 'data')
    socket.resume()
    return socket
  }
  const [a, b, c] = [await open(revoked), await open(suspended), await open(other)]
  const { tables } = plane.store
  await setByHand(
    plane,
    tables.certificates,
    { serial_number: revoked.issued.certificate.serial_number },
    'revoked',
    true,
  )
  await setByHand(plane, tables.principals, { principal_id: 'two' }, 'status', 'suspended')
  const started = Date.now()
  await Promise.all([a, b].map((socket) => (socket.destroyed ? undefined : once(socket, 'close'))))
  t.ok(Date.now() - started < 60_000)
  t.notOk(c.destroyed, 'and no other')
  t.equal((await revoked.client.get('/v1/whoami')).body.code, 'certificate_revoked')
  t.equal((await suspended.client.get('/v1/whoami')).body.code, 'principal_suspended')
  c.destroy()
})

t.test('a suspension by hand is made complete by the call: every server is told, and the list of admins', async (t) => {
  const plane = await startPlane(t)
  const second = await plane.startServer()
  const { identity, client } = await plane.enrol('admin-2', 'admin')
  const there = await plane.clientOf(identity, second).open()
  there.on('error', () => undefined)
  there.write('GET /v1/whoami HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await once(there, 'data')
  there.resume()
  await setByHand(plane, plane.store.tables.principals, { principal_id: 'admin-2' }, 'status', 'suspended')
  const started = Date.now()
  const { status, body } = await plane.admin.post('/v1/principals/admin-2/suspend', { reason: 'stolen' })
  t.same([status, body.suspended_reason], [200, 'stolen'])
  if (!there.destroyed) await once(there, 'close')
  t.ok(Date.now() - started < 30_000)
  t.equal((await client.get('/v1/whoami')).body.code, 'principal_suspended')
  t.equal((await plane.admin.call('DELETE', '/v1/principals/admin-test')).body.code, 'last_admin')
})

import { UpdateCommand } from '@aws-sdk/lib-dynamodb'
import t from 'tap'
import { findBreaches } from '../support/checker.ts'
import { identityOf, makeRequest } from '../support/client.ts'
import { type Member, startPlane, type TestPlane } from '../support/plane.ts'

const renew = async (plane: TestPlane, { client }: Pick<Member, 'client'>): Promise<Member> => {
  const { key, csr_pem } = await makeRequest()
  const { status, body } = await client.post('/v1/renewals', { csr_pem })
  if (status !== 201) throw new Error(JSON.stringify(body))
  const identity = identityOf(body, key)
  return { issued: body, identity, client: plane.clientOf(identity) }
}

/** Renews and uses, again and again: every one of them is within its grace. */
const renewOften = async (plane: TestPlane, first: Member, times: number): Promise<Member[]> => {
  const all = [first]
  for (let i = 0; i < times; i++) {
    const next = await renew(plane, all.at(-1) ?? first)
    if ((await next.client.get('/v1/whoami')).status !== 200) throw new Error('it is good')
    all.push(next)
  }
  return all
}

/** Asked once more when news of the revocation, from the other server, cuts the connection in the middle of a request. */
const codeOf = async ({ client }: Member): Promise<string> => {
  const ask = () => client.get('/v1/whoami')
  return (await ask().catch(ask)).body.code
}

t.test('who renews again and again does not get away from a compromised key', async (t) => {
  const plane = await startPlane(t)
  const first = await plane.enrol('worker-1')
  const bystander = await plane.issue('worker-1')
  const all = await renewOften(plane, first, 40)
  all.push(await renew(plane, all.at(-1) ?? first))
  const path = `/v1/certificates/${first.issued.certificate.serial_number}/revoke`
  const second = await plane.startServer()
  const admin = plane.clientOf(plane.admin.identity, second)
  // Both go through more than one transaction, and neither waits for what the other has done.
  const answers = await Promise.all([plane.admin, admin].map((one) => one.post(path, { reason: 'key_compromise' })))
  t.same(
    answers.map((answer) => answer.status),
    [200, 200],
  )
  t.same([...new Set(await Promise.all(all.map(codeOf)))], ['certificate_revoked'])
  t.equal((await bystander.client.get('/v1/whoami')).status, 200, 'another lineage of the same principal goes on')
  t.same(await findBreaches(plane.store.store), [])
})

t.test('an unused successor of a certificate that is revoked by hand is refused', async (t) => {
  const plane = await startPlane(t)
  const first = await plane.enrol('worker-1')
  const stolen = await renew(plane, first)
  await plane.store.store.documents.send(
    new UpdateCommand({
      TableName: plane.store.tables.certificates,
      Key: { serial_number: first.issued.certificate.serial_number },
      UpdateExpression: 'SET revoked = :true',
      ExpressionAttributeValues: { ':true': true },
    }),
  )
  const { status, body } = await stolen.client.get('/v1/whoami')
  t.same([status, body.code], [401, 'certificate_revoked'])
})

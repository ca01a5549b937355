import t from 'tap'
import { findBreaches } from '../support/checker.ts'
import { identityOf, makeKey, makeRequest } from '../support/client.ts'
import { startPlane, type TestPlane } from '../support/plane.ts'

/** Renews a certificate, without using what comes back. */
const renew = async (plane: TestPlane, client: TestPlane['admin'], key = makeKey(), body = {}) => {
  const request = await makeRequest(key)
  const answer = await client.post('/v1/renewals', { csr_pem: request.csr_pem, ...body })
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body))
  const identity = identityOf(answer.body, request.key)
  return { issued: answer.body, identity, client: plane.clientOf(identity) }
}

const life = (certificate: { not_before: string; expires_at: string }): number =>
  Date.parse(certificate.expires_at) - Date.parse(certificate.not_before)

t.test('an unused successor dies with its revoked predecessor', async (t) => {
  const plane = await startPlane(t)
  const { client, issued } = await plane.enrol('worker-1')
  const stolen = await renew(plane, client)
  await plane.admin.post(`/v1/certificates/${issued.certificate.serial_number}/revoke`, { reason: 'key_compromise' })
  t.equal((await stolen.client.get('/v1/whoami')).body.code, 'certificate_revoked')
  t.same(await findBreaches(plane.store.store), [])
})

t.test(
  'with its key compromised all that was renewed from a certificate is revoked, and its keys never return',
  async (t) => {
    const plane = await startPlane(t, { flags: { supersedeGrace: '0' } })
    const key = makeKey()
    const first = await plane.enrol('worker-1')
    const second = await renew(plane, first.client, key)
    t.equal((await second.client.get('/v1/whoami')).status, 200)
    const third = await renew(plane, second.client)
    t.equal((await third.client.get('/v1/whoami')).status, 200)
    const fourth = await renew(plane, third.client)
    await plane.admin.post(`/v1/certificates/${first.issued.certificate.serial_number}/revoke`, {
      reason: 'key_compromise',
    })
    for (const { client } of [second, third, fourth])
      t.equal((await client.get('/v1/whoami')).body.code, 'certificate_revoked')
    const { csr_pem } = await makeRequest(key)
    const again = await plane.admin.post('/v1/certificates', { principal_id: 'worker-1', csr_pem })
    t.equal(again.status, 409)
    t.equal(again.body.code, 'key_already_registered')
    t.same(await findBreaches(plane.store.store), [])
  },
)

t.test('a superseded certificate is refused after its grace, and its use is audited', async (t) => {
  let ahead = 0
  const plane = await startPlane(t, { flags: { supersedeGrace: '30s' }, clock: () => Date.now() + ahead })
  const first = await plane.enrol('worker-1')
  const second = await renew(plane, first.client)
  t.equal((await first.client.get('/v1/whoami')).status, 200, 'good until the successor is used')
  t.equal((await second.client.get('/v1/whoami')).status, 200)
  t.equal((await first.client.get('/v1/whoami')).status, 200, 'good within the grace')
  const late = await first.client.post('/v1/renewals', await makeRequest().then(({ csr_pem }) => ({ csr_pem })))
  t.equal(late.body.code, 'invalid_transition', 'but not renewed again')
  ahead = 31_000
  const refused = await first.client.get('/v1/whoami')
  t.equal(refused.status, 401)
  t.equal(refused.body.code, 'certificate_superseded')
  const { serial_number } = first.issued.certificate
  const audited = async () =>
    (await plane.admin.get(`/v1/audit-events?target=${serial_number}&action=certificate.reuse`)).body.items
  for (let tries = 0; tries < 600 && (await audited()).length === 0; tries++)
    await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal((await audited()).length, 1)
  t.same(await findBreaches(plane.store.store), [])
})

t.test('a renewal never lengthens a life', async (t) => {
  const plane = await startPlane(t)
  const first = await plane.enrol('worker-1', 'worker', 600)
  const longer = await renew(plane, first.client, makeKey(), { validity_seconds: 86_400 })
  t.equal(life(longer.issued.certificate), life(first.issued.certificate))
  const shorter = await renew(plane, first.client, makeKey(), { validity_seconds: 300 })
  t.ok(life(shorter.issued.certificate) < life(first.issued.certificate))
  t.equal((await longer.client.get('/v1/whoami')).body.code, 'certificate_revoked', 'renewing again revokes the unused')
  t.equal((await shorter.client.get('/v1/whoami')).status, 200)
  const grandchild = await renew(plane, shorter.client)
  t.equal(life(grandchild.issued.certificate), life(shorter.issued.certificate))
})

t.test('another principal’s key, and an authority’s, are refused', async (t) => {
  const plane = await startPlane(t)
  const key = makeKey()
  const { csr_pem } = await makeRequest(key)
  for (const principal_id of ['worker-1', 'worker-2'])
    await plane.admin.post('/v1/principals', { principal_id, type: 'worker' })
  t.equal((await plane.admin.post('/v1/certificates', { principal_id: 'worker-1', csr_pem })).status, 201)
  const other = await plane.admin.post('/v1/certificates', { principal_id: 'worker-2', csr_pem })
  t.equal(other.body.code, 'key_already_registered')
  t.same(await findBreaches(plane.store.store), [])
})

t.test('the last admin can neither be suspended nor deleted nor lose its certificate', async (t) => {
  const plane = await startPlane(t)
  const { certificate } = (await plane.admin.get('/v1/whoami')).body
  const attempts = [
    plane.admin.post('/v1/principals/admin-test/suspend', { reason: 'a mistake' }),
    plane.admin.call('DELETE', '/v1/principals/admin-test'),
    plane.admin.post(`/v1/certificates/${certificate.serial_number}/revoke`, { reason: 'unspecified' }),
  ]
  for (const answer of await Promise.all(attempts)) {
    t.equal(answer.status, 409)
    t.equal(answer.body.code, 'last_admin')
  }
  await plane.enrol('admin-2', 'admin', 1800)
  t.equal(
    (await plane.admin.call('DELETE', '/v1/principals/admin-test')).body.code,
    'last_admin',
    'half an hour is not enough',
  )
  const second = await plane.enrol('admin-3', 'admin')
  // The loser may be cut off before it hears of it.
  const races = await Promise.allSettled([
    plane.admin.post('/v1/principals/admin-3/suspend', { reason: 'race' }),
    second.client.post('/v1/principals/admin-test/suspend', { reason: 'race' }),
  ])
  const won = races.filter((race) => race.status === 'fulfilled' && race.value.status === 200)
  t.equal(won.length, 1, 'of two that suspend each other, one stays')
  t.same(await findBreaches(plane.store.store), [])
})

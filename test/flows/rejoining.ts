import { createPrivateKey } from 'node:crypto'
import t, { type Test } from 'tap'
import { displacedBy } from '../../src/authority/rejoin.ts'
import { makeRemoveDeparted } from '../../src/authority/remove-departed.ts'
import { openRegistry } from '../../src/store/registry.ts'
import { eventually } from '../support/agent-stream.ts'
import { findBreaches } from '../support/checker.ts'
import { identityOf, makeRequest, patiently } from '../support/client.ts'
import { type Joined, makeJoiner, makeTokenIssuer } from '../support/joining.ts'
import { startPlane, type TestPlane } from '../support/plane.ts'
import { openTestRegistry } from '../support/registry.ts'

const noBreaches = async (t: Test, plane: TestPlane, now?: number) =>
  t.strictSame(await findBreaches(plane.store.store, now), [])
const memberOf = (plane: TestPlane, { body, key }: Joined) => plane.clientOf(identityOf(body, key))
/** Why a join was refused last, once that is so: it is written in the background, after the answer. */
const lastReason = async (plane: TestPlane, wanted: RegExp): Promise<string> => {
  let found = ''
  await eventually(async () => {
    const { body } = await patiently(() => plane.admin.get('/v1/audit-events?action=join.refuse'))
    found = String(body.items[0]?.after.reason)
    return wanted.test(found)
  })
  return found
}

t.test('a rejoin displaces whoever holds the principal', async (t) => {
  const plane = await startPlane(t)
  const joiner = makeJoiner(plane)
  t.teardown(joiner.client.close)
  const { join_token, join_token_id } = await joiner.createToken({ principal_id: 'box-1', rejoin: true, max_uses: 5 })
  const first = await joiner.join(join_token)
  t.equal(first.status, 201)
  const member = memberOf(plane, first)
  t.equal((await member.get('/v1/whoami')).status, 200)
  // One place more, and in each a successor that waits for its first use, or a predecessor in its grace.
  const { csr_pem, key } = await makeRequest()
  const renewed = await member.post('/v1/renewals', { csr_pem })
  const successor = plane.clientOf(identityOf(renewed.body, key))
  t.equal((await successor.get('/v1/whoami')).status, 200)
  t.equal((await member.get('/v1/whoami')).status, 200, 'the predecessor is in its grace')
  const second = await plane.issue('box-1')
  const unused = await second.client.post('/v1/renewals', { csr_pem: (await makeRequest()).csr_pem })
  t.equal(unused.status, 201)
  const socket = await second.client.open()
  const closed = new Promise((resolve) => socket.on('close', resolve))

  const again = await joiner.join(join_token)
  t.equal(again.status, 201)
  t.match(again.body.principal, { principal_id: 'box-1', rejoins: 1, active_certificates: 1, version: 1 })
  await closed
  const { body } = await plane.admin.get('/v1/certificates?principal_id=box-1')
  const seen = body.items.map(
    (one: { status: string; revocation_reason?: string }) => `${one.status} ${one.revocation_reason ?? ''}`,
  )
  t.strictSame(seen.sort(), [
    'active ',
    'revoked superseded',
    'revoked superseded',
    'revoked superseded',
    'revoked superseded',
  ])
  for (const displaced of [member, successor, second.client])
    t.match(await displaced.get('/v1/whoami'), { status: 401, body: { code: 'certificate_revoked' } }, 'it notices')
  t.equal((await memberOf(plane, again).get('/v1/whoami')).status, 200)
  const { body: events } = await plane.admin.get('/v1/audit-events?target=box-1&action=principal.rejoin')
  t.match(events.items, [{ actor: `join_token:${join_token_id}`, before: { rejoins: 0 }, after: { rejoins: 1 } }])
  await noBreaches(t, plane)
})

t.test('a rejoin never meets the quota', async (t) => {
  const plane = await startPlane(t)
  const joiner = makeJoiner(plane)
  t.teardown(joiner.client.close)
  await plane.enrol('full-1')
  await plane.admin.call('PATCH', '/v1/principals/full-1', { max_certificates: 10 })
  for (let i = 0; i < 9; i++) {
    const { client } = await plane.issue('full-1')
    if (i % 2 === 0) continue
    const { csr_pem, key } = await makeRequest()
    const renewed = await client.post('/v1/renewals', { csr_pem })
    if (i % 3 === 0) await plane.clientOf(identityOf(renewed.body, key)).get('/v1/whoami')
  }
  await plane.admin.call('PATCH', '/v1/principals/full-1', { max_certificates: 1 })
  const { join_token } = await joiner.createToken({ principal_id: 'full-1', rejoin: true })
  const joined = await joiner.join(join_token)
  t.equal(joined.status, 201)
  t.match(joined.body.principal, { active_certificates: 1, rejoins: 1 })
  const { body } = await plane.admin.get('/v1/certificates?principal_id=full-1&status=active')
  t.strictSame(
    body.items.map((one: { serial_number: string }) => one.serial_number),
    [joined.body.certificate.serial_number],
  )
  await noBreaches(t, plane)
})

t.test('ten places, each with a predecessor in its grace and a successor: all are displaced', async (t) => {
  const plane = await startPlane(t)
  const joiner = makeJoiner(plane)
  t.teardown(joiner.client.close)
  await plane.admin.post('/v1/principals', { principal_id: 'wide-1', type: 'worker', max_certificates: 10 })
  const predecessors = await Promise.all(
    Array.from({ length: 10 }, async () => {
      const { client } = await plane.issue('wide-1')
      const { csr_pem, key } = await makeRequest()
      const renewed = await patiently(() => client.post('/v1/renewals', { csr_pem }))
      const used = plane.clientOf(identityOf(renewed.body, key))
      const again = (await makeRequest()).csr_pem
      t.equal((await patiently(() => used.post('/v1/renewals', { csr_pem: again }))).status, 201)
      return client
    }),
  )
  const { join_token } = await joiner.createToken({ principal_id: 'wide-1', rejoin: true })
  for (const client of predecessors) t.equal((await client.get('/v1/whoami')).status, 200, 'in its grace')
  t.equal((await joiner.join(join_token)).status, 201)
  const { body } = await plane.admin.get('/v1/certificates?principal_id=wide-1&limit=500')
  const statuses = body.items.map((one: { status: string }) => one.status)
  const count = (status: string) => statuses.filter((one: string) => one === status).length
  t.strictSame([count('active'), count('revoked'), count('superseded')], [1, 20, 10])
  for (const client of predecessors)
    t.match(
      await client.get('/v1/whoami'),
      { status: 401, body: { code: 'certificate_superseded' } },
      'no grace is left',
    )
  await noBreaches(t, plane)
})

t.test('a thief who renews without end does not keep the machine out, nor itself in', async (t) => {
  const plane = await startPlane(t)
  const elsewhere = await plane.startServer()
  const joiner = makeJoiner(plane)
  t.teardown(joiner.client.close)
  const { registry, calls, close, plant } = openTestRegistry(plane.store)
  t.teardown(close)
  const { join_token } = await joiner.createToken({ principal_id: 'box-1', rejoin: true, max_uses: 5 })
  const first = await joiner.join(join_token)
  const held = [memberOf(plane, first)]
  const renewAndUse = async (): Promise<void> => {
    const { csr_pem, key } = await makeRequest()
    const renewed = await held.at(-1)?.post('/v1/renewals', { csr_pem })
    const successor = plane.clientOf(identityOf(renewed?.body, key))
    t.equal((await successor.get('/v1/whoami')).status, 200)
    held.push(successor)
  }
  for (let i = 0; i < 30; i++) await renewAndUse()
  const far = plane.clientOf(identityOf(first.body, first.key), elsewhere)
  for (const client of [held[0], far]) t.equal((await client?.get('/v1/whoami'))?.status, 200, 'in its grace')

  // And thousands before these, as they would be: reading all of them takes longer than a request may.
  const oldest = await registry.certificates.get(first.body.certificate.serial_number)
  if (oldest === undefined) throw new Error('no first certificate')
  const serial = (i: number) => `${oldest.serial_number.slice(0, -8)}${(0x70000000 + i).toString(16)}`
  const now = Date.now()
  const before = Array.from({ length: 2000 }, (_, i) => ({
    ...oldest,
    serial_number: serial(i),
    fingerprint: `${i}`,
    ...(i === 0 ? {} : { renewed_from: serial(i - 1) }),
    superseded_by: i === 1999 ? oldest.serial_number : serial(i + 1),
    superseded_at: now,
  }))
  await plant({ certificates: [...before, { ...oldest, renewed_from: serial(1999) }] })
  const holder = await registry.principals.get('box-1')
  if (holder === undefined) throw new Error('no principal')
  calls.clear()
  t.equal((await displacedBy(registry, holder, 300_000, Date.now())).length, 20)
  t.ok((calls.get('BatchGet') ?? 0) <= 20, `a few reads, and not one for each: ${JSON.stringify([...calls])}`)

  const again = await joiner.join(join_token)
  t.equal(again.status, 201)
  for (const client of held) t.equal((await client.get('/v1/whoami')).status, 401, 'none of them is good any more')
  t.equal((await held[0]?.post('/v1/renewals', { csr_pem: (await makeRequest()).csr_pem }))?.status, 401)
  let seen = 200
  for (let tries = 0; tries < 600 && seen === 200; tries++) {
    seen = (await far.get('/v1/whoami')).status
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  t.equal(seen, 401, 'nor on another server, which had let it in')
  t.equal((await memberOf(plane, again).get('/v1/whoami')).status, 200)
})

t.test('who may not rejoin', async (t) => {
  const plane = await startPlane(t)
  const joiner = makeJoiner(plane)
  t.teardown(joiner.client.close)
  const token = await joiner.createToken({ id_prefix: 'box-', rejoin: true, max_uses: 100 })
  const joinAs = (principal_id: string) => joiner.join(token.join_token, { principal_id })
  const act = async (path: string, body?: unknown) => t.equal((await plane.admin.post(path, body)).status, 200, path)

  t.test('one that is suspended, until it is activated', async (t) => {
    t.equal((await joinAs('box-1')).status, 201)
    await act('/v1/principals/box-1/suspend', { reason: 'x' })
    t.equal((await joinAs('box-1')).status, 401)
    t.match(await lastReason(plane, /is suspended/), /is suspended/)
    await act('/v1/principals/box-1/activate')
    t.equal((await joinAs('box-1')).status, 201)
  })
  t.test('one whose certificate somebody else has revoked for cause', async (t) => {
    for (const [i, reason] of (['key_compromise', 'privilege_withdrawn'] as const).entries()) {
      const id = `box-2${i}`
      const { body } = await joinAs(id)
      await act(`/v1/certificates/${body.certificate.serial_number}/revoke`, { reason })
      t.match((await plane.admin.get(`/v1/principals/${id}`)).body, { rejoin_blocked: true })
      t.equal((await joinAs(id)).status, 401)
      t.match(await lastReason(plane, /barred/), /barred/)
      await act(`/v1/principals/${id}/activate`)
      t.equal((await joinAs(id)).status, 201)
    }
  })
  t.test('nor one that many were revoked with', async (t) => {
    t.equal((await joinAs('box-3')).status, 201)
    const started = await plane.admin.post('/v1/revocations', { principal_id: 'box-3', reason: 'privilege_withdrawn' })
    for (let tries = 0; tries < 1200; tries++) {
      if ((await plane.admin.get(`/v1/revocations/${started.body.revocation_id}`)).body.state === 'completed') break
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    t.match((await plane.admin.get('/v1/principals/box-3')).body, { rejoin_blocked: true })
    t.equal((await joinAs('box-3')).status, 401)
  })
  t.test('one that has revoked its own, or was revoked in passing, may', async (t) => {
    const joined = await joinAs('box-4')
    const own = memberOf(plane, joined)
    t.equal(
      (await own.post(`/v1/certificates/${joined.body.certificate.serial_number}/revoke`, { reason: 'key_compromise' }))
        .status,
      200,
    )
    const again = await joinAs('box-4')
    t.equal(again.status, 201)
    await act(`/v1/certificates/${again.body.certificate.serial_number}/revoke`, { reason: 'superseded' })
    t.equal((await joinAs('box-4')).status, 201)
    const burnt = await joiner.join(token.join_token, { principal_id: 'box-4', csr_pem: joined.csr_pem, metadata: {} })
    t.match(
      burnt,
      { status: 201, headers: { 'idempotency-replayed': 'true' } },
      'an old request gets its old, revoked certificate',
    )
  })
  t.test('one that is deleted, ever', async (t) => {
    t.equal((await joinAs('box-5')).status, 201)
    t.equal((await plane.admin.call('DELETE', '/v1/principals/box-5')).status, 200)
    t.equal((await joinAs('box-5')).status, 401)
    t.match(await lastReason(plane, /is deleted/), /is deleted/)
  })
  t.test('one that joined another way', async (t) => {
    const other = await joiner.createToken({ id_prefix: 'box-', rejoin: true, max_uses: 2 })
    t.equal((await joinAs('box-6')).status, 201)
    t.equal((await joiner.join(other.join_token, { principal_id: 'box-6' })).status, 401)
    t.match(await lastReason(plane, /did not join this way/), /did not join this way/)
  })
  await noBreaches(t, plane)
})

t.test('joining by a rule', async (t) => {
  let ahead = 0
  const now = () => Date.now() + ahead
  const plane = await startPlane(t, { clock: now })
  const joiner = makeJoiner(plane)
  t.teardown(joiner.client.close)
  const issuer = makeTokenIssuer()
  const oidc = {
    issuer: issuer.issuer,
    audiences: ['airunner'],
    jwks: issuer.jwks,
    claims: { repository_owner_id: { equals: '42' }, ref: { glob: 'refs/heads/*' } },
  }
  const claims = {
    sub: 'repo:acme/site',
    repository_owner_id: '42',
    repository_id: 7,
    run_id: '100',
    ref: 'refs/heads/main',
  }
  const proof = (more: Record<string, unknown> = {}) => ({
    method: 'oidc',
    id_token: issuer.idToken({ ...claims, ...more }),
  })
  t.equal((await joiner.join(proof())).status, 401, 'without a rule nobody joins')
  t.match(await lastReason(plane, /no join rule for oidc/), /no join rule for oidc/)
  const rule = await joiner.createRule({
    method: 'oidc',
    principal_type: 'service',
    principal_id_template: 'gha-{repository_id}-{run_id}',
    validity_seconds: 600,
    metadata: { origin: 'actions' },
    delete_after_expiry_seconds: 60,
    oidc,
  })
  const actor = `join_rule:${rule.join_rule_id}`

  t.test('a proof is good for one request', async (t) => {
    const once = proof()
    const joined = await joiner.join(once, { metadata: { os: 'linux' } })
    t.equal(joined.status, 201)
    t.match(joined.body, {
      principal: {
        principal_id: 'gha-7-100',
        type: 'service',
        joined_by: actor,
        metadata: { origin: 'actions', os: 'linux' },
      },
      certificate: { issued_by: actor, kind: 'enrolled' },
    })
    t.equal((await memberOf(plane, joined).get('/v1/whoami')).status, 200)
    const again = await joiner.join(once, { csr_pem: joined.csr_pem })
    t.match(again, { status: 201, body: joined.body }, 'the same request again: the same certificate')
    t.equal((await joiner.join(once)).status, 401)
    t.match(await lastReason(plane, /used before|exists/), /used before|exists/)
    const { body } = await plane.admin.get(`/v1/audit-events?action=certificate.issue&actor=${actor}`)
    t.match(body.items, [{ after: { subject: 'https://tokens.example repo:acme/site' } }])
  })
  t.test('and for one machine at a time', async (t) => {
    const once = proof({ run_id: '101' })
    const answers = await Promise.all(Array.from({ length: 20 }, () => joiner.join(once)))
    t.equal(answers.filter((answer) => answer.status === 201).length, 1)
  })
  t.test('the first rule that matches decides, and nothing comes after it', async (t) => {
    await joiner.createRule({ method: 'oidc', principal_type: 'worker', principal_id_template: 'late-{run_id}', oidc })
    t.match((await joiner.join(proof({ run_id: '102' }))).body.principal, { principal_id: 'gha-7-102' })
    t.equal((await joiner.join(proof({ repository_id: 'Not/An/Id' }))).status, 401, 'it does not fall through')
    t.equal((await joiner.join(proof({ ref: 'refs/heads/a/b' }))).status, 401, 'a glob crosses no slash')
    const test = (attributes: Record<string, unknown>) =>
      plane.admin.post('/v1/join-rules/test', { method: 'oidc', attributes })
    t.match(await test({ ...claims, run_id: '103' }), {
      status: 200,
      body: {
        would_join: true,
        join_rule_id: rule.join_rule_id,
        principal_id: 'gha-7-103',
        reasons: [{ reason: 'matches' }],
      },
    })
    t.match((await test({ ...claims, run_id: '102' })).body, { would_join: false, principal_id: 'gha-7-102' })
    t.match((await test({ ...claims, ref: 'x' })).body, {
      would_join: false,
      reasons: [{ reason: /ref/ }, { reason: /ref/ }],
    })
    t.strictSame(Object.keys((await test({})).body), ['would_join', 'reasons'])
  })
  t.test('switched off, it lets nobody in, from the next join on', async (t) => {
    const path = `/v1/join-rules/${rule.join_rule_id}`
    const tag = (version: number) => ({ headers: { 'if-match': `"${version}"` } })
    t.match(await plane.admin.call('PATCH', path, { enabled: false }, tag(1)), {
      status: 200,
      body: { enabled: false, version: 2 },
    })
    t.match(await plane.admin.call('PATCH', path, { enabled: true }, tag(1)), { status: 412 })
    t.match((await joiner.join(proof({ run_id: '104' }))).body.principal, { principal_id: 'late-104' })
    t.match(await plane.admin.call('PATCH', path, { enabled: true, description: 'x' }), {
      status: 200,
      body: { version: 3 },
    })
    t.match(await plane.admin.call('PATCH', path, { description: null }), { status: 200, body: { version: 4 } })
    t.equal((await plane.admin.call('PATCH', path, { principal_id_template: 'x' })).status, 400)
    t.notOk('description' in (await plane.admin.get(path)).body)
  })
  t.test('what it let in is deleted when it is over', async (t) => {
    const renewing = await joiner.join(proof({ run_id: '105' }))
    t.equal(renewing.status, 201)
    const store = plane.store.store
    const registry = openRegistry({
      store,
      clock: now,
      random: Math.random,
      callerIsThere: () => true,
      holdBack: () => () => {},
      onCommitted: () => {},
    })
    const failures: unknown[] = []
    const { run } = makeRemoveDeparted({ registry, clock: now, onFailure: (error) => failures.push(error) })
    const statusOf = async (id: string) => (await plane.admin.get(`/v1/principals/${id}`)).body.status
    await run()
    t.equal(await statusOf('gha-7-100'), 'active', 'not before its certificate has ended')
    ahead = 400_000
    const { csr_pem, key } = await makeRequest()
    const renewed = await memberOf(plane, renewing).post('/v1/renewals', { csr_pem })
    t.equal(renewed.status, 201)
    t.equal((await plane.clientOf(identityOf(renewed.body, key)).get('/v1/whoami')).status, 200)
    ahead = 664_000
    await run()
    t.equal(await statusOf('gha-7-100'), 'deleted')
    t.equal(await statusOf('gha-7-105'), 'active', 'it has renewed')
    ahead = 1_100_000
    await run()
    t.equal(await statusOf('gha-7-105'), 'deleted')
    t.equal(await statusOf('late-104'), 'active', 'of the other rule nothing is deleted')
    t.strictSame(failures, [])
    t.strictSame(await registry.departures.due(now() + 1e9), [])
    const { body } = await plane.admin.get('/v1/audit-events?target=gha-7-105&action=principal.delete')
    t.match(body.items, [{ actor: 'system', after: { status: 'deleted', delete_after_expiry_seconds: 60 } }])
    ahead = 0
  })
  t.test('deleted, it lets nobody rejoin', async (t) => {
    t.match(await plane.admin.call('DELETE', `/v1/join-rules/${rule.join_rule_id}`), { status: 200 })
    t.equal((await plane.admin.get(`/v1/join-rules/${rule.join_rule_id}`)).status, 404)
    t.equal((await plane.admin.call('DELETE', `/v1/join-rules/${rule.join_rule_id}`)).status, 404)
  })
  await noBreaches(t, plane, Date.now() + 1_200_000)
})

t.test('rejoining by a rule', async (t) => {
  let ahead = 0
  const plane = await startPlane(t, { clock: () => Date.now() + ahead })
  const joiner = makeJoiner(plane)
  t.teardown(joiner.client.close)
  const issuer = makeTokenIssuer()
  const claims = { pod: 'web-1', ns: 'prod' }
  const oidc = { issuer: issuer.issuer, audiences: ['airunner'], jwks: issuer.jwks, claims: { ns: { equals: 'prod' } } }
  const base = {
    method: 'oidc',
    principal_type: 'worker',
    principal_id_template: 'pod-{pod}',
    rejoin: true,
    max_rejoins: 2,
  }
  await joiner.createRule({ ...base, oidc: { ...oidc, reuse: 'until_expiry' } })
  const projected = { method: 'oidc', id_token: issuer.idToken(claims) }
  t.match((await joiner.join(projected)).body.principal, { rejoins: 0 })
  t.match(
    (await joiner.join(projected)).body.principal,
    { rejoins: 1 },
    'a projected token is used again by a restarted pod',
  )
  t.match((await joiner.join(projected)).body.principal, { rejoins: 2 })
  t.equal((await joiner.join(projected)).status, 401)
  t.match(await lastReason(plane, /too often/), /too often/)
  ahead = 86_400_000 + 1000
  const nextDay = Math.floor((Date.now() + ahead) / 1000)
  const later = { method: 'oidc', id_token: issuer.idToken({ ...claims, iat: nextDay, exp: nextDay + 60 }) }
  t.match((await joiner.join(later)).body.principal, { rejoins: 3 }, 'the next day it may again')

  ahead = 0
  const strict = { ...oidc, claims: { ns: { equals: 'test' } } }
  await joiner.createRule({ ...base, max_rejoins: 50, oidc: strict })
  const once = { method: 'oidc', id_token: issuer.idToken({ pod: 'db-1', ns: 'test' }) }
  const answers = await Promise.all(Array.from({ length: 10 }, () => joiner.join(once)))
  t.equal(answers.filter((answer) => answer.status === 201).length, 1, 'elsewhere a token is good for one request')
  t.equal((await joiner.join(once)).status, 401)
  t.match(await lastReason(plane, /used before/), /used before/)
  const other = { method: 'oidc', id_token: issuer.idToken({ pod: 'db-1', ns: 'test' }) }
  t.match((await joiner.join(other)).body.principal, { principal_id: 'pod-db-1', rejoins: 1 })
  await noBreaches(t, plane, Date.now() + 86_500_000)
})

t.test('nobody rejoins by another rule than the one that let it in, nor before it is activated again', async (t) => {
  const plane = await startPlane(t)
  const joiner = makeJoiner(plane)
  t.teardown(joiner.client.close)
  const issuer = makeTokenIssuer()
  const oidc = { issuer: issuer.issuer, audiences: ['airunner'], jwks: issuer.jwks, claims: { ns: { equals: 'prod' } } }
  const base = { method: 'oidc', principal_type: 'worker', principal_id_template: 'pod-{pod}', rejoin: true, oidc }
  const proof = () => ({ method: 'oidc', id_token: issuer.idToken({ pod: 'web-1', ns: 'prod' }) })
  const rule = await joiner.createRule(base)
  const first = await joiner.join(proof())
  t.equal(first.status, 201)

  t.equal((await plane.admin.call('PATCH', `/v1/join-rules/${rule.join_rule_id}`, { enabled: false })).status, 200)
  const other = await joiner.createRule(base)
  t.equal((await joiner.join(proof())).status, 401, 'the same words in another rule are another rule')
  t.match(await lastReason(plane, /did not join this way/), /did not join this way/)
  t.equal((await memberOf(plane, first).get('/v1/whoami')).status, 200, 'and nobody was displaced')
  t.equal((await plane.admin.call('DELETE', `/v1/join-rules/${other.join_rule_id}`)).status, 200)
  t.equal((await plane.admin.call('PATCH', `/v1/join-rules/${rule.join_rule_id}`, { enabled: true })).status, 200)

  const serial = first.body.certificate.serial_number
  const revoked = await plane.admin.post(`/v1/certificates/${serial}/revoke`, { reason: 'key_compromise' })
  t.equal(revoked.status, 200)
  t.equal((await joiner.join(proof())).status, 401)
  t.match(await lastReason(plane, /barred/), /barred/)
  t.equal((await plane.admin.post('/v1/principals/pod-web-1/activate')).status, 200)
  const back = await joiner.join(proof())
  t.match(back, { status: 201, body: { principal: { principal_id: 'pod-web-1', rejoins: 1 } } })
  const displaced = memberOf(plane, back)
  t.equal((await displaced.get('/v1/whoami')).status, 200)
  t.equal((await joiner.join(proof())).status, 201)
  t.match(
    await displaced.get('/v1/whoami'),
    { status: 401, body: { code: 'certificate_revoked' } },
    'displaced, it dies',
  )
  await noBreaches(t, plane)
})

t.test(
  'a lost answer and another proof: the same key gets the certificate that it was given, and no other key does',
  async (t) => {
    let ahead = 0
    const now = () => Date.now() + ahead
    const plane = await startPlane(t, { clock: now })
    const joiner = makeJoiner(plane)
    t.teardown(joiner.client.close)
    const issuer = makeTokenIssuer()
    const oidc = {
      issuer: issuer.issuer,
      audiences: ['airunner'],
      jwks: issuer.jwks,
      claims: { ns: { equals: 'prod' } },
    }
    const base = { method: 'oidc', principal_type: 'worker', principal_id_template: 'pod-{pod}', oidc }
    await joiner.createRule(base)
    const proof = (pod: string) => {
      const iat = Math.floor(now() / 1000)
      return { method: 'oidc', id_token: issuer.idToken({ pod, ns: 'prod', iat, exp: iat + 600 }) }
    }
    const first = await joiner.join(proof('web-1'))
    t.equal(first.status, 201)
    const { csr_pem } = first
    ahead = 20 * 3_600_000
    const second = proof('web-1')
    const again = await joiner.join(second, { csr_pem })
    t.equal(again.status, 201, 'hours later as well')
    t.strictSame(again.body, first.body)
    const { body } = await plane.admin.get(
      `/v1/audit-events?target=${first.body.certificate.serial_number}&action=join.repeat`,
    )
    t.match(body.items, [{ after: { principal_id: 'pod-web-1', subject: /tokens\.example/ } }])
    t.match(
      await joiner.join(second, { csr_pem }),
      { status: 201, headers: { 'idempotency-replayed': 'true' }, body: first.body },
      'and again, if that answer is lost as well',
    )
    t.equal((await joiner.join(second)).status, 401, 'its proof is used')
    t.match(await lastReason(plane, /exists|used before/), /exists|used before/)
    t.equal((await joiner.join(proof('web-1'))).status, 401, 'another key is another machine')
    t.match(await lastReason(plane, /rejoining is not allowed/), /rejoining is not allowed/)
    t.equal((await joiner.join(proof('web-2'), { csr_pem })).status, 409, 'nor is the key of another principal good')
    const both = [proof('web-1'), proof('web-1')].map((one) => joiner.join(one, { csr_pem }))
    for (const { status } of await Promise.all(both)) t.equal(status, 201)
    const { csr_pem: racing } = await makeRequest()
    const race = async (): Promise<Joined> => {
      for (;;) {
        const answer = await joiner.join(proof('db-1'), { csr_pem: racing })
        // A busy machine.
        if (answer.status !== 503) return answer
        await new Promise((resolve) => setTimeout(resolve, 300))
      }
    }
    const racers = await Promise.all(Array.from({ length: 6 }, race))
    t.strictSame(
      racers.map((one) => [one.status, one.body.certificate?.serial_number]),
      racers.map(() => [201, racers[0]?.body.certificate.serial_number]),
      'at the same time, each with a proof of its own: one certificate',
    )

    const member = memberOf(plane, first)
    const renewal = await makeRequest()
    const renewed = await member.post('/v1/renewals', { csr_pem: renewal.csr_pem })
    t.equal((await plane.clientOf(identityOf(renewed.body, renewal.key)).get('/v1/whoami')).status, 200)
    t.equal((await joiner.join(proof('web-1'), { csr_pem })).status, 401, 'who has renewed has had its answer')

    const third = await joiner.join(proof('web-3'))
    const id = '/v1/principals/pod-web-3'
    t.equal((await plane.admin.post(`${id}/suspend`, { reason: 'x' })).status, 200)
    t.equal(
      (await joiner.join(proof('web-3'), { csr_pem: third.csr_pem })).status,
      401,
      'one who is suspended gets nothing',
    )
    t.equal((await plane.admin.post(`${id}/activate`)).status, 200)
    const serial = third.body.certificate.serial_number
    t.equal((await plane.admin.post(`/v1/certificates/${serial}/revoke`, { reason: 'superseded' })).status, 200)
    t.equal(
      (await joiner.join(proof('web-3'), { csr_pem: third.csr_pem })).status,
      401,
      'what is revoked is not given out',
    )
    await noBreaches(t, plane, now())
  },
)

t.test('a token that may be used again asks in ever other words: one answer is written for all of them', async (t) => {
  const plane = await startPlane(t)
  const joiner = makeJoiner(plane)
  t.teardown(joiner.client.close)
  const issuer = makeTokenIssuer()
  const claims = { ns: { equals: 'prod' } }
  const oidc = { issuer: issuer.issuer, audiences: ['airunner'], jwks: issuer.jwks, claims, reuse: 'until_expiry' }
  await joiner.createRule({ method: 'oidc', principal_type: 'worker', principal_id_template: 'pod-{pod}', oidc })
  const projected = { method: 'oidc', id_token: issuer.idToken({ pod: 'web-1', ns: 'prod' }) }
  const first = await joiner.join(projected)
  t.equal(first.status, 201)
  const key = createPrivateKey(first.key)
  const asked = new Set([first.csr_pem])
  for (let i = 0; i < 20; i++) {
    const { csr_pem } = await makeRequest(key)
    asked.add(csr_pem)
    const again = await joiner.join(projected, { csr_pem })
    t.match(again, { status: 201, headers: { 'idempotency-replayed': 'true' } })
    t.strictSame(again.body, first.body)
  }
  t.equal(asked.size, 21, 'each of its own')
  const { body } = await plane.admin.get('/v1/audit-events?action=join.repeat&limit=500')
  t.equal(body.items.length, 1)
  t.equal(plane.server.logged.filter(({ event }) => event === 'principal_joined').length, 1, 'announced once')
  const metrics = await (await fetch(`http://${plane.server.metrics}/metrics`)).text()
  t.match(metrics, /airunner_certificates_issued_total\{[^}]*enrolled[^}]*\} 1\n/, 'and counted once')
  await noBreaches(t, plane)
})

t.test('a rule with rejoin stays for whom it was, so that nobody takes the place of who joined before', async (t) => {
  const plane = await startPlane(t)
  const issuer = makeTokenIssuer()
  const joiner = makeJoiner(plane)
  t.teardown(joiner.client.close)
  const claims = { ns: { equals: 'prod' } }
  const oidc = { issuer: issuer.issuer, audiences: ['airunner'], jwks: issuer.jwks, claims }
  const base = { method: 'oidc', principal_type: 'worker', principal_id_template: 'pod-{pod}', oidc }
  const patch = (id: string, body: Record<string, unknown>) => plane.admin.call('PATCH', `/v1/join-rules/${id}`, body)
  const refused = { status: 409, body: { code: 'invalid_transition', detail: /make a new rule/ } }
  const proof = (ns: string) => ({ method: 'oidc', id_token: issuer.idToken({ pod: 'web-1', ns }) })

  const without = await joiner.createRule(base)
  t.equal((await joiner.join(proof('prod'))).status, 201)
  t.match(await patch(without.join_rule_id, { rejoin: true }), refused, 'rejoin is not switched on')
  const elsewhere = { ...oidc, claims: { ns: { equals: 'test' } } }
  t.match(await patch(without.join_rule_id, { oidc: elsewhere, rejoin: true }), refused)
  t.match(
    await patch(without.join_rule_id, { oidc: elsewhere }),
    { status: 200 },
    'without rejoin it may be for others',
  )
  t.equal((await joiner.join(proof('test'))).status, 401, 'for then nobody takes a place')
  t.equal((await plane.admin.call('DELETE', `/v1/join-rules/${without.join_rule_id}`)).status, 200)

  const { join_rule_id } = await joiner.createRule({ ...base, principal_id_template: 'box-{pod}', rejoin: true })
  t.equal((await joiner.join(proof('prod'))).status, 201)
  for (const other of [
    elsewhere,
    { ...oidc, audiences: ['airunner', 'other'] },
    { ...oidc, issuer: 'https://other.example' },
  ])
    t.match(await patch(join_rule_id, { oidc: other }), refused, JSON.stringify(other))
  const reordered = { claims, jwks: { keys: [...issuer.jwks.keys, ...makeTokenIssuer().jwks.keys] } }
  const newKeys = { ...reordered, audiences: oidc.audiences, issuer: oidc.issuer, reuse: 'until_expiry' }
  t.match(await patch(join_rule_id, { oidc: newKeys, max_rejoins: 9 }), { status: 200 }, 'its keys are replaced')
  t.match(await patch(join_rule_id, { enabled: false }), { status: 200 })
  t.match(await patch(join_rule_id, { enabled: true, rejoin: false, oidc: elsewhere }), { status: 200 })
  t.equal((await joiner.join(proof('test'))).status, 401)
  t.match(await patch(join_rule_id, { rejoin: true }), refused, 'nor on again')

  const aws_iam = { account_ids: ['123456789012'], role_names: ['build'] }
  const aws = {
    method: 'aws_iam',
    principal_type: 'worker',
    principal_id_template: '{account_id}',
    rejoin: true,
    aws_iam,
  }
  const byRole = (await joiner.createRule(aws)).join_rule_id
  t.match(await patch(byRole, { aws_iam: { ...aws_iam, role_names: ['build', 'deploy'] } }), refused)
  t.match(await patch(byRole, { aws_iam, description: 'as before' }), { status: 200, body: { version: 2 } })
  await noBreaches(t, plane)
})

t.test('who is suspended when its time has come is deleted after it was activated', async (t) => {
  let ahead = 0
  const now = () => Date.now() + ahead
  const plane = await startPlane(t, { clock: now })
  const joiner = makeJoiner(plane)
  t.teardown(joiner.client.close)
  const issuer = makeTokenIssuer()
  await joiner.createRule({
    method: 'oidc',
    principal_type: 'worker',
    principal_id_template: 'run-{run_id}',
    validity_seconds: 600,
    delete_after_expiry_seconds: 60,
    oidc: { issuer: issuer.issuer, audiences: ['airunner'], jwks: issuer.jwks, claims: { owner: { equals: '42' } } },
  })
  for (const run_id of ['1', '2'])
    t.equal((await joiner.join({ method: 'oidc', id_token: issuer.idToken({ owner: '42', run_id }) })).status, 201)
  const registry = openRegistry({
    store: plane.store.store,
    clock: now,
    random: Math.random,
    callerIsThere: () => true,
    holdBack: () => () => {},
    onCommitted: () => {},
  })
  const failures: unknown[] = []
  const { run } = makeRemoveDeparted({ registry, clock: now, onFailure: (error) => failures.push(error) })
  const statusOf = async (id: string) => (await plane.admin.get(`/v1/principals/${id}`)).body.status
  for (const id of ['run-1', 'run-2'])
    t.equal((await plane.admin.post(`/v1/principals/${id}/suspend`, { reason: 'a look' })).status, 200)
  ahead = 700_000
  await run()
  await run()
  t.equal(await statusOf('run-1'), 'suspended', 'it is left to who suspended it')
  t.equal((await registry.departures.due(now() + 7_200_000)).length, 2, 'and not forgotten')
  t.equal((await plane.admin.post('/v1/principals/run-1/activate')).status, 200)
  ahead += 3_700_000
  await run()
  t.strictSame([await statusOf('run-1'), await statusOf('run-2')], ['deleted', 'suspended'])
  t.equal((await registry.departures.due(now() + 7_200_000)).length, 1)
  t.strictSame(failures, [])
  await noBreaches(t, plane, now())
})

t.test('rules that make no sense are not made', async (t) => {
  const plane = await startPlane(t)
  const aws_iam = { account_ids: ['123456789012'], role_names: ['build-*'] }
  const good = {
    method: 'aws_iam',
    principal_type: 'worker',
    principal_id_template: 'build-{session_name}',
    aws_iam: { ...aws_iam, trust_session_name: true },
  }
  const created = await plane.admin.post('/v1/join-rules', good)
  t.match(created, {
    status: 201,
    body: { version: 1, enabled: true, rejoin: false, max_rejoins: 5, aws_iam: { trust_session_name: true } },
  })
  const refused: [Record<string, unknown>, string][] = [
    [{ principal_type: 'admin' }, '/principal_type'],
    [{ method: 'token' }, '/method'],
    [{ aws_iam }, '/principal_id_template'],
    [{ principal_id_template: 'Build_{' }, '/principal_id_template'],
    [{ aws_iam: undefined, principal_id_template: 'x' }, '/aws_iam'],
    [{ aws_iam: { ...aws_iam, account_ids: [] } }, '/aws_iam/account_ids'],
    [{ aws_iam: { ...aws_iam, account_ids: ['1'] } }, '/aws_iam/account_ids/0'],
    [{ validity_seconds: 1 }, '/validity_seconds'],
    [{ max_rejoins: 0 }, '/max_rejoins'],
    [{ extra: 1 }, '/extra'],
  ]
  for (const [change, pointer] of refused) {
    const answer = await plane.admin.post('/v1/join-rules', { ...good, ...change })
    t.match(answer, { status: 400, body: { code: 'invalid_request', errors: [{ pointer }] } }, JSON.stringify(change))
  }
  const { body } = await plane.admin.get('/v1/join-rules')
  t.strictSame(body.items, [created.body])
})

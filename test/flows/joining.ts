import { createPrivateKey } from 'node:crypto'
import t, { type Test } from 'tap'
import { eventually } from '../support/agent-stream.ts'
import { findBreaches } from '../support/checker.ts'
import { identityOf, makeClient, makeRequest, patiently } from '../support/client.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { type Joined, type Joiner, makeJoiner } from '../support/joining.ts'
import { startPlane, type TestPlane } from '../support/plane.ts'

const noBreaches = async (t: Test, plane: TestPlane) => t.strictSame(await findBreaches(plane.store.store), [])

/** What the audit says of refused joins, newest first; written in the background, so it is waited for. */
const refusals = async (
  plane: TestPlane,
  count: number,
): Promise<{ target: string; actor: string; after: { reason: string } }[]> => {
  for (let tries = 0; ; tries++) {
    const { body } = await plane.admin.get('/v1/audit-events?action=join.refuse&limit=500')
    if (body.items.length >= count || tries === 600) return body.items
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

t.test('a machine joins by a token', async (t) => {
  const plane = await startPlane(t)
  const joiner = makeJoiner(plane)
  t.teardown(joiner.client.close)
  const token = await joiner.createToken({
    metadata: { rack: 'b12' },
    validity_seconds: 3600,
    description: 'for rack b12',
  })
  t.match(token.join_token, /^airj_[A-Za-z0-9_-]{43}$/)
  t.match(
    token.command,
    /^echo airj_\S+ \| airunner enroll --server https:\/\/localhost:\d+ --token-file - --ca-fingerprint sha256:[0-9a-f]{64}$/,
  )

  const joined = await joiner.join(token.join_token, { metadata: { rack: 'forged', os: 'linux' } })
  t.equal(joined.status, 201)
  const { certificate, principal } = joined.body
  t.match(certificate, { kind: 'enrolled', issued_by: `join_token:${token.join_token_id}`, status: 'active' })
  t.match(principal, {
    type: 'worker',
    status: 'active',
    joined_by: `join_token:${token.join_token_id}`,
    created_by: `join_token:${token.join_token_id}`,
    metadata: { rack: 'b12', os: 'linux' },
    active_certificates: 1,
    rejoins: 0,
  })
  t.match(principal.principal_id, /^worker-[a-z2-7]{8}$/)
  t.equal(Date.parse(certificate.expires_at) - Math.floor(Date.parse(certificate.issued_at) / 1000) * 1000, 3_600_000)

  const member = plane.clientOf(identityOf(joined.body, joined.key))
  t.match((await member.get('/v1/whoami')).body, { principal: { principal_id: principal.principal_id } })

  const shown = (await plane.admin.get(`/v1/join-tokens/${token.join_token_id}`)).body
  t.match(shown, { status: 'used', uses: 1, max_uses: 1, id_prefix: 'worker-' })
  t.notOk('join_token' in shown || 'command' in shown)
  t.strictSame((await plane.admin.get('/v1/join-tokens')).body.items, [shown])
  const { body: events } = await plane.admin.get(`/v1/audit-events?target=${token.join_token_id}`)
  t.strictSame(
    events.items.map((event: { action: string; actor: string }) => [event.action, event.actor]),
    [
      ['join_token.use', `join_token:${token.join_token_id}`],
      ['join_token.create', 'admin-test'],
    ],
  )
  t.notMatch(JSON.stringify(plane.server.logged), /airj_/, 'no secret is logged')
  await noBreaches(t, plane)
})

t.test('tokens that make no sense are not made', async (t) => {
  const plane = await startPlane(t)
  const refused: [body: Record<string, unknown>, pointer: string][] = [
    [{ principal_id: 'a', id_prefix: 'b' }, '/id_prefix'],
    [{ principal_id: 'a', max_uses: 2 }, '/max_uses'],
    [{ principal_type: 'admin' }, '/allow_admin'],
    [{ ttl_seconds: 7 * 86_400 + 1 }, '/ttl_seconds'],
    [{ ttl_seconds: 0 }, '/ttl_seconds'],
    [{ max_uses: 1001 }, '/max_uses'],
    [{ max_uses: 0 }, '/max_uses'],
    [{ validity_seconds: 299 }, '/validity_seconds'],
    [{ validity_seconds: 91 * 86_400 }, '/validity_seconds'],
    [{ id_prefix: 'Upper-' }, '/id_prefix'],
    [{ id_prefix: 'a'.repeat(121) }, '/id_prefix'],
    [{ join_token: 'airj_mine' }, '/join_token'],
  ]
  for (const [body, pointer] of refused) {
    const answer = await plane.admin.post('/v1/join-tokens', { principal_type: 'worker', ...body })
    t.match(answer, { status: 400, body: { code: 'invalid_request', errors: [{ pointer }] } }, JSON.stringify(body))
  }
  t.equal((await plane.admin.get(`/v1/join-tokens/${'0'.repeat(32)}`)).status, 404)
  t.equal((await plane.admin.call('DELETE', `/v1/join-tokens/${'0'.repeat(32)}`)).status, 404)
})

t.test('a token made twice with one key shows its secret once', async (t) => {
  const plane = await startPlane(t)
  const body = { principal_type: 'worker', principal_id: 'once-1' }
  const first = await plane.admin.post('/v1/join-tokens', body, { key: 'k' })
  const again = await plane.admin.post('/v1/join-tokens', body, { key: 'k' })
  const { join_token, command, ...record } = first.body
  t.ok(join_token)
  t.match(command, / --id once-1$/)
  t.strictSame([again.status, again.headers['idempotency-replayed'], again.body], [201, 'true', record])
  const held = JSON.stringify(
    (
      await plane.store.store.documents.send(
        new (
          await import('@aws-sdk/lib-dynamodb')
        ).ScanCommand({ TableName: plane.store.tables.control }),
      )
    ).Items,
  )
  t.notMatch(held, new RegExp(join_token), 'and the tables do not have it')
  await noBreaches(t, plane)
})

t.test('whoever is refused learns nothing, and the audit learns all', async (t) => {
  let ahead = 0
  const plane = await startPlane(t, { clock: () => Date.now() + ahead })
  const joiner = makeJoiner(plane)
  t.teardown(joiner.client.close)
  await plane.enrol('taken-1')
  await plane.enrol('taken-2')
  const token = async (body: Record<string, unknown> = {}) => (await joiner.createToken(body)).join_token
  const used = await token()
  t.equal((await joiner.join(used)).status, 201)
  const revoked = await joiner.createToken()
  t.match((await plane.admin.call('DELETE', `/v1/join-tokens/${revoked.join_token_id}`)).body, {
    status: 'revoked',
    revoked_by: 'admin-test',
  })
  t.match((await plane.admin.call('DELETE', `/v1/join-tokens/${revoked.join_token_id}`)).status, 200)
  const refused: [string, string, Record<string, unknown>?][] = [
    ['no such join token', 'airj_nonsense'],
    ['no such join token', 'x'],
    ['used up', used],
    ['revoked', revoked.join_token],
    ['another principal_id', await token({ principal_id: 'mine-1' }), { principal_id: 'mine-2' }],
    ['does not begin', await token({ id_prefix: 'build-' }), { principal_id: 'other-1' }],
    ['does not begin', await token({ id_prefix: 'build' }), { principal_id: 'build' }],
    ['exists, and rejoining is not allowed', await token({ principal_id: 'taken-1' })],
    ['did not join this way', await token({ id_prefix: 'taken-', rejoin: true }), { principal_id: 'taken-1' }],
    ['of type worker', await token({ principal_type: 'service', principal_id: 'taken-2', rejoin: true })],
  ]
  let refusedSoFar = 0
  for (const [reason, join_token, more] of refused) {
    const answer = await joiner.join(join_token, more)
    refusedSoFar++
    t.equal(answer.status, 401, reason)
    const { request_id, ...said } = answer.body
    t.strictSame(said, {
      type: 'https://airunner.dev/docs/errors#join_refused',
      title: 'Joining was refused',
      status: 401,
      code: 'join_refused',
    })
    t.equal(answer.headers['connection'], 'close')
    const [event] = await refusals(plane, refusedSoFar)
    t.match(event?.after.reason, new RegExp(reason))
    const isLogged = () =>
      plane.server.logged.some((line) => line['event'] === 'join_refused' && line['request_id'] === request_id)
    t.ok(await eventually(isLogged))
  }
  const expired = await token({ ttl_seconds: 60 })
  ahead = 61_000
  t.equal((await joiner.join(expired)).status, 401, 'expired')
  t.match((await refusals(plane, 11))[0]?.after.reason, /expired/, 'in the next minute there is room again')
  await noBreaches(t, plane)
})

t.test('a key that is taken costs no signature, however often it is sent with a good proof', async (t) => {
  const plane = await startPlane(t)
  const joiner = makeJoiner(plane)
  t.teardown(joiner.client.close)
  const { join_token, join_token_id } = await joiner.createToken()
  const { identity } = await plane.enrol('worker-1')
  const { csr_pem } = await makeRequest(createPrivateKey(identity.key))
  const signatures = async () => {
    const metrics = await (await fetch(`http://${plane.server.metrics}/metrics`)).text()
    return /airunner_issue_seconds_count\S* (\d+)/.exec(metrics)?.[1]
  }
  const before = await signatures()
  t.ok(before)
  for (let i = 0; i < 30; i++)
    t.match(await joiner.join(join_token, { csr_pem }), { status: 409, body: { code: 'key_already_registered' } })
  t.match(await joiner.join(join_token, { csr_pem }), { status: 429, body: { code: 'rate_limited' } })
  t.equal(await signatures(), before)
  const audited = await refusals(plane, 10)
  t.match(audited[0], {
    target: join_token_id,
    code: 'key_already_registered',
    after: { reason: /another principal's/ },
  })
  t.equal((await joiner.join(join_token)).status, 201, 'the token is not spent, and good with a key of its own')
  await noBreaches(t, plane)
})

t.test('malformed requests are refused before any proof is looked at', async (t) => {
  const plane = await startPlane(t)
  const joiner = makeJoiner(plane)
  t.teardown(joiner.client.close)
  const { join_token } = await joiner.createToken()
  const { csr_pem } = await makeRequest()
  const table: [string, number, unknown][] = [
    ['invalid_request', 400, {}],
    ['invalid_request', 400, { method: 'token', csr_pem }],
    ['invalid_request', 400, { method: 'token', csr_pem, join_token, extra: 1 }],
    ['invalid_request', 400, { method: 'password', csr_pem, join_token }],
    ['invalid_request', 400, { method: 'oidc', csr_pem, join_token }],
    ['invalid_request', 400, { method: 'token', csr_pem, join_token, principal_id: 'Upper' }],
    ['csr_invalid', 400, { method: 'token', csr_pem: 'x', join_token }],
    ['payload_too_large', 413, { method: 'token', csr_pem, join_token, metadata: { k: 'x'.repeat(65_536) } }],
  ]
  for (const [code, status, body] of table) {
    const answer = await joiner.client.post('/v1/enrollments', body)
    t.strictSame(
      [answer.status, answer.body.code, 'detail' in answer.body, 'errors' in answer.body],
      [status, code, false, false],
    )
  }
  t.equal((await joiner.client.get('/v1/enrollments')).status, 405)
  t.equal((await joiner.client.get('/v1/whoami')).status, 404, 'nothing else is here')
  t.equal(
    (await plane.admin.post('/v1/enrollments', { method: 'token', csr_pem, join_token })).status,
    404,
    'nor is this there',
  )
  t.equal((await joiner.join(join_token)).status, 201, 'and the token is as good as before')
})

/** As a machine does it: told to come back, it sends the same request again. */
const joinInTheEnd = async (joiner: Joiner, token: string): Promise<Joined> => {
  const { csr_pem } = await makeRequest()
  for (let tries = 0; ; tries++) {
    const answer = await joiner.join(token, { csr_pem })
    if (answer.status !== 503 || tries === 200) return answer
    await new Promise((resolve) => setTimeout(resolve, 100 + 400 * Math.random()))
  }
}

t.test('fifty machines with one token for one: one identity', async (t) => {
  const plane = await startPlane(t)
  const other = await plane.startServer()
  const joiners = [makeJoiner(plane), makeJoiner(plane, other)] as const
  for (const joiner of joiners) t.teardown(joiner.client.close)
  for (const max_uses of [1, 7]) {
    const { join_token, join_token_id } = await joiners[0].createToken({ max_uses, id_prefix: `race-${max_uses}-` })
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) => joinInTheEnd(joiners[i % 2] as Joiner, join_token)),
    )
    const good = answers.filter((answer) => answer.status === 201)
    t.equal(good.length, max_uses)
    t.equal(new Set(good.map((answer) => answer.body.principal.principal_id)).size, max_uses)
    t.ok(answers.every((answer) => [201, 401, 429].includes(answer.status)))
    t.match((await plane.admin.get(`/v1/join-tokens/${join_token_id}`)).body, { uses: max_uses, status: 'used' })
  }
  await noBreaches(t, plane)
})

t.test('a lost answer', async (t) => {
  const plane = await startPlane(t)
  const other = await plane.startServer()
  const [joiner, elsewhere] = [makeJoiner(plane), makeJoiner(plane, other)]
  for (const { client } of [joiner, elsewhere]) t.teardown(client.close)

  t.test('the same request gets the same certificate, on any server', async (t) => {
    const { join_token } = await joiner.createToken()
    const { csr_pem } = await makeRequest()
    const first = await joiner.join(join_token, { csr_pem })
    const again = await elsewhere.join(join_token, { csr_pem, metadata: { tries: '2' } })
    t.strictSame([again.status, again.headers['idempotency-replayed'], again.body], [201, 'true', first.body])
    t.equal((await joiner.join(join_token)).status, 401, 'another request does not')
  })

  t.test('the same request at the same time on both servers: one certificate', async (t) => {
    for (let round = 0; round < 5; round++) {
      const { join_token } = await joiner.createToken()
      const { csr_pem } = await makeRequest()
      const answers = await Promise.all(
        [joiner, elsewhere, joiner, elsewhere].map((one) => one.join(join_token, { csr_pem })),
      )
      t.strictSame(
        answers.map((answer) => answer.status),
        [201, 201, 201, 201],
      )
      t.equal(new Set(answers.map((answer) => answer.body.certificate.serial_number)).size, 1)
    }
  })

  t.test('a revoked token gives nothing again', async (t) => {
    const { join_token, join_token_id } = await joiner.createToken()
    const { csr_pem } = await makeRequest()
    t.equal((await joiner.join(join_token, { csr_pem })).status, 201)
    await plane.admin.call('DELETE', `/v1/join-tokens/${join_token_id}`)
    t.equal((await joiner.join(join_token, { csr_pem })).status, 401)
  })
  await noBreaches(t, plane)
})

t.test('a bad store between server and tables', async (t) => {
  const plane = await startPlane(t)
  const proxy = await startFaultProxy(plane.store.engine.endpoint)
  t.teardown(proxy.stop)
  const behind = await plane.startServer({ endpoint: proxy.endpoint })
  const joiner = makeJoiner(plane, behind)
  t.teardown(joiner.client.close)
  for (const kind of ['lose-answer', 'hang-answer', 'conflict', 'throttle', 'refuse'] as const) {
    const { join_token, join_token_id } = await joiner.createToken()
    const { csr_pem } = await makeRequest()
    let faults = 0
    proxy.decide = (operation) => (operation === 'TransactWriteItems' && faults++ === 0 ? { kind } : { kind: 'pass' })
    const answers = [await joiner.join(join_token, { csr_pem })]
    if (answers[0]?.status !== 201) answers.push(await joiner.join(join_token, { csr_pem }))
    t.equal(answers.at(-1)?.status, 201, `${kind}: ${answers.map((answer) => answer.status)}`)
    t.match((await plane.admin.get(`/v1/join-tokens/${join_token_id}`)).body, { uses: 1 }, kind)
  }
  proxy.decide = () => ({ kind: 'pass' })
  await noBreaches(t, plane)
})

t.test('a server that dies between the commit and the answer', async (t) => {
  const plane = await startPlane(t)
  const proxy = await startFaultProxy(plane.store.engine.endpoint)
  t.teardown(proxy.stop)
  const doomed = await plane.startServer({ endpoint: proxy.endpoint })
  const [joiner, survivor] = [makeJoiner(plane, doomed), makeJoiner(plane)]
  for (const { client } of [joiner, survivor]) t.teardown(client.close)
  const { join_token, join_token_id } = await survivor.createToken()
  const { csr_pem } = await makeRequest()
  // The store commits, and from then on this server hears nothing any more.
  let dead = false
  proxy.decide = (operation) => {
    if (dead) return { kind: 'refuse' }
    if (operation !== 'TransactWriteItems') return { kind: 'pass' }
    dead = true
    return { kind: 'lose-answer' }
  }
  t.equal((await joiner.join(join_token, { csr_pem })).status, 503)
  const found = await survivor.join(join_token, { csr_pem })
  t.equal(found.status, 201)
  t.equal(found.headers['idempotency-replayed'], 'true')
  t.match((await plane.admin.get(`/v1/join-tokens/${join_token_id}`)).body, { uses: 1 })
  await noBreaches(t, plane)
})

t.test('thirty failed proofs a minute, and good ones are never counted', async (t) => {
  let ahead = 0
  const plane = await startPlane(t, { clock: () => Date.now() + ahead })
  const joiner = makeJoiner(plane)
  t.teardown(joiner.client.close)
  const { join_token } = await joiner.createToken({ max_uses: 100 })
  const good = await Promise.all(Array.from({ length: 35 }, () => patiently(() => joiner.join(join_token))))
  t.ok(good.every((answer) => answer.status === 201))
  const statuses: number[] = []
  for (let i = 0; i < 32; i++) statuses.push((await joiner.join('airj_wrong')).status)
  t.strictSame(statuses, [...Array.from({ length: 30 }, () => 401), 429, 429])
  const limited = await joiner.join('airj_wrong')
  t.match(limited, { status: 429, body: { code: 'rate_limited' } })
  // What is left of the minute; waits are spread up to twofold, so that a herd does not come back at once.
  const wait = Number(limited.headers['retry-after'])
  t.ok(wait >= 1 && wait <= 120, `${wait} s`)
  t.equal((await joiner.join(join_token)).status, 201, 'a good proof from the same address is let in')
  const events = await refusals(plane, 10)
  t.equal(events.length, 10, 'ten of them are audited one by one')
  ahead = 61_000
  t.equal((await joiner.join('airj_wrong')).status, 401, 'a minute later it begins anew')
  const counted = (await refusals(plane, 12)).find((event) => event.actor === 'system')
  t.match(counted, { code: 'suppressed', after: { suppressed: 23 } })
})

t.test('an admin by token', async (t) => {
  const plane = await startPlane(t)
  const joiner = makeJoiner(plane)
  t.teardown(joiner.client.close)
  const { join_token } = await joiner.createToken({ principal_type: 'admin', principal_id: 'ops-2', allow_admin: true })
  const joined = await joiner.join(join_token)
  t.equal(joined.status, 201)
  const ops = plane.clientOf(identityOf(joined.body, joined.key))
  t.equal((await ops.get('/v1/audit-events')).status, 200)
  await noBreaches(t, plane)
})

t.test('only who may manage tokens does', async (t) => {
  const plane = await startPlane(t)
  for (const type of ['worker', 'user', 'service'] as const) {
    const { client } = await plane.enrol(`${type}-1`, type)
    for (const [method, path, body] of [
      ['POST', '/v1/join-tokens', { principal_type: 'worker' }],
      ['GET', '/v1/join-tokens', undefined],
      ['GET', '/v1/join-rules', undefined],
    ] as const)
      t.match(await client.call(method, path, body), { status: 403, body: { code: 'permission_denied' } })
  }
})

t.test('lists go page by page, newest token first', async (t) => {
  const plane = await startPlane(t)
  const joiner = makeJoiner(plane)
  t.teardown(joiner.client.close)
  const made: string[] = []
  for (let i = 0; i < 5; i++) made.unshift((await joiner.createToken()).join_token_id)
  const listed: string[] = []
  let path = '/v1/join-tokens?limit=2'
  for (;;) {
    const { body } = await plane.admin.get(path)
    listed.push(...body.items.map((item: { join_token_id: string }) => item.join_token_id))
    if (body.next_page_token === undefined) break
    path = `/v1/join-tokens?limit=2&page_token=${body.next_page_token}`
  }
  t.strictSame(listed, made)
  const { body } = await plane.admin.get('/v1/join-tokens?limit=1')
  t.match(await plane.admin.get(`/v1/join-rules?page_token=${body.next_page_token}`), {
    status: 400,
    body: { code: 'page_token_mismatch' },
  })
})

t.test('the enrolment listener takes no certificate and gives no more than it must', async (t) => {
  const plane = await startPlane(t)
  const client = makeClient(plane.server.enroll, plane.authority.root_pem)
  t.teardown(client.close)
  t.equal((await client.get('/v1/trust-bundle')).status, 200)
  for (const path of ['/openapi.json', '/v1/principals', '/health', '/metrics'])
    t.equal((await client.get(path)).status, 404, path)
})

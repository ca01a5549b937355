import t from 'tap'
import { ControlError, errorCodes } from '../../../src/core/errors.ts'
import { statusOfCode, titleOfCode } from '../../../src/wire/problem.ts'
import {
  call,
  makeFakePlane,
  openEnrollApp,
  openMtlsApp,
  sendRaw,
  serialOf,
  trustBundle,
} from '../../support/http-apps.ts'

t.test('every code is answered with its status, title and headers', async (t) => {
  const plane = makeFakePlane()
  const apps = await openMtlsApp({ plane })
  t.teardown(apps.close)
  const port = await apps.portFor(serialOf.admin)
  for (const code of errorCodes) {
    plane.verbs.getPrincipal = async () => {
      throw new ControlError(code, 'do this next', { errors: [{ pointer: '/x', detail: 'y' }], retryAfterSeconds: 7 })
    }
    const { status, headers, json, closed } = await call(port, 'GET', '/v1/principals/a')
    t.equal(status, statusOfCode[code], code)
    t.equal(headers['content-type'], 'application/problem+json')
    t.equal(headers['retry-after'], status === 429 || status === 503 ? '7' : undefined, `${code}: Retry-After`)
    t.equal(closed, status === 401, `${code}: closed`)
    t.strictSame(json, {
      type: `https://airunner.dev/docs/errors#${code}`,
      title: titleOfCode[code],
      status,
      ...(code === 'internal_error' ? {} : { detail: 'do this next' }),
      code,
      request_id: headers['x-request-id'],
      ...(code === 'internal_error' ? {} : { errors: [{ pointer: '/x', detail: 'y' }] }),
    })
  }
})

t.test('what nobody foresaw says nothing, and is logged with its cause', async (t) => {
  const plane = makeFakePlane()
  const logged: Record<string, unknown>[] = []
  for (const thrown of [
    new TypeError('secret'),
    'secret',
    undefined,
    Object.assign(new Error('secret'), { statusCode: 503 }),
  ]) {
    plane.verbs.getPrincipal = async () => {
      throw thrown
    }
    const apps = await openMtlsApp({ plane, logged })
    const { status, json, body } = await call(await apps.portFor(serialOf.admin), 'GET', '/v1/principals/a')
    t.strictSame([status, json.code], [500, 'internal_error'])
    t.notMatch(body, /secret/)
    await apps.close()
  }
  const failures = logged.filter(({ event }) => event === 'request_failed')
  t.equal(failures.length, 4)
  t.match(failures[0], { request_id: /^[0-9a-f]{32}$/, err: { message: 'secret', stack: /TypeError/ } })
})

t.test('bad input is pointed at', async (t) => {
  const apps = await openMtlsApp()
  t.teardown(apps.close)
  const port = await apps.portFor(serialOf.admin)
  const pointer = async (method: string, path: string, options = {}) =>
    (await call(port, method, path, options)).json.errors?.[0]?.pointer
  const good = { principal_id: 'a', type: 'worker' }
  t.equal(await pointer('POST', '/v1/principals', { body: { type: 'worker' } }), '/principal_id')
  t.equal(await pointer('POST', '/v1/principals', { body: { ...good, max_certificates: '3' } }), '/max_certificates')
  t.equal(await pointer('POST', '/v1/principals', { body: { ...good, metadata: { a: 1 } } }), '/metadata/a')
  t.equal(await pointer('POST', '/v1/principals', { body: { ...good, 'a/b~c': 1 } }), '/a~1b~0c')
  t.equal(await pointer('POST', '/v1/principals', { body: [] }), '')
  t.equal(await pointer('GET', '/v1/principals?limit=x'), '/query/limit')
  t.equal(await pointer('GET', '/v1/principals?nope=1'), '/query/nope')
  t.equal(await pointer('GET', '/v1/principals/A'), '/path/principal_id')
  t.equal(await pointer('POST', '/v1/principals', { body: good, headers: { 'idempotency-key': '\x01' } }), undefined)
  t.equal(
    await pointer('PATCH', '/v1/principals/a', { body: { email: null }, headers: { 'if-match': '3' } }),
    '/headers/if-match',
  )
})

t.test('versions travel as entity tags', async (t) => {
  const apps = await openMtlsApp()
  t.teardown(apps.close)
  const port = await apps.portFor(serialOf.admin)
  const patch = async (tag: string | undefined) =>
    (
      await call(port, 'PATCH', '/v1/principals/worker-1', {
        body: { description: null },
        headers: tag === undefined ? {} : { 'if-match': tag },
      })
    ).status
  t.equal((await call(port, 'GET', '/v1/principals/worker-1')).headers['etag'], '"3"')
  t.equal(await patch('"3"'), 200)
  t.equal(await patch('*'), 200)
  t.equal(await patch(undefined), 200)
  t.equal(await patch('"2"'), 412)
})

t.test('the trust bundle comes as JSON or PEM, or not at all when it is known', async (t) => {
  const apps = await openMtlsApp()
  const enrolment = await openEnrollApp()
  t.teardown(apps.close)
  t.teardown(enrolment.close)
  for (const port of [await apps.portFor(serialOf.worker), enrolment.port]) {
    const json = await call(port, 'GET', '/v1/trust-bundle')
    t.strictSame(json.json, trustBundle)
    const tag = json.headers['etag'] as string
    const pem = await call(port, 'GET', '/v1/trust-bundle?format=pem')
    t.equal(pem.body, trustBundle.roots_pem)
    t.not(pem.headers['etag'], tag)
    for (const known of [tag, `W/${tag}`, '*', `"x", ${tag}`]) {
      const { status, body } = await call(port, 'GET', '/v1/trust-bundle', {
        headers: { 'if-none-match': known },
        patience: 100,
      })
      t.strictSame([status, body], [304, ''])
    }
    const other = await call(port, 'GET', '/v1/trust-bundle', { headers: { 'if-none-match': '"x"' } })
    t.equal(other.status, 200)
  }
})

t.test('HEAD answers like GET, without the body', async (t) => {
  const apps = await openMtlsApp()
  t.teardown(apps.close)
  const port = await apps.portFor(serialOf.admin)
  for (const path of ['/v1/whoami', '/v1/principals', '/v1/principals/admin-1', '/v1/trust-bundle', '/openapi.json']) {
    const get = await call(port, 'GET', path)
    const head = await call(port, 'HEAD', path, { patience: 100 })
    t.strictSame(
      [head.status, head.headers['content-length'], head.body],
      [200, get.headers['content-length'], ''],
      path,
    )
  }
  const missing = await call(port, 'HEAD', '/v1/nope', { patience: 100 })
  t.strictSame([missing.status, missing.body], [404, ''])
})

t.test('405 names what is allowed', async (t) => {
  const apps = await openMtlsApp()
  t.teardown(apps.close)
  const port = await apps.portFor(serialOf.admin)
  t.equal((await call(port, 'PUT', '/v1/principals/a')).headers['allow'], 'DELETE, GET, HEAD, PATCH')
  t.equal((await call(port, 'OPTIONS', '/v1/principals')).headers['allow'], 'GET, HEAD, POST')
  t.equal((await call(port, 'POST', '/v1/agent/events')).headers['allow'], 'GET')
  t.equal(
    (await call(port, 'PUT', '/v1/join-rules/test')).headers['allow'],
    'POST',
    'not what an id in its place allows',
  )
})

t.test('answers are not cached, not sniffed, and do not say what serves them', async (t) => {
  const apps = await openMtlsApp()
  t.teardown(apps.close)
  const port = await apps.portFor(serialOf.admin)
  for (const path of ['/v1/whoami', '/v1/nope', '/v1/principals?limit=x']) {
    const { headers } = await call(port, 'GET', path)
    t.match(headers, { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY' })
    t.match(headers['content-security-policy'], "default-src 'none'")
    t.notOk(headers['server'] ?? headers['x-powered-by'])
  }
})

t.test('whoever takes its own right away still hears that it worked, and is then left', async (t) => {
  const apps = await openMtlsApp()
  t.teardown(apps.close)
  const port = await apps.portFor(serialOf.admin)
  for (const [method, path, body] of [
    ['POST', `/v1/certificates/${serialOf.admin}/revoke`, { reason: 'unspecified' }],
    ['POST', '/v1/principals/admin-1/suspend', { reason: 'x' }],
    ['DELETE', '/v1/principals/admin-1', undefined],
  ] as const) {
    const own = await call(port, method, path, { body })
    t.strictSame([own.status, own.closed], [200, true], path)
    const other = await call(port, method, path.replace(serialOf.admin, serialOf.user).replace('admin-1', 'user-1'), {
      body,
    })
    t.strictSame([other.status, other.closed], [200, false], path)
  }
})

t.test('the socket of a request can be found by what the request sets off', async (t) => {
  const { currentSocket } = await import('../../../src/server/plugins/current-socket.ts')
  const plane = makeFakePlane()
  const apps = await openMtlsApp({ plane })
  t.teardown(apps.close)
  const { createPrincipal } = plane.verbs
  const seen: (number | undefined)[] = []
  plane.verbs.createPrincipal = async (request, body) => {
    await new Promise((resolve) => setTimeout(resolve, 5))
    seen.push(currentSocket()?.remotePort)
    return createPrincipal(request, body)
  }
  const port = await apps.portFor(serialOf.admin)
  const body = { principal_id: 'a', type: 'worker' }
  await Promise.all(
    [1, 2, 3].map(() =>
      call(port, 'POST', '/v1/principals', { body, headers: { 'idempotency-key': `${Math.random()}` } }),
    ),
  )
  t.equal(new Set(seen).size, 3)
  t.notOk(seen.includes(undefined))
  t.equal(currentSocket(), undefined)
})

t.test('admission is asked for each request, and its refusal ends the connection', async (t) => {
  const logged: Record<string, unknown>[] = []
  const apps = await openMtlsApp({ logged })
  t.teardown(apps.close)
  const port = await apps.portFor(serialOf.worker)
  const one = 'GET /v1/whoami HTTP/1.1\r\nHost: localhost\r\n\r\n'
  await sendRaw(port, one)
  apps.plane.callers.delete(serialOf.worker)
  const refused = await sendRaw(port, one + one)
  t.equal(refused.status, 401)
  t.equal(refused.text.match(/HTTP\/1.1/g)?.length, 1, 'and the second request on it is not answered')
  t.notMatch(refused.body, /detail/)
  t.match(logged[0], {
    event: 'admission_denied',
    code: 'certificate_unregistered',
    serial_number: serialOf.worker,
    remote_address: '192.0.2.7',
  })
  t.equal(apps.admissions[0], 'admitted worker')
  t.ok(apps.admissions.slice(1).every((result) => result === 'certificate_unregistered unknown'))
})

t.test('a request that was received whole is answered before the garbage after it', async (t) => {
  const plane = makeFakePlane()
  const { listPrincipals } = plane.verbs
  plane.verbs.listPrincipals = async (query) => {
    await new Promise((resolve) => setTimeout(resolve, 50))
    return listPrincipals(query)
  }
  const apps = await openMtlsApp({ plane })
  t.teardown(apps.close)
  const port = await apps.portFor(serialOf.admin)
  const answer = await sendRaw(port, 'GET /v1/principals HTTP/1.1\r\nHost: localhost\r\n\r\nGARBAGE\r\n\r\n')
  t.strictSame([answer.status, answer.closed], [200, true])
})

import t from 'tap'
import { call, makeFakePlane, openMtlsApp, serialOf } from '../../support/http-apps.ts'

const path = '/v1/principals'
const body = { principal_id: 'new', type: 'worker' }
const key = (value: string) => ({ 'idempotency-key': value })

t.test('the same key and body give the same answer, and the effect once', async (t) => {
  const apps = await openMtlsApp()
  t.teardown(apps.close)
  const port = await apps.portFor(serialOf.admin)
  const first = await call(port, 'POST', path, { body, headers: key('k1') })
  const second = await call(port, 'POST', path, { body, headers: key('k1') })
  t.equal(first.status, 201)
  t.equal(first.headers['idempotency-replayed'], undefined)
  t.equal(second.status, 201)
  t.equal(second.headers['idempotency-replayed'], 'true')
  t.strictSame(second.json, first.json)
  t.not(second.headers['x-request-id'], first.headers['x-request-id'], 'but it is another request')
  t.strictSame(apps.plane.calls, ['createPrincipal'])
})

t.test('raw octets are compared, not meaning', async (t) => {
  const apps = await openMtlsApp()
  t.teardown(apps.close)
  const port = await apps.portFor(serialOf.admin)
  await call(port, 'POST', path, { body, headers: key('k') })
  for (const other of [{ ...body, principal_id: 'other' }, `${JSON.stringify(body)} `]) {
    const { status, json } = await call(port, 'POST', path, { body: other, headers: key('k') })
    t.strictSame([status, json.code], [422, 'idempotency_key_reused'])
  }
  t.equal(apps.plane.calls.length, 1)
})

t.test('a key is the caller’s own, and for one path', async (t) => {
  const apps = await openMtlsApp()
  t.teardown(apps.close)
  const admin = await apps.portFor(serialOf.admin)
  const worker = await apps.portFor(serialOf.worker)
  const csr = { csr_pem: 'CSR' }
  await call(admin, 'POST', '/v1/renewals', { body: csr, headers: key('k') })
  const others = await call(worker, 'POST', '/v1/renewals', { body: csr, headers: key('k') })
  const elsewhere = await call(admin, 'POST', '/v1/certificates', {
    body: { ...csr, principal_id: 'worker-1' },
    headers: key('k'),
  })
  t.strictSame([others.status, others.headers['idempotency-replayed']], [201, undefined])
  t.strictSame([elsewhere.status, elsewhere.headers['idempotency-replayed']], [201, undefined])
  t.equal(apps.plane.kept.size, 3)
})

t.test('a body is no part of the key, and absent is the same as empty', async (t) => {
  const apps = await openMtlsApp()
  t.teardown(apps.close)
  const port = await apps.portFor(serialOf.admin)
  const activate = '/v1/principals/worker-1/activate'
  await call(port, 'POST', activate, { headers: key('k') })
  const again = await call(port, 'POST', activate, { headers: key('k') })
  t.equal(again.headers['idempotency-replayed'], 'true')
  const other = await call(port, 'POST', activate, { headers: key('k'), body: {} })
  t.equal(other.status, 422)
})

t.test('only successes are kept', async (t) => {
  const plane = makeFakePlane()
  const { createPrincipal } = plane.verbs
  const { ControlError } = await import('../../../src/core/errors.ts')
  plane.verbs.createPrincipal = async () => Promise.reject(new ControlError('principal_exists', 'taken'))
  const apps = await openMtlsApp({ plane })
  t.teardown(apps.close)
  const port = await apps.portFor(serialOf.admin)
  t.equal((await call(port, 'POST', path, { body, headers: key('k') })).status, 409)
  t.equal((await call(port, 'POST', path, { body: '{', headers: key('k') })).status, 400)
  t.equal(plane.kept.size, 0)
  plane.verbs.createPrincipal = createPrincipal
  t.equal((await call(port, 'POST', path, { body, headers: key('k') })).status, 201)
})

t.test('of two at once the loser answers what the winner did', async (t) => {
  const plane = makeFakePlane()
  let waiting: (() => void)[] = []
  const { createPrincipal } = plane.verbs
  plane.verbs.createPrincipal = async (request, given) => {
    await new Promise<void>((resolve) => {
      waiting.push(resolve)
      if (waiting.length === 2) for (const go of waiting) go()
    })
    const mine = await createPrincipal(request, given)
    return { ...mine, description: request.attribution.request_id }
  }
  const apps = await openMtlsApp({ plane })
  t.teardown(apps.close)
  const port = await apps.portFor(serialOf.admin)
  const answers = await Promise.all([1, 2].map(() => call(port, 'POST', path, { body, headers: key('k') })))
  t.strictSame(answers[0]?.json, answers[1]?.json)
  t.strictSame(answers.map(({ headers }) => headers['idempotency-replayed']).sort(), ['true', undefined])
  waiting = []
})

t.test('an answer that the verb stored itself is not stored again', async (t) => {
  const plane = makeFakePlane()
  const { AlreadyAnswered } = await import('../../../src/core/once.ts')
  plane.verbs.issueCertificate = async (request) => {
    t.match(request.once, { key: /^[0-9a-f]{64}$/, body_sha256: /^[0-9a-f]{64}$/, status: 201, kept: false })
    throw new AlreadyAnswered(201, { stored: 'by the transaction' })
  }
  const apps = await openMtlsApp({ plane })
  t.teardown(apps.close)
  const port = await apps.portFor(serialOf.admin)
  const answer = await call(port, 'POST', '/v1/certificates', {
    body: { principal_id: 'worker-1', csr_pem: 'CSR' },
    headers: key('k'),
  })
  t.strictSame(
    [answer.status, answer.headers['idempotency-replayed'], answer.json],
    [201, 'true', { stored: 'by the transaction' }],
  )
  t.equal(plane.kept.size, 0)
})

t.test('a store that does not answer keeps the effect from happening', async (t) => {
  const plane = makeFakePlane()
  const { ControlError } = await import('../../../src/core/errors.ts')
  plane.answers.find = async () => Promise.reject(new ControlError('store_unavailable', 'try again'))
  const apps = await openMtlsApp({ plane })
  t.teardown(apps.close)
  const port = await apps.portFor(serialOf.admin)
  const answer = await call(port, 'POST', path, { body, headers: key('k') })
  t.strictSame([answer.status, answer.headers['retry-after'], plane.calls], [503, '1', []])
})

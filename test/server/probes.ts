import { once } from 'node:events'
import type { Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import t, { type Test } from 'tap'
import type { CrlHead } from '../../src/core/crl.ts'
import { day } from '../../src/core/time.ts'
import { parseCidrs } from '../../src/server/cidr.ts'
import type { HeldCrl } from '../../src/server/crls.ts'
import { makeHealthServer } from '../../src/server/health-app.ts'
import { makeMetrics } from '../../src/server/metrics.ts'
import { makeMetricsServer } from '../../src/server/metrics-app.ts'
import { makePkiServer } from '../../src/server/pki-app.ts'

const listen = async (t: Test, server: Server) => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  return { port, get: (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${port}${path}`, init) }
}

const read = async (answer: Promise<Response>) => {
  const response = await answer
  return [response.status, await response.text()]
}

t.test('each probe says what it is asked', async (t) => {
  let draining = false
  let failing: string[] = []
  const { get } = await listen(t, makeHealthServer({ draining: () => draining, failingChecks: () => failing }))
  t.same(await read(get('/health')), [200, 'ok'])
  t.same(await read(get('/livez')), [200, 'ok'])
  t.same(await read(get('/readyz?verbose')), [200, 'ok'])
  failing = ['store', 'feed']
  t.same(await read(get('/readyz')), [503, 'store\nfeed'])
  t.same(await read(get('/health')), [200, 'ok'], 'a store outage is no reason to kill the task')
  draining = true
  t.same(await read(get('/health')), [503, 'draining'])
  t.same(await read(get('/livez')), [200, 'ok'])
  t.same(await read(get('/readyz')), [503, 'draining\nstore\nfeed'])
  for (const path of ['/', '/metrics', '/health/', '/v1/whoami'])
    t.same(await read(get(path)), [404, 'not found\n'], path)
  t.equal((await get('/health', { method: 'POST', body: 'x' })).status, 405)
  t.same(await read(get('/livez', { method: 'HEAD' })), [200, ''])
})

t.test('a slow sender is cut at 6 s at the latest', async (t) => {
  const { port } = await listen(t, makeHealthServer({ draining: () => false, failingChecks: () => [] }))
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined).resume()
  const started = performance.now()
  const drip = setInterval(() => socket.write('X'), 300)
  socket.write('GET /health HTTP/1.1\r\nHost: x\r\n')
  await once(socket, 'close')
  clearInterval(drip)
  const took = performance.now() - started
  t.ok(took > 4500 && took < 30_000, `${took} ms`)
})

t.test("a balancer's check may begin with a PROXY header, and need not", async (t) => {
  const local = Buffer.from(`0d0a0d0a000d0a515549540a20110054${'00'.repeat(84)}`, 'hex')
  const request = Buffer.from('GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  let draining = false
  const start = async (proxies: string) =>
    listen(t, makeHealthServer({ draining: () => draining, failingChecks: () => [], proxies: parseCidrs(proxies) }))
  /** Sends the pieces, each in a packet of its own; answers the status, or nothing. */
  const ask = async (port: number, ...pieces: Buffer[]): Promise<number | undefined> => {
    const socket = connect(port, '127.0.0.1').setNoDelay(true)
    let answer = ''
    socket
      .on('error', () => undefined)
      .on('data', (chunk) => {
        answer += chunk
      })
    for (const piece of pieces) {
      socket.write(piece)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    if (!socket.destroyed) await once(socket, 'close')
    return answer === '' ? undefined : Number(answer.split(' ')[1])
  }
  const { port } = await start('127.0.0.0/8')
  const whole = Buffer.concat([local, request])
  for (const [name, pieces] of Object.entries({
    'in one packet': [whole],
    'in two': [local, request],
    'cut in the header': [whole.subarray(0, 9), whole.subarray(9)],
    'cut in the request': [whole.subarray(0, 110), whole.subarray(110)],
    'without a header': [request],
    'without a header, in two': [request.subarray(0, 1), request.subarray(1)],
  }))
    t.equal(await ask(port, ...pieces), 200, name)
  for (const garbage of ['hello\r\n\r\n', '\r\n\r\n\0\r\nQUIX\n'])
    t.equal(await ask(port, Buffer.from(garbage)), 400, JSON.stringify(garbage))
  draining = true
  t.equal(await ask(port, whole), 503)
  draining = false

  const started = performance.now()
  t.equal(await ask(port, local.subarray(0, 20)), undefined, 'half a header')
  const took = performance.now() - started
  t.ok(took > 4500 && took < 30_000, `${took} ms`)

  const elsewhere = await start('10.0.0.0/8')
  t.equal(await ask(elsewhere.port, whole), 400, 'from who is no balancer it is garbage')
  t.equal(await ask(elsewhere.port, request), 200)
})

t.test('headers end at 16 KB', async (t) => {
  const { get } = await listen(t, makeHealthServer({ draining: () => false, failingChecks: () => [] }))
  t.equal((await get('/health', { headers: { 'x-long': 'x'.repeat(15_000) } })).status, 200)
  t.equal((await get('/health', { headers: { 'x-long': 'x'.repeat(17_000) } })).status, 431)
})

t.test('public files can be cached, and nothing else is served', async (t) => {
  const der = Buffer.from('3003020101', 'hex')
  let roots = 'roots'
  const { get } = await listen(
    t,
    makePkiServer({
      trustBundle: () => roots,
      issuerCertificates: () => new Map([['0123456789abcdef', der]]),
      ocsp: { answer: async () => ({ der }), clock: Date.now },
      crl: () => undefined,
      clock: Date.now,
    }),
  )
  const bundle = await get('/pki/trust-bundle.pem')
  t.equal(bundle.headers.get('content-type'), 'application/x-pem-file')
  t.match(bundle.headers.get('cache-control'), /max-age=\d+/)
  t.equal(await bundle.text(), 'roots')
  const etag = bundle.headers.get('etag') as string
  for (const held of [etag, `W/${etag}`, `"other", ${etag}`, '*'])
    t.same(await read(get('/pki/trust-bundle.pem', { headers: { 'if-none-match': held } })), [304, ''], held)
  roots = 'other roots'
  t.same(await read(get('/pki/trust-bundle.pem', { headers: { 'if-none-match': etag } })), [200, 'other roots'])

  const issuer = await get('/pki/issuers/0123456789abcdef.cer')
  t.equal(issuer.headers.get('content-type'), 'application/pkix-cert')
  t.same(Buffer.from(await issuer.arrayBuffer()), der)
  const head = await get('/pki/issuers/0123456789abcdef.cer', { method: 'HEAD' })
  t.same([head.status, head.headers.get('content-length'), await head.text()], [200, '5', ''])
  for (const path of [
    '/pki/issuers/0123456789abcdee.cer',
    '/pki/issuers/0123456789ABCDEF.cer',
    '/pki/',
    '/pki/trust-bundle.pem/',
    '/pki/../pki/x',
    '/health',
  ])
    t.equal((await get(path)).status, 404, path)
})

t.test('metrics have their names, and no label from outside', async (t) => {
  const metrics = makeMetrics()
  metrics.admission('admitted', 'worker')
  metrics.certificateIssued('worker', 'renewed')
  metrics.issueTook(0.01)
  metrics.revokedSocketCut(0.4)
  metrics.handshakeFailed('no_certificate')
  metrics.storeAnswered('get', 'ok', 0.002)
  metrics.answered(201)
  metrics.answered(503)
  metrics.watch({
    connections: () => ({ worker: 7 }),
    feedAge: () => 0.5,
    certificateExpiry: () => ({ server: 60, root: -1 }),
  })
  const { contentType } = metrics.registry
  const { get } = await listen(t, makeMetricsServer({ contentType, text: () => metrics.registry.metrics() }))
  const answer = await get('/metrics')
  t.match(answer.headers.get('content-type'), /^text\/plain; version=0\.0\.4/)
  const text = await answer.text()
  for (const line of [
    'airunner_admissions_total{result="admitted",principal_type="worker"} 1',
    'airunner_certificates_issued_total{principal_type="worker",kind="renewed"} 1',
    'airunner_issue_seconds_count 1',
    'airunner_revocation_cut_seconds_bucket{le="0.5"} 1',
    'airunner_handshake_failures_total{reason="no_certificate"} 1',
    'airunner_store_requests_total{operation="get",outcome="ok"} 1',
    'airunner_store_request_seconds_count{operation="get"} 1',
    'airunner_http_responses_total{status="2xx"} 1',
    'airunner_http_responses_total{status="5xx"} 1',
    'airunner_connections{principal_type="worker"} 7',
    'airunner_feed_age_seconds 0.5',
    'airunner_certificate_expiry_seconds{kind="server"} 60',
    'airunner_certificate_expiry_seconds{kind="root"} -1',
  ])
    t.ok(text.includes(`${line}\n`), line)
  t.match(text, /nodejs_eventloop_lag_seconds /)
  t.equal((await get('/')).status, 404)
})

t.test('metrics that cannot be gathered are no crash', async (t) => {
  const { get } = await listen(
    t,
    makeMetricsServer({ contentType: 'text/plain', text: () => Promise.reject(new Error('secret')) }),
  )
  t.same(await read(get('/metrics')), [503, 'unavailable\n'])
})

t.test('a CRL is cached for as long as it may be, and one that is not built yet is asked for again', async (t) => {
  const der = Buffer.from('3003020101', 'hex')
  const thisUpdate = Date.parse('2026-11-21T12:00:00Z')
  const head: CrlHead = {
    issuer_id: '0123456789abcdef',
    number: 7,
    build_id: 'b',
    this_update: thisUpdate,
    next_update: thisUpdate + day,
    read_at: thisUpdate + 1,
    final: false,
    entries: 0,
    chunks: 1,
    size: der.length,
    sha256: 'ab'.repeat(32),
    build_ms: 1,
  }
  let now = thisUpdate
  let held: HeldCrl | 'pending' | undefined = { head, der }
  const { get } = await listen(
    t,
    makePkiServer({
      trustBundle: () => '',
      issuerCertificates: () => new Map(),
      crl: (issuerId) => (issuerId === head.issuer_id ? held : undefined),
      clock: () => now,
      ocsp: { answer: async () => ({ der }), clock: () => now },
    }),
  )
  const path = '/pki/issuers/0123456789abcdef.crl'
  const lives: [what: string, at: number, seconds: number][] = [
    ['a new one', thisUpdate, 60],
    ['20 s before its end', thisUpdate + day - 20_500, 20],
    ['one that is over', thisUpdate + day, 0],
    ['long after', thisUpdate + 9 * day, 0],
  ]
  for (const [what, at, seconds] of lives) {
    now = at
    const answer = await get(path)
    t.equal(answer.headers.get('cache-control'), `public, max-age=${seconds}`, what)
    t.equal(answer.headers.get('content-type'), 'application/pkix-crl')
    t.equal(answer.headers.get('last-modified'), 'Sat, 21 Nov 2026 12:00:00 GMT')
    t.same(Buffer.from(await answer.arrayBuffer()), der)
  }
  const conditions: [header: string, value: string, status: number][] = [
    ['if-none-match', `"${'ab'.repeat(16)}"`, 304],
    ['if-none-match', '"other"', 200],
    ['if-modified-since', 'Sat, 21 Nov 2026 12:00:00 GMT', 304],
    ['if-modified-since', 'Sat, 21 Nov 2026 11:59:59 GMT', 200],
    ['if-modified-since', 'Sun, 22 Nov 2026 12:00:00 GMT', 200],
    ['if-modified-since', 'yesterday', 200],
  ]
  for (const [header, value, status] of conditions)
    t.equal((await get(path, { headers: { [header]: value } })).status, status, `${header}: ${value}`)
  t.equal((await get(path, { method: 'POST' })).status, 405)
  t.equal((await get('/pki/issuers/0123456789abcdee.crl')).status, 404)
  held = 'pending'
  const pending = await get(path)
  t.same([pending.status, pending.headers.get('retry-after')], [503, '2'])
})

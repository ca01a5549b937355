import { connect } from 'node:net'
import t from 'tap'
import { makeRateLimit } from '../../../src/server/plugins/rate-limit.ts'
import { patiently } from '../../support/client.ts'
import { call, makeFakePlane, openMtlsApp, sendRaw, serialOf } from '../../support/http-apps.ts'

/** Sends `first` at once and then one octet of `rest` per `pause`, until the peer ends it. */
const drip = (port: number, first: string, rest: string, pause: number): Promise<{ text: string; seconds: number }> =>
  new Promise((resolve) => {
    const began = performance.now()
    const socket = connect(port, '127.0.0.1')
    let text = ''
    let sent = 0
    socket.write(first)
    const timer = setInterval(() => sent < rest.length && socket.write(rest[sent++] as string), pause)
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      clearInterval(timer)
      resolve({ text, seconds: (performance.now() - began) / 1000 })
    })
  })

t.test('slow senders', async (t) => {
  const apps = await openMtlsApp()
  t.teardown(apps.close)
  const port = await apps.portFor(serialOf.admin)
  const [silent, headers, body] = await Promise.all([
    drip(port, '', '', 1000),
    drip(port, 'GET /v1/whoami HTTP/1.1\r\nHost: localhost\r\n', 'X-Slow: '.concat('a'.repeat(1000)), 200),
    drip(
      port,
      'POST /v1/principals HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n',
      `{${' '.repeat(999)}`,
      200,
    ),
  ])
  for (const [name, { text, seconds }, limit] of [
    ['silent', silent, 5],
    ['headers', headers, 5],
    ['body', body, 10],
  ] as const) {
    t.match(text, /^HTTP\/1\.1 408 /, name)
    t.match(text, '"code":"request_timeout"', name)
    t.ok(seconds >= limit - 0.1 && seconds <= limit + 1, `${name} cut after ${seconds.toFixed(1)} s`)
  }
})

t.test('50 requests a second with a burst of 100 per principal', async (t) => {
  let now = 1_700_000_000_000
  const apps = await openMtlsApp({ clock: () => now, config: { requestsPerSecond: 50, burst: 100 } })
  t.teardown(apps.close)
  const port = await apps.portFor(serialOf.worker)
  const pipelined = (count: number) =>
    'GET /v1/whoami HTTP/1.1\r\nHost: localhost\r\n\r\n'
      .repeat(count - 1)
      .concat('GET /v1/whoami HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
  const statuses = async (count: number) => {
    const { text } = await new Promise<{ text: string }>((resolve) => {
      const socket = connect(port, '127.0.0.1')
      let text = ''
      socket.on('data', (chunk) => {
        text += chunk
      })
      socket.on('close', () => resolve({ text }))
      socket.write(pipelined(count))
    })
    const found = text.match(/HTTP\/1\.1 \d{3}/g) ?? []
    return {
      ok: found.filter((line) => line.endsWith('200')).length,
      limited: found.filter((line) => line.endsWith('429')).length,
    }
  }
  t.strictSame(await statuses(130), { ok: 100, limited: 30 })
  now += 500
  t.strictSame(await statuses(40), { ok: 25, limited: 15 })
  const refused = await call(port, 'GET', '/v1/whoami')
  t.strictSame([refused.status, refused.headers['retry-after'], refused.json.code], [429, '1', 'rate_limited'])
  t.equal(
    (await call(await apps.portFor(serialOf.service), 'GET', '/v1/whoami')).status,
    200,
    'others are not affected',
  )
})

t.test('those who are told to come back later are not all told the same', async (t) => {
  const told = []
  for (const random of [0, 0.999]) {
    const apps = await openMtlsApp({ config: { maxInFlight: 0 }, random })
    t.teardown(apps.close)
    told.push((await call(await apps.portFor(serialOf.user), 'GET', '/v1/whoami')).headers['retry-after'])
  }
  t.strictSame(told, ['2', '4'])
})

t.test('buckets are forgotten once they are full again', async (t) => {
  let now = 0
  const limit = makeRateLimit({ perSecond: 50, burst: 100, clock: () => now })
  for (let caller = 0; caller < 10_000; caller += 1) limit.take(`p${caller}`)
  t.equal(limit.size(), 10_000)
  now += 3000
  for (let round = 0; round < 5_001; round += 1) limit.take('p0')
  t.ok(limit.size() <= 2, `${limit.size()} left`)
  now -= 10_000
  t.ok(limit.take('p9') >= 0, 'a clock that goes back takes nothing away')
})

t.test('overload: work waits, revocations do not', async (t) => {
  const plane = makeFakePlane()
  let release = () => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const { listPrincipals } = plane.verbs
  plane.verbs.listPrincipals = async (query) => {
    await held
    return listPrincipals(query)
  }
  const apps = await openMtlsApp({ plane, config: { maxInFlight: 3 } })
  t.teardown(apps.close)
  const port = await apps.portFor(serialOf.admin)
  const waiting = [1, 2, 3].map(() => call(port, 'GET', '/v1/principals', { patience: 5000 }))
  await new Promise((resolve) => setTimeout(resolve, 50))
  const refused = await call(port, 'GET', '/v1/whoami')
  t.strictSame([refused.status, refused.json.code, refused.headers['retry-after']], [503, 'overloaded', '2'])
  for (const [method, path, body] of [
    ['POST', `/v1/certificates/${serialOf.user}/revoke`, { reason: 'key_compromise' }],
    ['POST', '/v1/principals/user-1/suspend', { reason: 'x' }],
    ['DELETE', '/v1/principals/user-1', undefined],
    ['POST', '/v1/revocations', { all: true, reason: 'unspecified' }],
  ] as const) {
    t.ok((await call(port, method, path, { body })).status < 300, path)
  }
  release()
  for (const answer of await Promise.all(waiting)) t.equal(answer.status, 200)
  t.equal((await call(port, 'GET', '/v1/whoami')).status, 200, 'and then it is over')
})

t.test('an event loop that is late sheds work', async (t) => {
  const apps = await openMtlsApp({ config: { maxLag: 100 } })
  t.teardown(apps.close)
  const port = await apps.portFor(serialOf.admin)
  // The machine may be late by itself; then it is served when that is over.
  const served = async () => (await patiently(() => call(port, 'GET', '/v1/whoami'))).status
  t.equal(await served(), 200)
  const asked = call(port, 'GET', '/v1/whoami')
  const until = performance.now() + 400
  while (performance.now() < until);
  t.equal((await asked).status, 503)
  t.equal(await served(), 200)
})

t.test('what is just within the limits is served', async (t) => {
  const apps = await openMtlsApp()
  t.teardown(apps.close)
  const port = await apps.portFor(serialOf.admin)
  const padding = ' '.repeat(65_536 - 38)
  const atLimit = await call(port, 'POST', '/v1/principals', {
    body: `{"principal_id":"abc","type":"worker"}${padding}`,
  })
  t.equal(atLimit.status, 201)
  const headers = await call(port, 'GET', '/v1/whoami', { headers: { 'x-a': 'a'.repeat(16_000) } })
  t.equal(headers.status, 200)
  const url = await call(port, 'GET', `/v1/principals?page_token=${'a'.repeat(1024)}`)
  t.equal(url.status, 200)
  const continued = await sendRaw(
    port,
    'POST /v1/principals HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 36\r\n\r\n{"principal_id":"a","type":"worker"}',
    300,
  )
  t.match(continued.text, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201 /)
})

t.test('answers that a peer does not read keep nobody else from being served', async (t) => {
  const apps = await openMtlsApp({ config: { maxInFlight: 5 } })
  t.teardown(apps.close)
  const socket = connect(await apps.portFor(serialOf.worker), '127.0.0.1')
  t.teardown(() => void socket.destroy())
  // Behind a stream, which is never over, answers wait for ever.
  const begin = 'GET /v1/agent/events HTTP/1.1\r\nHost: localhost\r\nAirunner-Instance: one\r\n\r\n'
  const behind = 'GET /v1/whoami HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(20)
  socket.write(begin + behind)
  await new Promise((resolve) => setTimeout(resolve, 300))
  const { status } = await call(await apps.portFor(serialOf.admin), 'GET', '/v1/whoami')
  t.equal(status, 200)
})

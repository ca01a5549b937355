import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { OcspAnswer } from '../../../src/authority/ocsp/answer-ocsp.ts'
import { makePkiServer } from '../../../src/server/pki-app.ts'
import { sendRaw } from '../../support/http-apps.ts'

const now = Date.UTC(2026, 10, 21, 12, 0, 0)
const der = Buffer.from('30030a0100', 'hex')
const asked: string[] = []
let answer: OcspAnswer = { der }
const server = makePkiServer({
  trustBundle: () => 'roots',
  issuerCertificates: () => new Map(),
  crl: () => undefined,
  clock: () => now,
  ocsp: {
    answer: async (request) => {
      asked.push(request.toString('hex'))
      return answer
    },
    clock: () => now,
  },
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo
t.teardown(() => {
  server.close()
  server.closeAllConnections()
})

const get = (target: string, more = '') => sendRaw(port, `GET ${target} HTTP/1.1\r\nHost: x\r\n${more}\r\n`)
const post = (body: string | Buffer, type = 'application/ocsp-request', target = '/pki/ocsp') =>
  sendRaw(
    port,
    Buffer.concat([
      Buffer.from(
        `POST ${target} HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`,
      ),
      Buffer.from(body),
    ]),
  )

/** `++//8=` in every way that it may be written: it has all that base64 has. */
const octets = 'fbefff'
const ways: [string, string, string][] = [
  ['as it is', '/pki/ocsp/++//', octets],
  ['percent-encoded', '/pki/ocsp/%2B%2B%2F%2F', octets],
  ['with small digits', '/pki/ocsp/%2b%2b%2f%2f', octets],
  ['half of it', '/pki/ocsp/+%2B/%2f', octets],
  ['all of it', '/pki/ocsp/%4D%41%30%3D', '300d'],
  ['padded', '/pki/ocsp/MA0=', '300d'],
  ['padding percent-encoded', '/pki/ocsp/MA0%3D', '300d'],
  ['without its padding', '/pki/ocsp/MA0', '300d'],
  ['behind two slashes', '/pki/ocsp//MA0=', '300d'],
  ['behind two slashes, one encoded', '/pki/ocsp/%2FMA0=', '300d'],
  ['with a query, which nobody asked for', '/pki/ocsp/MA0=?x=1', '300d'],
  ['nothing', '/pki/ocsp', ''],
  ['nothing behind a slash', '/pki/ocsp/', ''],
  ['no base64', '/pki/ocsp/MA0*', ''],
  ['base64url', '/pki/ocsp/MA0-_w', ''],
  ['a space', '/pki/ocsp/MA0%20', ''],
  ['a broken escape', '/pki/ocsp/MA0%', ''],
  ['an escape that is no UTF-8', '/pki/ocsp/%ff', ''],
  ['text behind its padding', '/pki/ocsp/MA0=MA0=', ''],
]
for (const [name, target, octets] of ways)
  t.test(`a request in a path, ${name}`, async (t) => {
    asked.length = 0
    const { status, headers } = await get(target)
    t.equal(status, 200)
    t.equal(headers['content-type'], 'application/ocsp-response')
    t.equal(headers['cache-control'], 'no-store', 'an answer without one is nobody’s')
    t.same(asked, [octets])
  })

t.test('an answer by GET can be cached for five minutes, and says so in every way', async (t) => {
  answer = { der, times: { this_update: now - 60_000, next_update: now + 3_540_000, fresh_until: now + 240_000 } }
  const { status, headers } = await get('/pki/ocsp/MA0=')
  t.equal(status, 200)
  t.match(headers, {
    'cache-control': 'public, max-age=240, no-transform, must-revalidate',
    'last-modified': 'Sat, 21 Nov 2026 11:59:00 GMT',
    expires: 'Sat, 21 Nov 2026 12:59:00 GMT',
    etag: /^"[0-9a-f]{32}"$/,
  })
  const again = await get('/pki/ocsp/MA0=', `If-None-Match: ${headers['etag']}\r\n`)
  t.equal(again.status, 304)
  t.equal((await get('/pki/ocsp/MA0=', 'If-None-Match: "other"\r\n')).status, 200)
  for (const [since, status] of [
    ['Sat, 21 Nov 2026 11:59:00 GMT', 304],
    ['Sat, 21 Nov 2026 11:58:59 GMT', 200],
    ['yesterday', 200],
  ])
    t.equal((await get('/pki/ocsp/MA0=', `If-Modified-Since: ${since}\r\n`)).status, status, `since ${since}`)
  const head = await sendRaw(port, 'HEAD /pki/ocsp/MA0= HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  t.same([head.status, head.headers['content-length'], head.body], [200, '5', ''])
  t.equal((await post('x')).headers['cache-control'], 'no-store')
  answer = { der, times: { this_update: now - 600_000, next_update: now, fresh_until: now - 1 } }
  t.match((await get('/pki/ocsp/MA0=')).headers['cache-control'], /max-age=0,/)
  answer = { der }
})

t.test('what is sent by POST has one type and at most 4 KB', async (t) => {
  asked.length = 0
  t.equal((await post(Buffer.from('300d', 'hex'))).status, 200)
  t.equal((await post('0', 'Application/OCSP-Request; charset=x')).status, 200)
  t.equal((await post('0', 'application/ocsp-request', '/pki/ocsp/')).status, 200)
  t.equal((await post(Buffer.alloc(4096))).status, 200)
  t.same(asked.slice(0, 3), ['300d', '30', '30'])
  t.equal(asked.length, 4)
  for (const type of ['application/json', 'application/x-www-form-urlencoded', '', 'application/ocsp-response'])
    t.equal((await post('0', type)).status, 415, type)
  const long = await post(Buffer.alloc(4097))
  t.match(long, { status: 413, headers: { connection: 'close' } })
  const chunk = `1000\r\n${'x'.repeat(4096)}\r\n`
  const chunked = await sendRaw(
    port,
    `POST /pki/ocsp HTTP/1.1\r\nHost: x\r\nContent-Type: application/ocsp-request\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}${chunk}0\r\n\r\n`,
  )
  t.match(chunked, { status: 413, headers: { connection: 'close' } }, 'whether it says how long it is or not')
  t.equal(asked.length, 4)
})

t.test('other methods and longer addresses are refused', async (t) => {
  for (const method of ['PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
    const refused = await sendRaw(port, `${method} /pki/ocsp HTTP/1.1\r\nHost: x\r\n\r\n`)
    t.match(refused, { status: 405, headers: { allow: 'GET, HEAD, POST' } }, method)
  }
  t.match(await post('0', 'application/ocsp-request', '/pki/ocsp/MA0='), {
    status: 405,
    headers: { allow: 'GET, HEAD' },
  })
  t.match(await post('0', 'application/ocsp-request', '/pki/trust-bundle.pem'), { status: 405 })
  t.equal((await get(`/pki/ocsp/${'A'.repeat(2048 - 10)}`)).status, 200)
  t.equal((await get(`/pki/ocsp/${'A'.repeat(2049 - 10)}`)).status, 414)
  t.equal((await get('/pki/ocspx')).status, 404)
})

t.test('one connection takes one request after the other', async (t) => {
  const one =
    'POST /pki/ocsp HTTP/1.1\r\nHost: x\r\nContent-Type: application/ocsp-request\r\nContent-Length: 1\r\n\r\n0'
  const { text } = await sendRaw(port, `${one}${one}${one.replace('Host: x', 'Host: x\r\nConnection: close')}`)
  t.equal(text.split('HTTP/1.1 200 OK').length - 1, 3)
})

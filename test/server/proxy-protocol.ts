import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { parseCidrs } from '../../src/server/cidr.ts'
import { httpLimits } from '../../src/server/limits.ts'
import { parseProxyHeader } from '../../src/server/proxy-protocol.ts'
import { remoteAddressOf } from '../../src/server/remote-address.ts'
import { makeTlsListener } from '../../src/server/tls-listener.ts'
import { makeAuthority } from '../support/authority.ts'

const signature = '0d0a0d0a000d0a515549540a'
const hex = (...parts: string[]): Buffer => Buffer.from(parts.join(''), 'hex')
const ipv4 = 'cb007109 0a000001 c35a 01bb'.replaceAll(' ', '')
const ipv6 = `${'20010db8'}${'0'.repeat(20)}${'0042'}${'0'.repeat(30)}01c35a01bb`
const mapped = `${'0'.repeat(20)}ffffcb007109${'0'.repeat(32)}c35a01bb`
const tlv = `04000c${'ff'.repeat(12)}`
const long = 'ee'.repeat(4065)

const headers: [name: string, bytes: Buffer, expected: object][] = [
  ['IPv4', hex(signature, '21', '11', '000c', ipv4), { state: 'complete', length: 28, address: '203.0.113.9' }],
  ['IPv6', hex(signature, '21', '21', '0024', ipv6), { state: 'complete', length: 52, address: '2001:db8::42' }],
  ['IPv4 mapped into IPv6', hex(signature, '21', '21', '0024', mapped), { state: 'complete', address: '203.0.113.9' }],
  [
    'with a TLV',
    hex(signature, '21', '11', '001b', ipv4, tlv),
    { state: 'complete', length: 43, address: '203.0.113.9' },
  ],
  ['what follows is not its own', hex(signature, '21', '11', '000c', ipv4, '1603'), { state: 'complete', length: 28 }],
  ['LOCAL', hex(signature, '20', '00', '0000'), { state: 'complete', length: 16, address: undefined }],
  [
    'LOCAL with addresses, which count for nothing',
    hex(signature, '20', '11', '000c', ipv4),
    { state: 'complete', length: 28, address: undefined },
  ],
  ['an unspecified family', hex(signature, '21', '00', '0000'), { state: 'complete', length: 16, address: undefined }],
  ['the longest', hex(signature, '21', '11', '0ff0', ipv4, long, 'eeeeee'), { state: 'complete', length: 4096 }],
  ['nothing yet', Buffer.alloc(0), { state: 'incomplete' }],
  ['half a signature', hex(signature.slice(0, 10)), { state: 'incomplete' }],
  ['no addresses yet', hex(signature, '21', '11', '000c'), { state: 'incomplete' }],
  ['all but one byte', hex(signature, '21', '11', '000c', ipv4).subarray(0, 27), { state: 'incomplete' }],
  ['TLS', hex('16030100c8'), { state: 'invalid' }],
  ['version 1', Buffer.from('PROXY TCP4 203.0.113.9 10.0.0.1 50010 443\r\n'), { state: 'invalid' }],
  ['another version', hex(signature, '11', '11', '000c', ipv4), { state: 'invalid' }],
  ['another command', hex(signature, '22', '11', '000c', ipv4), { state: 'invalid' }],
  ['UDP', hex(signature, '21', '12', '000c', ipv4), { state: 'invalid' }],
  ['a Unix socket', hex(signature, '21', '31', '00d8', '00'.repeat(216)), { state: 'invalid' }],
  ['too short for its addresses', hex(signature, '21', '11', '000b', ipv4), { state: 'invalid' }],
  ['too long, before it has come', hex(signature, '21', '11', '0ff1'), { state: 'invalid' }],
]

t.test('a header is read to its end and no further', async (t) => {
  for (const [name, bytes, expected] of headers) t.match(parseProxyHeader(bytes), expected, name)
})

t.test('addresses belong to their blocks', async (t) => {
  const set = parseCidrs('10.0.0.0/8, 2001:db8::/32,192.0.2.1')
  for (const address of ['10.255.0.1', '::ffff:10.1.2.3', '2001:db8:1::1', '192.0.2.1'])
    t.ok(set?.has(address), address)
  for (const address of ['11.0.0.1', '2001:db9::1', '192.0.2.2', '']) t.notOk(set?.has(address), address)
  for (const text of ['', '10.0.0.0/33', '10.0.0/8', '::/129', 'a', '10.0.0.0/8,', '10.0.0.0/8/8', '10.0.0.0/-1'])
    t.equal(parseCidrs(text), undefined, text)
})

const { env, root_pem } = await makeAuthority()

/** A TLS listener that answers with the address it believes in. */
const startListener = async (t: Test, proxies: string | undefined) => {
  const failures: string[] = []
  const httpServer = createHttpServer(httpLimits, (request, response) => response.end(remoteAddressOf(request.socket)))
  const { server } = makeTlsListener({
    material: { chain_pem: env.AIRUNNER_SERVER_CERT, key_pem: env.AIRUNNER_SERVER_KEY, authorities_pem: [root_pem] },
    requestCert: false,
    proxies: proxies === undefined ? undefined : parseCidrs(proxies),
    maxConnections: 10,
    metrics: { handshakeFailed: (reason) => failures.push(reason) },
    check: () => undefined,
    httpServer,
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo

  /** Sends the pieces, each in a packet of its own, then speaks TLS and HTTP; answers the body, or nothing. */
  const ask = async (...pieces: Buffer[]): Promise<string> => {
    const raw = connect(port, '127.0.0.1')
    raw.setNoDelay(true).on('error', () => undefined)
    await once(raw, 'connect')
    for (const piece of pieces) {
      raw.write(piece)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    // It may have ended before we speak TLS: then nobody would tell us.
    if (raw.destroyed) return ''
    return new Promise((resolve) => {
      let body = ''
      const socket = connectTls({ socket: raw, ca: root_pem, servername: 'localhost' }, () => {
        socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
      })
      socket.on('data', (chunk) => {
        body += chunk
      })
      socket.on('error', () => undefined)
      socket.on('close', () => resolve(body.split('\r\n\r\n')[1] ?? ''))
    })
  }
  return { port, failures, ask }
}

t.test("behind a balancer, the address is the header's", async (t) => {
  const { ask, failures, port } = await startListener(t, '127.0.0.1')
  const whole = hex(signature, '21', '11', '001b', ipv4, tlv)
  t.equal(await ask(whole), '203.0.113.9')
  t.equal(
    await ask(...[3, 20, 43].map((end, index, ends) => whole.subarray(ends[index - 1] ?? 0, end))),
    '203.0.113.9',
    'in pieces',
  )
  t.equal(await ask(hex(signature, '20', '00', '0000')), '127.0.0.1', 'a health check of the balancer itself')

  // Header and first bytes of TLS in one packet: nothing of the second is lost.
  const hello = await firstBytes()
  const raw = connect(port, '127.0.0.1', () => raw.write(Buffer.concat([whole, hello])))
  raw.on('error', () => undefined)
  const [answer] = (await once(raw, 'data')) as [Buffer]
  t.equal(answer[0], 0x16, 'a server hello')
  raw.destroy()

  t.equal(await ask(), '', 'without a header: cut')
  t.same(
    failures.filter((reason) => reason !== 'client_closed'),
    ['proxy_header'],
  )
})

t.test('from elsewhere, a header is garbage and its absence is right', async (t) => {
  const { ask, failures } = await startListener(t, '10.0.0.0/8')
  t.equal(await ask(), '127.0.0.1')
  t.equal(await ask(hex(signature, '21', '11', '000c', ipv4)), '')
  t.same(failures, ['protocol'])
})

t.test('without balancers, a header is garbage', async (t) => {
  const { ask, failures } = await startListener(t, undefined)
  t.equal(await ask(hex(signature, '21', '11', '000c', ipv4)), '')
  t.same(failures, ['protocol'])
})

t.test('a header that never ends is cut after 5 s', async (t) => {
  const { port, failures } = await startListener(t, '127.0.0.1')
  const raw = connect(port, '127.0.0.1')
  raw.on('error', () => undefined)
  const started = performance.now()
  let sent = 0
  const drip = setInterval(() => raw.write(hex(signature, '21', '11').subarray(sent, ++sent)), 400)
  await once(raw, 'close')
  clearInterval(drip)
  const took = performance.now() - started
  t.ok(took > 4500 && took < 30_000, `${took} ms`)
  t.same(failures, ['timeout'])
})

/** What a TLS client says first. */
async function firstBytes(): Promise<Buffer> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connectTls({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' })
  client.on('error', () => undefined)
  const [socket] = (await once(server, 'connection')) as [Socket]
  const [bytes] = (await once(socket, 'data')) as [Buffer]
  client.destroy()
  server.close()
  return bytes
}

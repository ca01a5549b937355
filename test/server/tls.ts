import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer as createHttpServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { createServerCertificate } from '../../src/pki/ca.ts'
import { generateKeyPair, privateKeyPem } from '../../src/pki/keys.ts'
import { httpLimits } from '../../src/server/limits.ts'
import { secureContextOf } from '../../src/server/tls.ts'
import { makeTlsListener, type TlsListenerDeps } from '../../src/server/tls-listener.ts'
import { makeAuthority } from '../support/authority.ts'

const authority = await makeAuthority()
const stranger = await makeAuthority()
const { env, root_pem } = authority
const material = {
  chain_pem: env.AIRUNNER_SERVER_CERT,
  key_pem: env.AIRUNNER_SERVER_KEY,
  authorities_pem: [root_pem, env.AIRUNNER_ISSUER_CERT],
}
// What a client shows matters to the check alone, which is the plane's; here any certificate passes.
const identity = { cert: env.AIRUNNER_SERVER_CERT, key: env.AIRUNNER_SERVER_KEY }
const asServerOptions = { ca: root_pem, servername: 'localhost' }

const startListener = async (t: Test, change: Partial<TlsListenerDeps> = {}) => {
  const failures: string[] = []
  let requests = 0
  const httpServer: Server = createHttpServer(httpLimits, (_request, response) => {
    requests++
    response.end('hello')
  })
  // As the applications do for a server that never listens itself.
  httpServer.emit('listening')
  const listener = makeTlsListener({
    material,
    requestCert: true,
    maxConnections: 10,
    metrics: { handshakeFailed: (reason) => failures.push(reason) },
    check: (socket) => (socket.getPeerX509Certificate() === undefined ? 'no_certificate' : undefined),
    httpServer,
    ...change,
  })
  const { server } = listener
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  t.teardown(() => {
    server.close()
    httpServer.close()
    httpServer.closeAllConnections()
  })
  const open = async (options: ConnectionOptions = {}): Promise<TLSSocket> => {
    const socket = connectTls({ port, host: '127.0.0.1', ...asServerOptions, ...identity, ...options })
    t.teardown(() => socket.destroy())
    await once(socket, 'secureConnect')
    return socket
  }
  const connections = () => new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count)))
  return { ...listener, port, failures, open, connections, requests: () => requests }
}

/** Writes a request and reads until the other side ends. */
const ask = async (socket: TLSSocket): Promise<string> => {
  let answer = ''
  socket.on('data', (chunk) => {
    answer += chunk
  })
  socket.on('error', (error: NodeJS.ErrnoException) => {
    answer += error.code
  })
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
  await once(socket, 'close')
  return answer
}

/** What `openssl s_client` says of a connection; none is installed: undefined. */
const openssl = (port: number, ...args: string[]): Promise<string | undefined> =>
  new Promise((resolve) => {
    const child = execFile(
      'openssl',
      ['s_client', '-connect', `127.0.0.1:${port}`, ...args],
      { timeout: 10_000 },
      (error, stdout, stderr) =>
        resolve(
          error !== null && 'code' in error && (error.code as unknown) === 'ENOENT' ? undefined : stdout + stderr,
        ),
    )
    child.stdin?.end()
  })

t.test('TLS 1.3 only, HTTP/1.1 only', async (t) => {
  const { open, port, failures } = await startListener(t)
  const socket = await open({ ALPNProtocols: ['h2', 'http/1.1'] })
  t.same([socket.getProtocol(), socket.alpnProtocol], ['TLSv1.3', 'http/1.1'])
  t.match(await ask(socket), /^HTTP\/1\.1 200/)
  await t.rejects(open({ maxVersion: 'TLSv1.2' }), { code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' })
  await t.rejects(open({ ALPNProtocols: ['h2'] }), { code: 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL' })
  t.same(failures, ['protocol', 'protocol'])
  const said = await openssl(port, '-tls1_2')
  if (said !== undefined) t.match(said, /alert protocol version/, 'openssl is told the same')
})

t.test('X25519MLKEM768, X25519, P-256, and no other group', async (t) => {
  const { open } = await startListener(t)
  for (const group of ['X25519MLKEM768', 'X25519', 'P-256']) {
    const socket = await open({ ecdhCurve: group })
    t.match(await ask(socket), /200/, group)
  }
  for (const group of ['P-384', 'P-521', 'X448', 'MLKEM768']) await t.rejects(open({ ecdhCurve: group }), group)
})

t.test('a peer without a certificate gets no byte of HTTP', async (t) => {
  const { open, failures, requests, connections } = await startListener(t)
  const socket = await open({ cert: undefined, key: undefined } as never)
  t.notMatch(await ask(socket), /HTTP/)
  t.same(failures, ['no_certificate'])
  t.equal(requests(), 0)
  t.equal(await connections(), 0)
})

t.test('the check sees the certificate, and what it refuses gets no byte of HTTP', async (t) => {
  let seen = ''
  const { open, failures, requests } = await startListener(t, {
    check: (socket) => {
      seen = socket.getPeerX509Certificate()?.subject ?? ''
      return 'unknown_issuer'
    },
  })
  const socket = await open({ cert: stranger.env.AIRUNNER_SERVER_CERT, key: stranger.env.AIRUNNER_SERVER_KEY })
  t.notMatch(await ask(socket), /HTTP/)
  t.equal(seen, 'CN=localhost')
  t.same([failures, requests()], [['unknown_issuer'], 0])
})

t.test('no session is resumed', async (t) => {
  const { open, failures, port } = await startListener(t)
  const first = await open()
  const tickets: Buffer[] = []
  first.on('session', (ticket) => tickets.push(ticket))
  await ask(first)
  t.ok(tickets.length > 0, 'tickets come all the same, and are worth nothing')
  for (const session of tickets) {
    const second = await open({ session })
    t.notOk(second.isSessionReused())
    await ask(second)
  }
  // The trick of nodejs/node#64677: begin without a certificate, resume, be believed.
  const nameless = connectTls({ port, host: '127.0.0.1', ...asServerOptions })
  nameless.on('error', () => undefined)
  const stolen = new Promise<Buffer | undefined>((resolve) => {
    nameless.once('session', resolve)
    nameless.once('close', () => resolve(undefined))
  })
  const session = await stolen
  if (session !== undefined)
    t.notMatch(await ask(await open({ session, cert: undefined, key: undefined } as never)), /HTTP/)
  t.ok(
    failures.every((reason) => reason === 'no_certificate'),
    String(failures),
  )

  const said = await openssl(port, '-reconnect')
  if (said !== undefined) t.notMatch(said, /^Reused, /m, 'openssl reconnects five times, each anew')
})

t.test('a handshake that drips is cut after 5 s, and so is silence', async (t) => {
  const { port, failures, connections } = await startListener(t)
  const started = performance.now()
  const [silent, dripping] = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')]
  // A record header that promises 512 bytes, and then one byte at a time: activity, but no progress.
  dripping.write(Buffer.from('1603010200010001fc0303', 'hex'))
  const drip = setInterval(() => dripping.write(Buffer.from([0])), 300)
  const closed = [silent, dripping].map((socket) => once(socket.on('error', () => undefined).resume(), 'close'))
  await Promise.all(closed)
  clearInterval(drip)
  const took = performance.now() - started
  t.ok(took > 4500 && took < 30_000, `${took} ms`)
  t.same(failures, ['timeout', 'timeout'])
  t.equal(await connections(), 0)
})

t.test('a slow sender of headers is cut after 5 s, not after Node’s minute', async (t) => {
  const { open } = await startListener(t)
  const socket = await open()
  socket.on('error', () => undefined).resume()
  const started = performance.now()
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n')
  const drip = setInterval(() => socket.write('X'), 300)
  await once(socket, 'close')
  clearInterval(drip)
  const took = performance.now() - started
  t.ok(took > 4000 && took < 30_000, `${took} ms`)
})

t.test('beyond the most connections new ones are refused, half-open ones counted', async (t) => {
  const { port, open, failures, connections } = await startListener(t, { maxConnections: 3 })
  const kept = await open()
  const halfOpen = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')]
  await Promise.all(halfOpen.map((socket) => once(socket, 'connect')))
  await t.rejects(open(), 'the fourth')
  t.equal(await connections(), 3)
  t.ok(failures.includes('limit'))
  for (const socket of halfOpen) socket.destroy()
  while ((await connections()) > 1) await new Promise((resolve) => setTimeout(resolve, 5))
  t.match(await ask(await open()), /200/, 'there is room again')
  t.match(await ask(kept), /200/, 'the first was not touched')
})

t.test('garbage is one failed handshake', async (t) => {
  const { port, failures } = await startListener(t)
  const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'))
  socket.on('error', () => undefined).resume()
  await once(socket, 'close')
  const quitter = connect(port, '127.0.0.1', () => quitter.destroy())
  await once(quitter, 'close')
  while (failures.length < 2) await new Promise((resolve) => setTimeout(resolve, 5))
  t.same(failures, ['protocol', 'client_closed'])
})

t.test('another certificate is shown to those who come after it was replaced', async (t) => {
  const { open, replace } = await startListener(t)
  const before = await open()
  const { publicKey, privateKey } = generateKeyPair()
  const { pem } = await createServerCertificate({
    issuer: authority.serverIssuer,
    publicKey,
    hostname: 'localhost',
    now: Date.now(),
  })
  replace({ ...material, chain_pem: pem + authority.serverIssuer.pem, key_pem: privateKeyPem(privateKey) })
  const after = await open()
  t.not(after.getPeerCertificate().serialNumber, before.getPeerCertificate().serialNumber)
  t.match(await ask(before), /200/, 'the older connection lives on')
  t.match(await ask(after), /200/)
})

t.test('the public root store is never used', async (t) => {
  for (const authorities_pem of [[], [''], [root_pem, ' ']])
    t.throws(() => secureContextOf({ ...material, authorities_pem }))
})

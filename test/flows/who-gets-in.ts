import { createPublicKey, randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { day, minute } from '../../src/core/time.ts'
import { createIssuer } from '../../src/pki/ca.ts'
import * as extensions from '../../src/pki/extensions.ts'
import { issuerOf } from '../../src/pki/issuer.ts'
import { makeLocalSigner } from '../../src/pki/local-signer.ts'
import { nameOf } from '../../src/pki/names.ts'
import { oid } from '../../src/pki/oids.ts'
import type { Item } from '../../src/store/client.ts'
import { makeAuthority } from '../support/authority.ts'
import { type Identity, patiently } from '../support/client.ts'
import { type Exchange, exchangeRaw, type Forged, type ForgeOrder, forge, freshKey, rowOf } from '../support/forge.ts'
import { startPlane } from '../support/plane.ts'

const plane = await startPlane(t)
const { authority, server } = plane
const other = await makeAuthority()
const worker = await plane.enrol('worker-1')
await plane.enrol('worker-2')
const adminSerial = (await patiently(() => plane.admin.get('/v1/whoami'))).body.certificate.serial_number as string
const root = authority.root_pem

const ours = authority.issuer
const ourSigner = ours.signer as NonNullable<typeof ours.signer>
const theirSigner = other.issuer.signer as typeof ourSigner
const newSerial = () => `01${randomBytes(15).toString('hex')}`

/** A certificate that our issuer signed. */
const signedByUs = (change: Partial<ForgeOrder> = {}): Promise<{ order: ForgeOrder; forged: Forged }> =>
  signed({ issuer: ours, signer: ourSigner, ...change })
const signed = async (change: Partial<ForgeOrder> & Pick<ForgeOrder, 'issuer' | 'signer'>) => {
  const order: ForgeOrder = { serial_number: newSerial(), ...change }
  return { order, forged: await forge(order) }
}
/** The same with a row that fits it, so that nothing but the certificate itself is left to be refused for. */
const registered = async (made: { order: ForgeOrder; forged: Forged }, change: Item = {}): Promise<Forged> => {
  const { tables, store } = { tables: plane.store.tables, store: plane.store.store }
  await store.put({ TableName: tables.certificates, Item: { ...rowOf(made.forged, made.order), ...change } })
  return made.forged
}

// Every operation that the application documents, its own document, what it answers beside them, and what is not there.
const { paths } = (await patiently(() => plane.admin.get('/openapi.json'))).body as {
  paths: Record<string, Record<string, { security?: unknown[] }>>
}
const samples: Record<string, string> = { principal_id: 'admin-test', serial_number: adminSerial }
const concrete = (path: string) => path.replace(/\{(\w+)\}/g, (_, name: string) => samples[name] ?? adminSerial)
const routes = [
  ...Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      // What asks for no certificate is served by the enrolment listener alone.
      .filter(([, { security }]) => security === undefined || security.length > 0)
      .map(([method]) => ({ method: method.toUpperCase(), path: concrete(path) })),
  ),
  { method: 'GET', path: '/openapi.json' },
  { method: 'HEAD', path: '/v1/whoami' },
  { method: 'OPTIONS', path: '/v1/principals' },
  { method: 'GET', path: '/' },
  { method: 'GET', path: '/health' },
  { method: 'GET', path: '/metrics' },
  { method: 'POST', path: '/v1/no-such-thing' },
]

const textOf = ({ method, path }: { method: string; path: string }, headers = ''): string => {
  const body = method === 'GET' || method === 'HEAD' ? '' : '{}'
  const announced = body === '' ? '' : `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n`
  return `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}${announced}\r\n${body}`
}

const some = 8
/** Runs a task for each, some at a time. */
const forEach = async <T>(items: readonly T[], task: (item: T) => Promise<unknown>): Promise<void> => {
  const left = [...items]
  await Promise.all(
    Array.from({ length: some }, async () => {
      for (let item = left.shift(); item !== undefined; item = left.shift()) await task(item)
    }),
  )
}

/** Sends it again while the server is too busy: it shares this process, and is asked a lot at once. */
const exchange = async (...asked: Parameters<typeof exchangeRaw>): Promise<Exchange> => {
  for (let tries = 0; ; tries++) {
    const answer = await exchangeRaw(...asked)
    if (!answer.received.startsWith('HTTP/1.1 503 ') || tries === 200) return answer
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** Every claim of an identity that a proxy in front might make in a header. */
const claims = [
  `X-Client-Cert: ${encodeURIComponent(plane.admin.identity?.certificate ?? '')}`,
  `X-Forwarded-Client-Cert: Subject="CN=admin-test";URI=spiffe://localhost/admin/admin-test`,
  `X-SSL-Client-Cert: ${Buffer.from(plane.admin.identity?.certificate ?? '').toString('base64')}`,
  'X-SSL-Client-Verify: SUCCESS',
  `X-Amzn-Mtls-Clientcert-Serial-Number: ${adminSerial}`,
  'X-Amzn-Mtls-Clientcert-Subject: CN=admin-test',
  'X-Forwarded-For: 203.0.113.9',
  'X-Forwarded-User: admin-test',
  'X-Real-Ip: 203.0.113.9',
  'Forwarded: for=203.0.113.9;by=admin-test',
  'X-Remote-User: admin-test',
  'Authorization: Bearer admin-test',
]
  .map((line) => `${line}\r\n`)
  .join('')

const registeredSerial = worker.issued.certificate.serial_number
const expired = { not_before: Date.now() - 2 * day, not_after: Date.now() - day }
const early = { not_before: Date.now() + day, not_after: Date.now() + 2 * day }
const whole = (times: { not_before: number; not_after: number }) => ({
  not_before: Math.floor(times.not_before / 1000) * 1000,
  not_after: Math.floor(times.not_after / 1000) * 1000,
})

const refusedWithReason: [name: string, code: string, Forged][] = [
  ['one that is not in the registry', 'certificate_unregistered', (await signedByUs()).forged],
  [
    'a registered serial number under another fingerprint',
    'certificate_unregistered',
    (await signedByUs({ serial_number: registeredSerial })).forged,
  ],
  [
    'the admin’s serial number and names under another fingerprint',
    'certificate_unregistered',
    (await signedByUs({ serial_number: adminSerial, principal_id: 'admin-test', principal_type: 'admin' })).forged,
  ],
  [
    'one whose principal does not exist',
    'certificate_unregistered',
    await registered(await signedByUs({ principal_id: 'nobody' })),
  ],
  ['one for servers only', 'certificate_untrusted', await registered(await signedByUs({ usages: [oid.serverAuth] }))],
  [
    'one for servers as well',
    'certificate_untrusted',
    await registered(await signedByUs({ usages: [oid.clientAuth, oid.serverAuth] })),
  ],
  [
    'one for any use',
    'certificate_untrusted',
    await registered(await signedByUs({ usages: [oid.anyExtendedKeyUsage] })),
  ],
  ['one for no stated use', 'certificate_untrusted', await registered(await signedByUs({ usages: [] }))],
  ['one that is a CA', 'certificate_untrusted', await registered(await signedByUs({ ca: true }))],
  ['an expired one', 'certificate_expired', await registered(await signedByUs(whole(expired)))],
  ['an expired one whose row is gone', 'certificate_expired', (await signedByUs(whole(expired))).forged],
  ['one that is not yet valid', 'certificate_not_yet_valid', await registered(await signedByUs(whole(early)))],
  [
    'one that names the admin, whose row is a worker’s',
    'certificate_untrusted',
    await registered(await signedByUs({ principal_id: 'admin-test', principal_type: 'admin' }), {
      principal_id: 'worker-1',
      principal_type: 'worker',
    }),
  ],
  [
    'one that names a worker, whose row is the admin’s',
    'certificate_untrusted',
    await registered(await signedByUs(), { principal_id: 'admin-test', principal_type: 'admin' }),
  ],
  [
    'one that names its worker as an admin',
    'certificate_untrusted',
    await registered(await signedByUs({ principal_type: 'admin' })),
  ],
  [
    'one whose row says another type than its principal has',
    'certificate_untrusted',
    await registered(await signedByUs(), { principal_type: 'admin' }),
  ],
  [
    'one whose row says another issuer',
    'certificate_untrusted',
    await registered(await signedByUs(), { issuer_id: '0'.repeat(16) }),
  ],
  [
    'one whose private extension names another principal',
    'certificate_untrusted',
    await registered(await signedByUs({ claimed_id: 'admin-test' })),
  ],
  [
    'one whose private extension names another type',
    'certificate_untrusted',
    await registered(await signedByUs({ claimed_type: 'admin' })),
  ],
  [
    'one whose subject names another',
    'certificate_untrusted',
    await registered(await signedByUs({ subject: 'admin-test' })),
  ],
  [
    'one whose alternative name is another’s',
    'certificate_untrusted',
    await registered(await signedByUs({ uri: 'spiffe://localhost/admin/admin-test' })),
  ],
  [
    'one of another trust domain',
    'certificate_untrusted',
    await registered(await signedByUs({ hostname: 'example.com' })),
  ],
  [
    'one with an extension that is not ours',
    'certificate_untrusted',
    await registered(await signedByUs({ more: [extensions.textExtension('1.3.6.1.4.1.99999.9', 'x')] })),
  ],
  [
    'one whose serial number is short',
    'certificate_untrusted',
    await registered(await signedByUs({ serial_number: '05' })),
  ],
]

const adminAgain = {
  serial_number: adminSerial,
  principal_id: 'admin-test',
  principal_type: 'admin',
  not_after: ours.not_after,
} as const
const registeredForeign = async (change: Partial<ForgeOrder>) =>
  registered(await signed({ issuer: ours, signer: theirSigner, ...change }))
const serverIssuer = authority.serverIssuer
const serverSigner = serverIssuer.signer as typeof ourSigner
const rootIssuer = issuerOf(authority.root.certificate.raw)
const workerSigner = makeLocalSigner(worker.identity.key)
const leafAsIssuer = { ...ours, subject: nameOf('worker-1') }
const selfSigned = async () => {
  const key = freshKey()
  return (await signed({ issuer: ours, signer: makeLocalSigner(key), key })).forged
}
const issuerPem = ours.pem

const refusedInSilence: [name: string, Identity | undefined][] = [
  ['without a certificate', undefined],
  [
    'another CA that copied name, key identifier, serial number and names of the admin’s',
    (await signed({ issuer: ours, signer: theirSigner, ...adminAgain })).forged,
  ],
  ['another CA, with a row of its own', await registeredForeign({})],
  ['another CA under its own name', (await signed({ issuer: other.issuer, signer: theirSigner })).forged],
  ['another CA, expired', await registeredForeign(whole(expired))],
  ['another CA, not yet valid', await registeredForeign(whole(early))],
  ['self-signed under our issuer’s name', await selfSigned()],
  ['our issuer of servers', await registered(await signed({ issuer: serverIssuer, signer: serverSigner }))],
  [
    'our issuer of servers under the name of that of clients',
    await registered(await signed({ issuer: ours, signer: serverSigner })),
  ],
  ['the root itself', await registered(await signed({ issuer: rootIssuer, signer: authority.root.signer }))],
  ['the root under our issuer’s name', await registered(await signed({ issuer: ours, signer: authority.root.signer }))],
  ['a worker’s own certificate', await registered(await signed({ issuer: leafAsIssuer, signer: workerSigner }))],
  [
    'a worker’s own key under our issuer’s name',
    await registered(await signed({ issuer: ours, signer: workerSigner })),
  ],
  [
    'the server’s own certificate',
    { certificate: server.env['AIRUNNER_SERVER_CERT'] ?? '', key: server.env['AIRUNNER_SERVER_KEY'] ?? '' },
  ],
  ['our issuer’s own certificate', { certificate: issuerPem, key: server.env['AIRUNNER_ISSUER_KEY'] ?? '' }],
]

// All of them are made by now: tap ends a file as soon as it has nothing left to wait for.
t.test('the list of routes is the application’s own, and none is missing', async (t) => {
  t.ok(routes.length > 20, `${routes.length} routes`)
  for (const path of [
    '/v1/whoami',
    '/v1/renewals',
    '/v1/trust-bundle',
    '/v1/principals',
    '/v1/certificates',
    '/v1/revocations',
    '/v1/audit-events',
  ])
    t.ok(paths[path], path)
  const open = await exchange(server.mtls, textOf({ method: 'GET', path: '/v1/whoami' }, 'Connection: close\r\n'), {
    root,
    identity: worker.identity,
  })
  t.match(open.received, /^HTTP\/1\.1 200 .*"principal_id":"worker-1"/s, 'the way in which all others are sent works')
})

for (const [name, code, identity] of refusedWithReason)
  t.test(`signed by us and refused, on every route: ${name} is told ${code}, and the connection ends`, async (t) => {
    await forEach(routes, async (route) => {
      const { received, closed, secured, error } = await exchange(server.mtls, textOf(route, claims), {
        root,
        identity,
      })
      const [head = '', body = ''] = received.split('\r\n\r\n')
      const where = `${route.method} ${route.path}`
      if (!/^HTTP\/1\.1 401 /.test(head))
        return t.fail(
          `${where}: ${received || `nothing, ${secured ? 'secured' : 'not secured'}, ${error ?? 'no error'}`}`,
        )
      if (!/\r\nconnection: close/i.test(head) || !closed) return t.fail(`${where} stays open: ${head}`)
      if (/\r\nHTTP\/1\.1 /.test(body)) return t.fail(`${where} is answered twice`)
      if (route.method === 'HEAD') return t.equal(body, '', where)
      const problem = JSON.parse(body)
      t.equal(problem.code, code, where)
      t.same(
        [problem.detail, problem.errors].filter((said) => said !== undefined && said !== '').length,
        0,
        'no more than the code',
      )
    })
  })

for (const [name, identity] of refusedInSilence)
  t.test(`not signed by an issuer of ours, on every route: ${name} gets no byte of HTTP`, async (t) => {
    await forEach(routes, async (route) => {
      const { received, closed } = await exchange(server.mtls, textOf(route, claims), { root, identity })
      if (received !== '' || !closed) t.fail(`${route.method} ${route.path}: ${received || 'stays open'}`)
    })
    t.pass()
  })

t.test('no header lends an identity or an address', async (t) => {
  const { received } = await exchange(
    server.mtls,
    textOf({ method: 'GET', path: '/v1/whoami' }, `Connection: close\r\n${claims}`),
    {
      root,
      identity: worker.identity,
    },
  )
  t.match(received, /"principal_id":"worker-1"/)
  const denied = await exchange(
    server.mtls,
    textOf({ method: 'GET', path: '/v1/principals' }, `Connection: close\r\n${claims}`),
    {
      root,
      identity: worker.identity,
    },
  )
  t.match(denied.received, /^HTTP\/1\.1 403 .*permission_denied/s)
  const headers = { 'x-forwarded-for': '203.0.113.9', forwarded: 'for=203.0.113.9', 'x-client-cert': 'CN=nobody' }
  t.equal(
    (await plane.admin.post('/v1/principals', { principal_id: 'worker-3', type: 'worker' }, { headers })).status,
    201,
  )
  const { items } = (await plane.admin.get('/v1/audit-events?target=worker-3')).body
  t.match(items, [{ actor: 'admin-test', remote_address: '127.0.0.1' }])
})

/** Nothing that a TLS peer is told by: not even a finished handshake, where there is none to be had. */
const tlsListeners = { mTLS: server.mtls, enrolment: server.enroll }

for (const [name, address] of Object.entries(tlsListeners)) {
  t.test(`TLS 1.2 is refused by the ${name} listener, whatever certificate comes with it`, async (t) => {
    for (const identity of [undefined, plane.admin.identity]) {
      const route = { method: 'GET', path: '/v1/trust-bundle' }
      const { received, secured } = await exchange(address, textOf(route), { root, identity, maxVersion: 'TLSv1.2' })
      t.same({ received, secured }, { received: '', secured: false })
    }
  })

  t.test(`a session is never resumed by the ${name} listener`, async (t) => {
    const sessions: Buffer[] = []
    const path = name === 'mTLS' ? '/v1/whoami' : '/v1/trust-bundle'
    const text = textOf({ method: 'GET', path }, 'Connection: close\r\n')
    const first = await exchange(address, text, {
      root,
      identity: plane.admin.identity,
      onSession: (session) => sessions.push(session),
    })
    t.match(first.received, /^HTTP\/1\.1 200 /)
    for (const session of sessions) {
      const again = await exchange(address, text, { root, identity: plane.admin.identity, session })
      t.equal(again.resumed, false)
      const bare = await exchange(address, text, { root, session })
      t.equal(bare.resumed, false)
      if (name === 'mTLS') t.equal(bare.received, '', 'and without its certificate it is nobody’s')
    }
    t.comment(`${sessions.length} sessions offered`)
  })
}

t.test('the mTLS port answers plain HTTP with nothing', async (t) => {
  const answer = await fetch(`http://${server.mtls}/v1/whoami`).then(
    () => 'answered',
    () => 'refused',
  )
  t.equal(answer, 'refused')
})

t.test(
  'the enrolment listener gives the trust bundle and nothing else, to an admin’s certificate neither',
  async (t) => {
    for (const identity of [undefined, plane.admin.identity])
      await forEach(routes, async (route) => {
        const { received } = await exchange(server.enroll, textOf(route, `Connection: close\r\n${claims}`), {
          root,
          identity,
        })
        const [head = '', body = ''] = received.split('\r\n\r\n')
        const where = `${route.method} ${route.path}`
        if (route.path === '/v1/trust-bundle') {
          t.match(head, /^HTTP\/1\.1 200 /, where)
          t.notMatch(body, /admin-test|worker-1/)
        } else {
          t.match(head, /^HTTP\/1\.1 404 /, where)
          if (route.method !== 'HEAD') t.match(JSON.parse(body), { code: 'not_found' }, where)
        }
      })
  },
)

t.test('health, PKI and metrics listeners have nothing of the API', async (t) => {
  const own: Record<string, RegExp> = { health: /^\/(health|livez|readyz)$/, pki: /^\/pki\//, metrics: /^\/metrics$/ }
  for (const [name, allowed] of Object.entries(own)) {
    const address = server[name as 'health' | 'pki' | 'metrics']
    await forEach(routes, async ({ method, path }) => {
      if (allowed.test(path)) return
      const headers = {
        'x-client-cert': encodeURIComponent(plane.admin.identity?.certificate ?? ''),
        authorization: 'Bearer x',
      }
      const body = method === 'GET' || method === 'HEAD' ? null : '{}'
      const answer = await fetch(`http://${address}${path}`, { method, headers, body })
      t.ok([404, 405].includes(answer.status), `${name}: ${method} ${path} ${answer.status}`)
      t.notMatch(await answer.text(), /admin-test|worker-1|CERTIFICATE/)
    })
  }
})

/** Resolves when the peer has ended the connection, or with false after two seconds. */
const ends = (socket: { once(event: 'close', listener: () => void): unknown }) =>
  Promise.race([
    new Promise<true>((resolve) => socket.once('close', () => resolve(true))),
    new Promise<false>((resolve) => setTimeout(() => resolve(false), 2000)),
  ])

t.test(
  'an issuer that is removed takes its certificates along: open connections end, new ones get no byte of HTTP',
  async (t: Test) => {
    const key = freshKey()
    const made = await createIssuer({
      root: authority.root,
      publicKey: createPublicKey(key),
      common_name: 'test issuer, the second',
      usage: 'client',
      now: Date.now() - minute,
    })
    const second = issuerOf(made.der, makeLocalSigner(key))
    const first = authority.env.AIRUNNER_ISSUER_CERT
    const changing = await plane.startServer({ env: { AIRUNNER_ISSUER_CERT: first + second.pem } })
    const identity = await registered(await signed({ issuer: second, signer: makeLocalSigner(key) }))
    const client = plane.clientOf(identity, changing)
    t.equal((await client.get('/v1/whoami')).status, 200)
    const socket = await client.open()
    socket.on('error', () => undefined).resume()
    const ended = ends(socket)
    const neighbour = await plane.clientOf(worker.identity, changing).open()
    neighbour.on('error', () => undefined)

    changing.env['AIRUNNER_ISSUER_CERT'] = first
    await changing.reload()
    t.equal(await ended, true)
    const late = await exchange(changing.mtls, textOf({ method: 'GET', path: '/v1/whoami' }), { root, identity })
    t.equal(late.received, '')
    t.notOk(neighbour.destroyed, 'those of the other issuer stay')
    neighbour.destroy()
  },
)

import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'
import t from 'tap'
import { createServerCertificate } from '../../src/pki/ca.ts'
import { generateKeyPair, privateKeyPem } from '../../src/pki/keys.ts'
import { eventually } from '../support/agent-stream.ts'
import { findBreaches } from '../support/checker.ts'
import { type Client, type Identity, identityOf, makeRequest, patiently } from '../support/client.ts'
import { layGround, type ServerProcess } from '../support/processes.ts'

const ground = await layGround()
const directory = mkdtempSync(join(tmpdir(), 'many-processes-'))
t.teardown(async () => {
  await ground.end()
  rmSync(directory, { recursive: true, force: true })
})
const file = (name: string, text: string): string => {
  writeFileSync(join(directory, name), text)
  return join(directory, name)
}
const serverFiles = {
  AIRUNNER_SERVER_CERT: '',
  AIRUNNER_SERVER_KEY: '',
  AIRUNNER_SERVER_CERT_FILE: file('server-cert.pem', ground.authority.env.AIRUNNER_SERVER_CERT),
  AIRUNNER_SERVER_KEY_FILE: file('server-key.pem', ground.authority.env.AIRUNNER_SERVER_KEY),
}
const start = (...args: string[]) =>
  ground.start(['--workers', '2', '--metrics-listen', '127.0.0.1:0', '--shutdown-grace', '20s', ...args], serverFiles)

const main = await start('--drain-delay', '3s')

const enrol = async (principal_id: string): Promise<{ identity: Identity; serial: string }> => {
  const admin = ground.clientOf(ground.admin, main.mtls)
  const { key, csr_pem } = await makeRequest()
  const made = await patiently(() => admin.post('/v1/principals', { principal_id, type: 'worker' }))
  const issued = await patiently(() => admin.post('/v1/certificates', { principal_id, csr_pem }))
  if (made.status !== 201 || issued.status !== 201) throw new Error(JSON.stringify([made.body, issued.body]))
  return { identity: identityOf(issued.body, key), serial: issued.body.certificate.serial_number }
}

/** A connection on which the server has answered once. */
const admitted = async (client: Client): Promise<TLSSocket> => {
  const socket = await client.open()
  socket.on('error', () => undefined)
  socket.write('GET /v1/whoami HTTP/1.1\r\nHost: localhost\r\n\r\n')
  const [answer] = await once(socket, 'data')
  if (!String(answer).startsWith('HTTP/1.1 200')) throw new Error(String(answer))
  return socket
}
const admittedMany = (client: Client, count: number) =>
  Promise.all(Array.from({ length: count }, () => admitted(client)))

const metricsOf = async ({ metrics }: ServerProcess): Promise<Map<string, number>> => {
  const text = await (await fetch(`http://${metrics}/metrics`)).text()
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]))
}
const sum = (metrics: Map<string, number>, name: string): number =>
  [...metrics].filter(([key]) => key.startsWith(name)).reduce((total, [, value]) => total + value, 0)

const cutsOf = (server: ServerProcess, serial: string) =>
  server.program.logged().filter((line) => line['event'] === 'connection_cut' && line['serial_number'] === serial)

const countOf = (event: string) => main.program.logged().filter((line) => line['event'] === event).length

const workersOf = ({ program }: ServerProcess): number[] =>
  readFileSync(`/proc/${program.child.pid}/task/${program.child.pid}/children`, 'utf8').trim().split(' ').map(Number)

/** As many connections of each worker: who accepts is up to the kernel, so the others are stopped meanwhile. */
const admittedByEach = async (client: Client, count: number): Promise<TLSSocket[]> => {
  const workers = workersOf(main)
  const sockets: TLSSocket[] = []
  for (const worker of workers) {
    const others = workers.filter((other) => other !== worker)
    for (const other of others) process.kill(other, 'SIGSTOP')
    sockets.push(...(await admittedMany(client, count)))
    for (const other of others) process.kill(other, 'SIGCONT')
  }
  return sockets
}

t.test('a revocation cuts the connections of both workers', { skip: process.platform !== 'linux' }, async (t) => {
  const { identity, serial } = await enrol('worker-1')
  const sockets = await admittedByEach(ground.clientOf(identity, main.mtls), 4)
  const bystander = await admitted(ground.clientOf(ground.admin, main.mtls))
  const closed = sockets.map(async (socket) => {
    await once(socket.resume(), 'close')
    return performance.now()
  })
  const admin = ground.clientOf(ground.admin, main.mtls)
  t.equal((await admin.post(`/v1/certificates/${serial}/revoke`, { reason: 'key_compromise' })).status, 200)
  const answered = performance.now()
  const after = (await Promise.all(closed)).map((at) => at - answered)
  // bench/ measures how soon; the regular look at open connections takes up to 20 s.
  t.comment(`the last after ${Math.max(...after).toFixed(0)} ms`)
  t.ok(Math.max(...after) < 30_000)
  t.notOk(bystander.destroyed)
  bystander.destroy()
  await eventually(() => cutsOf(main, serial).length === 8)
  const cuts = cutsOf(main, serial)
  t.equal(cuts.length, 8)
  t.equal(new Set(cuts.map((line) => line['worker'])).size, 2, 'there were some on each')
})

t.test('the metrics are those of all workers together', async (t) => {
  const { identity } = await enrol('worker-2')
  const before = await metricsOf(main)
  const client = ground.clientOf(identity, main.mtls)
  const sockets = await admittedMany(client, 10)
  const after = await metricsOf(main)
  const worker = 'airunner_admissions_total{result="admitted",principal_type="worker"}'
  t.equal((after.get(worker) ?? 0) - (before.get(worker) ?? 0), 10)
  t.equal(after.get('airunner_connections{principal_type="worker"}'), 10)
  t.ok((after.get('airunner_feed_age_seconds') ?? 600) < 60, 'the oldest, not their sum')
  if (process.platform === 'linux') {
    t.equal(sum(after, 'airunner_certificates_issued_total'), 2)
    const cuts = sum(after, 'airunner_revocation_cut_seconds_count')
    t.equal(cuts, 8, `${cuts} cuts`)
  }
  t.notOk(
    [...after.keys()].some((key) => key.includes('worker-2')),
    'no label names a principal',
  )
  for (const socket of sockets) socket.destroy()
})

const shown = async (client: Client): Promise<string> => {
  const socket = await client.open()
  const { fingerprint256 } = socket.getPeerCertificate() as DetailedPeerCertificate
  socket.destroy()
  return fingerprint256
}
const shownMany = async (client: Client): Promise<Set<string>> =>
  new Set(await Promise.all(Array.from({ length: 6 }, () => shown(client))))
t.test('SIGHUP shows new connections a new certificate, on both workers, and refuses garbage', async (t) => {
  const client = ground.clientOf(ground.admin, main.mtls)
  const [old] = await shownMany(client)
  const open = await admittedMany(client, 4)
  const { publicKey, privateKey } = generateKeyPair()
  const issuer = ground.authority.serverIssuer
  const { pem } = await createServerCertificate({ issuer, publicKey, hostname: 'localhost', now: Date.now() })
  file('server-cert.pem', pem + issuer.pem)
  file('server-key.pem', privateKeyPem(privateKey))
  main.program.child.kill('SIGHUP')
  await eventually(() => countOf('trust_changed') === 2)
  const renewed = await shownMany(client)
  t.equal(renewed.size, 1, 'the same by both workers')
  t.notOk(renewed.has(old as string))

  for (const garbage of ['garbage', '', 'placeholder', ground.authority.issuer.pem, pem.slice(0, 200)]) {
    const refused = countOf('secrets_refused')
    file('server-cert.pem', garbage)
    main.program.child.kill('SIGHUP')
    await eventually(() => countOf('secrets_refused') === refused + 2)
    t.equal(countOf('secrets_refused'), refused + 2, `each worker refuses ${JSON.stringify(garbage.slice(0, 40))}`)
    t.same(await shownMany(client), renewed, 'and goes on with what it had')
  }
  t.notMatch(main.program.stdout(), /BEGIN|PRIVATE/, 'no key material in the log')
  t.ok(
    open.every((socket) => !socket.destroyed),
    'open connections live on',
  )
  for (const socket of open) {
    socket.write('GET /v1/whoami HTTP/1.1\r\nHost: localhost\r\n\r\n')
    t.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 200/)
    socket.destroy()
  }
})

t.test(
  'a worker that is killed is replaced, and the others go on',
  { skip: process.platform !== 'linux' },
  async (t) => {
    const [first, second] = workersOf(main)
    process.kill(first as number, 'SIGKILL')
    await main.program.event('worker_ended')
    t.equal((await ground.clientOf(ground.admin, main.mtls).get('/v1/whoami')).status, 200)
    await eventually(() => workersOf(main).length === 2)
    const now = workersOf(main)
    t.equal(now.length, 2)
    t.ok(now.includes(second as number) && !now.includes(first as number))
    // The new one is still starting: it reloads when it can, instead of ending by a signal that it does not know yet.
    file('server-cert.pem', ground.authority.env.AIRUNNER_SERVER_CERT)
    file('server-key.pem', ground.authority.env.AIRUNNER_SERVER_KEY)
    const reloaded = countOf('trust_changed')
    main.program.child.kill('SIGHUP')
    await eventually(() => countOf('trust_changed') === reloaded + 2)
    t.equal(countOf('trust_changed'), reloaded + 2)
    t.equal(countOf('worker_ended'), 1, 'nor is it replaced again')
  },
)

/** One request for health on a connection of its own: 0 when nobody listens. */
const health = (address: string): Promise<number> =>
  new Promise((resolve) => {
    const asking = request(`http://${address}/health`, { agent: false }, (answer) => {
      answer.resume()
      resolve(answer.statusCode ?? 0)
    })
    asking.on('error', () => resolve(0))
    asking.end()
  })

t.test(
  'SIGTERM: no longer healthy at once, still open for the delay, what was asked is answered, and exit 0',
  async (t) => {
    const admin = ground.clientOf(ground.admin, main.mtls)
    const idle = await admittedMany(admin, 4)
    const halfway = await admitted(admin)
    const body = JSON.stringify({ principal_id: 'late-1', type: 'worker' })
    const head = `POST /v1/principals HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`
    halfway.write(head + body.slice(0, 5))

    const ending = main.end('SIGTERM')
    const started = performance.now()
    await eventually(() => countOf('draining') === 2)
    const statuses = await Promise.all(Array.from({ length: 6 }, () => health(main.health)))
    t.same([...new Set(statuses)], [503])
    t.equal(
      (await ground.clientOf(ground.admin, main.mtls).get('/v1/whoami')).status,
      200,
      'a newcomer is still served',
    )
    const isRefused = () =>
      ground
        .clientOf(ground.admin, main.mtls)
        .get('/v1/whoami')
        .then(
          () => false,
          () => true,
        )
    t.ok(await eventually(isRefused), 'after the delay nobody is taken on')
    t.ok(performance.now() - started > 2900, 'and not before')
    const answer = once(halfway, 'data')
    halfway.write(body.slice(5))
    t.match(String((await answer)[0]), /^HTTP\/1\.1 201 /, 'the request under way is answered')
    t.equal(await ending, 0)
    t.ok(performance.now() - started < 20_000, 'before the grace is over')
    for (const socket of idle) t.ok(socket.destroyed || socket.readableEnded || (await once(socket.resume(), 'close')))
    t.same(await findBreaches(ground.store.store), [])
  },
)

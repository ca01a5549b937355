import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { createServerCertificate } from '../../src/pki/ca.ts'
import { makeIssueClientCertificate } from '../../src/pki/certificate.ts'
import { generateKeyPair, privateKeyPem, spkiOf } from '../../src/pki/keys.ts'
import { certificatePem } from '../../src/pki/pem.ts'
import { newSerialNumber } from '../../src/pki/serial.ts'
import { makeAuthority } from '../support/authority.ts'
import { startProgram } from '../support/program.ts'
import { startSlowStore } from '../support/slow-store.ts'

const authority = await makeAuthority()
const tables = {
  AIRUNNER_PRINCIPAL_TABLE: 'principals',
  AIRUNNER_CERT_TABLE: 'certificates',
  AIRUNNER_CONTROL_TABLE: 'control',
}
/** Nothing listens there: what does not need the store must work all the same. */
const noStore = {
  AWS_ENDPOINT_URL_DYNAMODB: 'http://127.0.0.1:1',
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'local',
  AWS_SECRET_ACCESS_KEY: 'local',
}
const free = ['mtls', 'enroll', 'health', 'pki', 'metrics'].map((name) => `--${name}-listen=127.0.0.1:0`)

/** A client certificate with the signature of our issuer; no row has it. */
const makeIdentity = async () => {
  const { publicKey, privateKey } = generateKeyPair()
  const now = Math.floor(Date.now() / 1000) * 1000
  const profile = { hostname: 'localhost', oid_arc: '1.3.6.1.4.1.99999.1' }
  const der = await makeIssueClientCertificate({ issuer: authority.issuer, profile })({
    serial_number: newSerialNumber(now),
    principal_id: 'worker-1',
    principal_type: 'worker',
    spki: spkiOf(publicKey),
    not_before: now - 60_000,
    expires_at: now + 3_600_000,
  })
  return { cert: certificatePem(der), key: privateKeyPem(privateKey) }
}

const start = async (t: Test, flags: string[] = [], env: Record<string, string> = {}) => {
  const given = { ...tables, ...noStore, ...authority.env, ...env }
  const program = startProgram(['--hostname', 'localhost', ...free, ...flags], given)
  t.teardown(() => void program.child.kill('SIGKILL'))
  const ready = await program.event('server_ready')
  const portOf = (name: string) => Number(String(ready[`${name}_listen`]).split(':')[1])
  const get = async (name: string, path: string) => {
    const response = await fetch(`http://127.0.0.1:${portOf(name)}${path}`)
    return [response.status, await response.text()] as const
  }
  const open = async (name: string, identity = {}): Promise<TLSSocket> => {
    const server = { port: portOf(name), host: '127.0.0.1', ca: authority.root_pem, servername: 'localhost' }
    const socket = connectTls({ ...server, ...identity })
    await once(socket, 'secureConnect')
    return socket
  }
  const enrolment = () => open('enroll')
  return { ...program, ready, portOf, get, open, enrolment }
}

/** Processes that a process has started and that live. */
const childrenOf = (pid: number): number[] =>
  execFileSync('ps', ['-A', '-o', 'pid=,ppid=,stat='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, parent, state = '']) => Number(parent) === pid && !state.startsWith('Z'))
    .map(([child]) => Number(child))

const read = async (socket: TLSSocket): Promise<string> => {
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  await once(socket, 'close')
  return text
}

t.test('a store that does not answer is no reason to exit', async (t) => {
  const { get, child, ended } = await start(t)
  t.same(await get('health', '/health'), [200, 'ok'])
  t.same(await get('health', '/livez'), [200, 'ok'])
  const [status, failing] = await get('health', '/readyz')
  t.equal(status, 503)
  t.match(failing, /^store/)
  t.equal((await get('pki', '/pki/trust-bundle.pem'))[1], authority.root_pem)
  t.equal((await get('pki', `/pki/issuers/${authority.issuer.issuer_id}.cer`))[0], 200)
  t.match((await get('metrics', '/metrics'))[1], /airunner_certificate_expiry_seconds\{kind="issuer"\} \d+/)
  const asked = performance.now()
  child.kill('SIGINT')
  t.equal((await ended).code, 0)
  t.ok(performance.now() - asked < 14_000, 'SIGINT waits for no delay, which is 15 s')
})

t.test('SIGTERM: told at once, accepted for the delay, finished within the grace', async (t) => {
  const store = { AWS_ENDPOINT_URL_DYNAMODB: await startSlowStore(t, 2600) }
  const flags = ['--drain-delay=2s', '--shutdown-grace=20s']
  const { get, child, ended, portOf, open, enrolment, event } = await start(t, flags, store)
  const [busy, idle] = [await open('mtls', await makeIdentity()), await enrolment()]
  busy.write('GET /v1/whoami HTTP/1.1\r\nHost: localhost\r\n\r\n')
  const asked = performance.now()
  child.kill('SIGTERM')
  await event('draining')
  t.same(await get('health', '/health'), [503, 'draining'])
  child.kill('SIGTERM')
  const late = await enrolment()
  late.write('GET /v1/trust-bundle HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
  t.match(await read(late), /^HTTP\/1\.1 200/, 'new connections are served during the delay')
  await once(idle.resume(), 'close')
  t.ok(performance.now() - asked > 1900, 'idle ones end after it')
  t.same(await get('health', '/health'), [503, 'draining'], 'probes are answered to the end')
  const refused = connect(portOf('enroll'), '127.0.0.1')
  const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException]
  t.equal(error.code, 'ECONNREFUSED')
  t.match(
    await read(busy),
    /^HTTP\/1\.1 503[\s\S]*connection: close[\s\S]*store_unavailable/i,
    'the one in flight has its answer',
  )
  t.equal((await ended).code, 0)
  t.ok(performance.now() - asked < 20_000, 'and then it is over, before the grace is')
})

t.test('what has not ended within the grace is cut', async (t) => {
  const store = { AWS_ENDPOINT_URL_DYNAMODB: await startSlowStore(t, 10_000) }
  const { child, ended, open } = await start(t, ['--drain-delay=0', '--shutdown-grace=500ms'], store)
  const busy = await open('mtls', await makeIdentity())
  busy.on('error', () => undefined)
  busy.write('GET /v1/whoami HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await new Promise((resolve) => setTimeout(resolve, 50))
  child.kill('SIGTERM')
  const { code, stdout } = await ended
  t.equal(code, 0)
  t.match(stdout, /"event":"drained".*"connections_cut":1/)
})

t.test('SIGHUP takes over new files, and refuses bad ones', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sighup-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const file = (name: string, text: string) => {
    writeFileSync(join(directory, name), text)
    return join(directory, name)
  }
  const { AIRUNNER_SERVER_CERT, AIRUNNER_SERVER_KEY } = authority.env
  const { child, event, enrolment } = await start(t, [], {
    AIRUNNER_SERVER_CERT: '',
    AIRUNNER_SERVER_KEY: '',
    AIRUNNER_SERVER_CERT_FILE: file('cert', AIRUNNER_SERVER_CERT),
    AIRUNNER_SERVER_KEY_FILE: file('key', AIRUNNER_SERVER_KEY),
  })
  const shown = async () => {
    const socket = await enrolment()
    const { serialNumber } = socket.getPeerCertificate()
    socket.destroy()
    return serialNumber
  }
  const first = await shown()
  const { publicKey, privateKey } = generateKeyPair()
  const issuer = authority.serverIssuer
  const { pem } = await createServerCertificate({ issuer, publicKey, hostname: 'localhost', now: Date.now() })
  file('cert', pem + issuer.pem)
  child.kill('SIGHUP')
  t.match(await event('secrets_refused'), { problems: [/AIRUNNER_SERVER_CERT_FILE .*does not match its key/] })
  t.equal(await shown(), first, 'the old pair stays')
  file('key', privateKeyPem(privateKey))
  child.kill('SIGHUP')
  await event('trust_changed')
  t.not(await shown(), first)
})

t.test('workers share the ports, are counted together, and are replaced', async (t) => {
  const { get, ready, logged, event, enrolment, child, ended } = await start(t, ['--workers=2'])
  t.equal(ready['workers'], 2)
  for (let count = 0; count < 4; count++) {
    const socket = await enrolment()
    socket.end('GET /v1/trust-bundle HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    t.match(await read(socket), /^HTTP\/1\.1 200/)
  }
  t.same(await get('health', '/health'), [200, 'ok'])
  const [, text] = await get('metrics', '/metrics')
  t.match(text, /airunner_certificate_expiry_seconds\{kind="server"\} \d+/)
  t.notMatch(text, /NaN/)

  const workers = logged().filter((line) => line['event'] === 'store_degraded')
  t.ok(
    workers.every((line) => line['worker'] === 1 || line['worker'] === 2),
    'lines of workers say whose they are',
  )
  process.kill(childrenOf(child.pid as number)[0] as number, 'SIGKILL')
  t.match(await event('worker_ended'), { signal: 'SIGKILL' })
  while (childrenOf(child.pid as number).length < 2) await new Promise((resolve) => setTimeout(resolve, 20))
  t.same(await get('health', '/health'), [200, 'ok'])
  t.equal(logged().filter((line) => line['event'] === 'server_ready').length, 1, 'ready is said once')
  child.kill('SIGINT')
  const { code, stdout } = await ended
  t.equal(code, 0, stdout)
})

t.test('workers that cannot start end the program', async (t) => {
  const blocked = await start(t)
  const program = startProgram(
    ['--hostname', 'localhost', ...free, '--workers=2', `--mtls-listen=127.0.0.1:${blocked.portOf('mtls')}`],
    {
      ...tables,
      ...noStore,
      ...authority.env,
    },
  )
  const { code, stdout } = await program.ended
  t.equal(code, 1)
  t.match(stdout, /"event":"listen_failed".*EADDRINUSE/)
  t.notMatch(stdout, /server_ready/)
})

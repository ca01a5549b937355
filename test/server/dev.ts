import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { makeClient } from '../support/client.ts'
import { compileCache } from '../support/compile-cache.ts'
import { type Program, startProgram } from '../support/program.ts'

const flags = ['mtls', 'enroll', 'health', 'pki', 'metrics'].map((name) => `--${name}-listen=127.0.0.1:0`)

const newHome = (t: Test) => {
  const home = mkdtempSync(join(tmpdir(), 'dev-'))
  t.teardown(() => rmSync(home, { recursive: true, force: true, maxRetries: 3 }))
  const data = join(home, 'data')
  const start = (...more: string[]): Program => {
    const program = startProgram(['dev', '--data-dir', data, ...flags, ...more], { HOME: home }, home)
    t.teardown(() => void program.child.kill('SIGKILL'))
    return program
  }
  const read = (name: string) => readFileSync(join(data, name), 'utf8')
  return { home, data, start, read }
}

const admin = (t: Test, ready: Record<string, unknown>, read: (name: string) => string) => {
  const client = makeClient(String(ready['mtls_listen']), read('ca-cert.pem'), {
    certificate: read('admin-cert.pem'),
    key: read('admin-key.pem'),
  })
  t.teardown(client.close)
  return client
}

const endpointOf = (env: string) => /^AWS_ENDPOINT_URL_DYNAMODB=(.*)$/m.exec(env)?.[1] as string
/** The engine ends a moment after its server. */
const isGone = async (endpoint: string) => {
  for (let tries = 0; tries < 600; tries++) {
    const answers = await fetch(endpoint, { signal: AbortSignal.timeout(500) }).then(
      () => true,
      () => false,
    )
    if (!answers) return true
    await new Promise((wait) => setTimeout(wait, 20))
  }
  return false
}

t.test('everything on this machine, from nothing, and again with the same data', async (t) => {
  const { home, data, start, read } = newHome(t)
  const first = start()
  const ready = await first.event('server_ready')
  const whoami = await admin(t, ready, read).get('/v1/whoami')
  t.match(whoami, { status: 200, body: { principal: { principal_id: 'admin-dev', type: 'admin' } } })

  t.equal(statSync(data).mode & 0o777, 0o700)
  for (const name of readdirSync(data).filter((each) => each !== 'store'))
    t.equal(statSync(join(data, name)).mode & 0o777, 0o600, name)
  // The context is written, and spoken of, once the server is ready.
  while (!first.stdout().includes('rpc-server.env')) await once(first.child.stdout as never, 'data')
  const context = parse(readFileSync(join(home, '.config/airunner/config.yaml'), 'utf8'))
  t.match(context, {
    current_context: 'dev',
    contexts: { dev: { cacert: join(data, 'ca-cert.pem'), client_key: join(data, 'admin-key.pem') } },
  })
  t.equal(context.contexts.dev.server, `https://localhost:${String(ready['mtls_listen']).split(':')[1]}`)
  t.match(first.stdout(), /curl --cacert data\/ca-cert\.pem --cert data\/admin-cert\.pem .*\/v1\/whoami/)

  const meanwhile = await start().ended
  t.equal(meanwhile.code, 1)
  t.match(meanwhile.stderr, new RegExp(`another rpc-server dev runs on .*process ${first.child.pid}`))

  const endpoint = endpointOf(read('rpc-server.env'))
  const asked = performance.now()
  first.child.kill('SIGINT')
  const { code } = await first.ended
  t.equal(code, 0)
  t.ok(performance.now() - asked < 14_000, 'Ctrl-C waits for no delay, which is 15 s')
  t.ok(await isGone(endpoint), 'the store with it')

  const second = start()
  const again = await admin(t, await second.event('server_ready'), read).get('/v1/whoami')
  t.equal(again.body.certificate.serial_number, whoami.body.certificate.serial_number)
  t.notMatch(second.stdout(), /made/)
  t.equal(endpointOf(read('rpc-server.env')), endpoint, 'second servers find the store where it was')
  second.child.kill('SIGTERM')
  second.child.kill('SIGINT')
  t.equal((await second.ended).code, 0)
})

t.test('a second server on the same store starts from the file of variables', async (t) => {
  const { data, start, read } = newHome(t)
  const ready = await start().event('server_ready')
  await admin(t, ready, read).post('/v1/principals', { principal_id: 'worker-1', type: 'worker' })
  const main = resolve(import.meta.dirname, '../../src/server/main.ts')
  const line = `set -a; . ${join(data, 'rpc-server.env')}; set +a; exec "$0" "$@"`
  const args = [
    process.execPath,
    main,
    '--mtls-listen',
    '127.0.0.1:0',
    '--health-listen',
    '127.0.0.1:0',
    '--hostname',
    'localhost',
  ]
  const second = spawn('/bin/sh', ['-c', line, ...args], {
    env: { PATH: process.env['PATH'], ...compileCache },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => void second.kill('SIGKILL'))
  const [output] = await once(second.stdout, 'data')
  const other = admin(t, JSON.parse(String(output).split('\n')[0] as string), read)
  t.match(await other.get('/v1/principals/worker-1'), { status: 200, body: { principal_id: 'worker-1' } })
})

t.test('a server that was killed leaves no store behind, and its folder can be used', async (t) => {
  const { data, start, read } = newHome(t)
  const first = start()
  const ready = await first.event('server_ready')
  const before = await admin(t, ready, read).get('/v1/whoami')
  const endpoint = endpointOf(read('rpc-server.env'))
  first.child.kill('SIGKILL')
  await first.ended
  t.ok(await isGone(endpoint))
  t.ok(existsSync(join(data, 'dev.lock')))
  const second = start('--workers', '2')
  const after = await admin(t, await second.event('server_ready'), read).get('/v1/whoami')
  t.equal(after.body.certificate.serial_number, before.body.certificate.serial_number)
})

t.test('other contexts stay, and stay current', async (t) => {
  const { home, start } = newHome(t)
  const path = join(home, '.config/airunner/config.yaml')
  mkdirSync(join(home, '.config/airunner'), { recursive: true })
  writeFileSync(path, '# mine\ncurrent_context: prod\ncontexts:\n  prod: { server: https://prod.example.com }\n')
  const program = start()
  await program.event('server_ready')
  while (!program.stdout().includes('Ctrl-C')) await once(program.child.stdout as never, 'data')
  const text = readFileSync(path, 'utf8')
  t.match(text, /^# mine\ncurrent_context: prod\n/)
  t.match(parse(text), { contexts: { prod: { server: 'https://prod.example.com' }, dev: {} } })
})

t.test('faults of the command line are said before anything is made', async (t) => {
  const { data, start } = newHome(t)
  const { code, stderr } = await start('--workers', 'x', '--nonsense').ended
  t.equal(code, 2)
  t.match(stderr, /--nonsense[\s\S]*--workers: found "x"/)
  t.notOk(existsSync(data))
})

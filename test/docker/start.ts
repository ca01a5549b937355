import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import { startEmbeddedStore } from '../../src/store/embedded.ts'
import { type BuiltImage, buildImage, NoRegistry } from '../support/image.ts'

const buildArgs = { VERSION: '0.0.0-test', REVISION: '0123abc', CREATED: '2026-01-01T00:00:00Z', SOURCE: 'here' }

/** All packages, as they are installed here: what compiles is the same everywhere, what runs is installed afresh. */
const installed = resolve(import.meta.dirname, '../../node_modules')

/** Starts a command of the image as the engine does: the image's environment, and nothing of this machine but its shell. */
const start = (t: Test, image: BuiltImage, command: string[], env: Record<string, string> = {}) => {
  const [file = '', ...args] = [...image.entrypoint, ...command].map((word) =>
    word.replace(/^\/app\//, `${image.root}/app/`),
  )
  const child = spawn(file, args, {
    cwd: join(image.root, image.workdir),
    env: { ...image.env, HOME: image.root, PATH: `${image.root}/usr/local/bin:/usr/bin:/bin`, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => void child.kill('SIGKILL'))
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text
  })
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr }))
  return { child, ended, said: () => stdout }
}

/** Answers every request alike: a server in trouble. */
const startAnswering = async (t: Test, status: number): Promise<string> => {
  const server = createServer((_request, response) => response.writeHead(status).end('draining'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/health`
}

t.test('what docker/Dockerfile makes, made in an empty folder', async (t) => {
  // Not in the repository: there a package that is missing here would be found two folders up.
  const folder = mkdtempSync(join(tmpdir(), 'airunner-image-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }))
  const image = await buildImage(folder, { buildArgs, packages: { build: installed } }).catch((error) => {
    if (error instanceof NoRegistry) return undefined
    throw error
  })
  if (image === undefined) {
    console.error('SKIPPED: npm reaches no registry, so the image was not made')
    t.pass('made', { skip: 'npm reaches no registry' })
    return
  }

  await t.test('holds what runs, and nothing else', async (t) => {
    const files = globSync('**/*', { cwd: join(image.root, 'app') })
    t.ok(files.includes('dist/server/main.js') && files.includes('docker/healthcheck.js'))
    const unwanted =
      /^(src|test|scripts)\/|^node_modules\/(@dynoxide|typescript|tap|node)\/|\.(tgz|pem)$|(^|\/)\.(npmrc|env)$/
    t.same(
      files.filter((file) => unwanted.test(file)),
      [],
    )
    t.notOk(globSync('usr/local/bin/np*', { cwd: image.root }).length, 'no npm')
  })

  await t.test('says where it comes from, and who it runs as', async (t) => {
    const { title: _, ...labels } = Object.fromEntries(
      Object.entries(image.labels).map(([name, value]) => [name.replace('org.opencontainers.image.', ''), value]),
    )
    t.match(labels, { version: '0.0.0-test', revision: '0123abc', source: 'here', licenses: 'Apache-2.0' })
    t.equal(image.user, '65532:65532')
    t.same(image.entrypoint, [], 'the command is the program')
  })

  await t.test('without its configuration the default command says what is missing, and ends with 2', async (t) => {
    const { code, stderr, stdout } = await start(t, image, image.command).ended
    t.equal(code, 2)
    t.match(stderr + stdout, /AIRUNNER_PRINCIPAL_TABLE/)
  })

  await t.test('bootstraps, serves, answers its health check, and stops when it is told', async (t) => {
    const store = await startEmbeddedStore({})
    t.teardown(() => store.stop())
    const plane = join(folder, 'state/plane')
    const env = {
      AIRUNNER_PRINCIPAL_TABLE: 'principals',
      AIRUNNER_CERT_TABLE: 'certificates',
      AIRUNNER_CONTROL_TABLE: 'control',
      AWS_ENDPOINT_URL_DYNAMODB: store.endpoint,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
    }
    const bootstrap = await start(t, image, ['airunner', 'bootstrap', '--local', '--output-dir', plane], env).ended
    t.equal(bootstrap.code, 0, bootstrap.stderr)

    const listen = ['--mtls-listen', '127.0.0.1:0', '--health-listen', '127.0.0.1:0', '--hostname', 'localhost']
    const server = start(t, image, [...image.command, ...listen, '--drain-delay', '1s'], {
      ...env,
      AIRUNNER_CA_CERT_FILE: join(plane, 'ca-cert.pem'),
      AIRUNNER_SERVER_CERT_FILE: join(plane, 'server-cert.pem'),
      AIRUNNER_SERVER_KEY_FILE: join(plane, 'server-key.pem'),
      AIRUNNER_ISSUER_CERT_FILE: join(plane, 'issuer-cert.pem'),
      AIRUNNER_ISSUER_KEY_FILE: join(plane, 'issuer-key.pem'),
    })
    const over = server.ended.then(({ stdout, stderr }) => Promise.reject(new Error(stdout + stderr)))
    over.catch(() => {})
    while (!server.said().includes('"server_ready"')) await Promise.race([once(server.child.stdout, 'data'), over])
    const ready = JSON.parse(
      server
        .said()
        .split('\n')
        .find((line) => line.includes('"server_ready"')) ?? '',
    )
    const health = `http://${ready.health_listen}/health`

    t.equal(await fetch(health).then((response) => response.status), 200)
    const check = (url: string) => start(t, image, [...image.healthcheck, url]).ended
    t.match(await check(health), { code: 0, stdout: '200 ok' })
    t.match(await check(await startAnswering(t, 503)), { code: 1, stdout: '503 draining' })
    t.match(await check('http://127.0.0.1:1/health'), { code: 1 }, 'nobody answers')

    const who = await start(t, image, ['airunner', 'whoami', '-o', 'json'], {
      AIRUNNER_SERVER: `https://localhost:${String(ready.mtls_listen).split(':')[1]}`,
      AIRUNNER_CACERT: join(plane, 'ca-cert.pem'),
      AIRUNNER_CLIENT_CERT: join(plane, 'admin-cert.pem'),
      AIRUNNER_CLIENT_KEY: join(plane, 'admin-key.pem'),
    }).ended
    t.equal(who.code, 0, who.stderr)
    t.equal(JSON.parse(who.stdout || '{}').principal?.principal_id, 'admin-bootstrap')

    server.child.kill('SIGTERM')
    let status = 200
    while (status === 200) status = await fetch(health).then((response) => response.status)
    t.equal(status, 503, 'while it drains, its health says so')
    t.match(await check(health), { code: 1, stdout: '503 draining' })
    t.equal((await server.ended).code, 0)
  })
})

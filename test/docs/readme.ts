import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import t from 'tap'

const missing = ['openssl', 'curl', 'awk'].filter((tool) => spawnSync(tool, ['--version']).error !== undefined)
const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
const blocks = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, text]) => text as string)

t.test(
  'the README’s openssl and curl walk works as it stands',
  { skip: missing.length > 0 && `no ${missing}` },
  async (t) => {
    const directory = t.testdir()
    const main = new URL('../../src/server/main.ts', import.meta.url).pathname
    const free = '127.0.0.1:0'
    const listeners = ['mtls', 'enroll', 'health', 'pki'].flatMap((name) => [`--${name}-listen`, free])
    const server = spawn(process.execPath, [main, 'dev', '--log-format', 'json', ...listeners], {
      cwd: directory,
      env: { ...process.env, XDG_CONFIG_HOME: directory },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.teardown(async () => {
      server.kill('SIGINT')
      if (server.exitCode === null) await once(server, 'exit')
    })
    let port = ''
    for await (const line of createInterface({ input: server.stdout })) {
      const ready = /"event":"server_ready".*"mtls_listen":"127\.0\.0\.1:(\d+)"/.exec(line)
      if (ready === null) continue
      port = ready[1] as string
      break
    }
    server.stdout.resume()
    t.equal(blocks.length, 4)
    const script = blocks.join('\necho\n').replaceAll('localhost:8443', `localhost:${port}`)
    const { stdout } = await promisify(execFile)('sh', ['-e', '-c', script], { cwd: directory })
    const answers = stdout
      .replaceAll('}{', '}\n{')
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line))
    t.match(answers, [
      { principal_id: 'worker-2', active_certificates: 0 },
      { principal: { principal_id: 'worker-2' }, certificate: { kind: 'issued' }, permissions: ['any', 'self'] },
      { certificate: { kind: 'renewed', status: 'active' } },
      { status: 'revoked', revocation_reason: 'key_compromise' },
      { status: 401, code: 'certificate_revoked' },
    ])
  },
)

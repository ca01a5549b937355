import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import t from 'tap'
import { readComposeFile } from '../support/compose.ts'
import { readDockerfile } from '../support/dockerfile.ts'
import { buildContext } from '../support/image.ts'
import { missingTools, runTool } from '../support/tools.ts'

const root = resolve(import.meta.dirname, '../..')
const pinned = /^[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}$/
const { services, volumes, networks } = readComposeFile()
const all = Object.entries(services)
const ours = all.filter(([, { image }]) => image.startsWith('airunner'))

t.test('every base of the image is one image by digest, of a Node that the plane runs on', async (t) => {
  const { stages } = readDockerfile(join(root, 'docker/Dockerfile'))
  for (const { base } of stages) t.match(base, pinned)
  t.equal(new Set(stages.map(({ base }) => base)).size, 1)
  const [, major = 0, minor = 0] = /^node:(\d+)\.(\d+)/.exec(stages[0]?.base ?? '')?.map(Number) ?? []
  t.ok(major === 24 && minor >= 21, 'not one of those that let in who showed no certificate')
})

t.test('the last stage brings nothing that only a build needs, and is not root', async (t) => {
  const last = readDockerfile(join(root, 'docker/Dockerfile')).stages.at(-1)
  const of = (name: string) => last?.instructions.filter((one) => one.name === name).map(({ text }) => text) ?? []
  t.same(of('USER'), ['65532:65532'])
  t.same(of('ENTRYPOINT'), ['[]'], 'no shell in front')
  t.ok(
    [...of('CMD'), ...of('HEALTHCHECK').map((text) => text.replace(/.*CMD /, ''))].every((text) =>
      Array.isArray(JSON.parse(text)),
    ),
  )
  t.notMatch(of('COPY').join('\n'), /\b(src|scripts|test)\b/)
  t.notMatch(readFileSync(join(root, 'docker/Dockerfile'), 'utf8'), /\b(ARG|ENV)\b.*(TOKEN|SECRET|PASSWORD|_KEY)/i)
})

t.test('the build sees what it names, and nothing else', async (t) => {
  const [first = ''] = readFileSync(join(root, '.dockerignore'), 'utf8')
    .split('\n')
    .filter((line) => !/^(#|$)/.test(line))
  t.equal(first, '*', 'a list of what is let in')
  const context = buildContext()
  t.same(
    context.filter(
      (file) => !/^(src\/|scripts\/(build|require-node)\.ts$|docker\/healthcheck\.js$|[\w.-]+$)/.test(file),
    ),
    [],
  )
  t.notOk(context.some((file) => /\.(pem|env|tfvars|tfstate)$|(^|\/)\./.test(file)))
})

t.test('every service is locked in', async (t) => {
  for (const [name, service] of all) {
    t.match(service, { read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] }, name)
    t.match(service.user, /^[1-9]\d*:[1-9]\d*$/, `${name} is not root`)
    t.ok(service.pids_limit && service.mem_limit, `${name} has limits`)
    t.notOk('privileged' in service || 'cap_add' in service || 'network_mode' in service || 'pid' in service, name)
    for (const port of service.ports ?? []) t.match(port, /^127\.0\.0\.1:/, `${name}: for this machine alone`)
    if (!service.image.startsWith('airunner')) t.match(service.image, pinned, name)
    t.notMatch(JSON.stringify(service.volumes ?? []), /docker\.sock/, name)
  }
})

t.test('what runs for long has a health check, and what is waited for has one or ends', async (t) => {
  for (const [name, { restart, healthcheck, profiles }] of all)
    if (restart !== 'no' && profiles === undefined) t.ok(healthcheck, name)
  for (const [name, { depends_on = {} }] of all)
    for (const [other, { condition }] of Object.entries(depends_on)) {
      const ends = services[other]?.restart === 'no'
      t.equal(condition, ends ? 'service_completed_successfully' : 'service_healthy', `${name} waits for ${other}`)
    }
})

t.test('a server has neither the key of the root nor that of the admin', async (t) => {
  const holders = all.filter(([, { volumes = [] }]) => volumes.some((volume) => volume.startsWith('admin:')))
  t.same(holders.map(([name]) => name).sort(), ['bootstrap', 'cli', 'invitation'])
  const writers = all.flatMap(([name, { volumes = [] }]) =>
    volumes.filter((volume) => !volume.endsWith(':ro')).map((volume) => `${name} ${volume}`),
  )
  t.same(writers.sort(), [
    'agent agent:/var/lib/airunner',
    'bootstrap admin:/var/lib/airunner',
    'bootstrap server:/etc/airunner',
    'invitation invitation:/etc/airunner',
  ])
  t.same(Object.keys(volumes).sort(), ['admin', 'agent', 'invitation', 'server'])
})

t.test('the servers believe the balancer, and nobody else, on whose behalf it connects', async (t) => {
  const balancer = services['balancer']?.networks
  const address = Array.isArray(balancer) ? '' : balancer?.['plane']?.ipv4_address
  const servers = ours.filter(([name]) => name.startsWith('server-'))
  t.equal(servers.length, 2)
  for (const [name, { command }] of servers) t.ok(command.includes(`--proxy-protocol=${address}/32`), name)
  t.equal(networks['plane']?.ipam.config[0]?.subnet, '10.213.7.0/24')
})

t.test('hadolint finds nothing', { skip: missingTools('hadolint') }, async (t) => {
  t.match(await runTool('hadolint', ['--failure-threshold', 'style', 'docker/Dockerfile'], 60_000, root), {
    code: 0,
    stdout: '',
  })
})

const has = (command: string, ...args: string[]) => spawnSync(command, args).status === 0
const skipped = (why: string): string => {
  console.error(`SKIPPED: ${why}`)
  return why
}

t.test(
  'haproxy takes its configuration',
  { skip: has('haproxy', '-v') ? false : skipped('haproxy is not installed') },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'haproxy-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    const text = readFileSync(join(root, 'docker/haproxy.cfg'), 'utf8')
    t.match(text, /send-proxy-v2 on-marked-down shutdown-sessions/)
    // Their names are known in the network of the compose file only.
    writeFileSync(
      join(folder, 'haproxy.cfg'),
      text
        .replace(/ server-(\d):/g, ' 127.0.0.1$1:')
        .replaceAll('127.0.0.11', '127.0.0.1')
        .replaceAll('127.0.0.12', '127.0.0.1'),
    )
    const { status, stderr } = spawnSync('haproxy', ['-c', '-f', join(folder, 'haproxy.cfg')], { encoding: 'utf8' })
    t.equal(status, 0, stderr)
    t.notMatch(stderr, /WARNING/)
  },
)

/** The loader of Docker Compose: Compose itself where it is installed, or its library's own program. */
const loaders: [string, string[]][] = [
  ['docker', ['compose', '--file', 'docker/compose.yaml', 'config', '--quiet']],
  [join(root, '.tools/bin/compose-go'), ['docker/compose.yaml']],
]
const loader = loaders.find(([command], index) =>
  index === 0 ? has('docker', 'compose', 'version') : existsSync(command),
)
const noLoader = loader === undefined && skipped('neither docker compose nor .tools/bin/compose-go is installed')
t.test('Docker Compose takes its file', { skip: noLoader }, async (t) => {
  const [command, args] = loader ?? ['', []]
  const { status, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8', timeout: 60_000 })
  t.equal(status, 0, stderr)
})

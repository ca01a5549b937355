import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import t from 'tap'
import { noContainers, startCompose } from '../support/compose.ts'
import { buildImage } from '../support/image.ts'

/** The embedded store, for DynamoDB Local, which comes as an image only. */
const store = (): string => {
  const name = `@dynoxide/linux-${process.arch}`
  return join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), 'dynoxide')
}

const skip = noContainers()
if (skip !== undefined) console.error(`SKIPPED: ${skip}`)

t.test('docker/compose.yaml brings up a plane', { skip: skip ?? false }, async (t) => {
  const scratch = mkdtempSync(join(tmpdir(), 'airunner-compose-'))
  let down = async () => {}
  t.teardown(async () => {
    await down()
    await rm(scratch, { recursive: true, force: true, maxRetries: 3 })
  })
  // That its packages install is shown in start.ts.
  const packages = resolve(import.meta.dirname, '../../node_modules')
  const image = await buildImage(join(scratch, 'build'), { packages: { build: packages, dependencies: packages } })
  const compose = await startCompose({
    image,
    scratch,
    standIns: {
      dynamodb: {
        program: store(),
        command: ['stand-in', 'serve', '--host', '0.0.0.0', '--port', '8000'],
        healthcheck: ['CMD', 'bash', '-c', '</dev/tcp/127.0.0.1/8000'],
      },
    },
  })
  down = compose.down
  const agent = await compose.up('agent')
  await compose.healthy('agent')
  const [first, second] = [await compose.up('server-1'), await compose.up('server-2')]
  const airunner = async (...args: string[]) => {
    const { code, output } = await compose.run('cli', ['airunner', ...args, '-o', 'json'])
    t.equal(code, 0, `airunner ${args.join(' ')}: ${code === 0 ? 'ok' : output}`)
    return code === 0 ? JSON.parse(output) : undefined
  }
  /** The agent as the registry shows it, once its presence is as wanted. */
  const agentWhen = async (presence: string) => {
    for (let tries = 0; ; tries++) {
      const [found] = (await airunner('agent', 'list'))?.items ?? []
      if (found?.presence === presence || tries === 120) return found
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
  }

  await t.test('the agent has joined by its token, and the servers see its own address', async (t) => {
    const found = await agentWhen('online')
    t.match(found, { principal_id: /^compose-/, presence: 'online' }, agent.output())
    t.equal(found?.remote_address, compose.addressOf('agent'), 'not that of the balancer')
  })

  await t.test('a server is locked in', async (t) => {
    const shell = (words: string) => first.exec(['sh', '-c', words])
    t.match(first.output(), /"pid":1[,}]/, 'it is the first process')
    t.match(first.output(), /"mtls_listen":"0.0.0.0:443"/, 'on the port that root alone had')
    t.match(shell('id -u; id -g; id -G').output, '65532\n65532\n65532\n')
    t.match(shell('grep -E "Cap(Prm|Eff|Bnd)|NoNewPrivs" /proc/1/status').output, /(Cap...:\t0{16}\n){3}NoNewPrivs:\t1/)
    for (const path of ['/x', '/app/x', '/var/lib/airunner/x', '/etc/airunner/x'])
      t.match(shell(`: > ${path}`), { code: 2, output: /Read-only file system/ }, path)
    const files = shell('ls -A /etc/airunner').output.trim().split(/\s+/)
    t.same(files, ['ca-cert.pem', 'issuer-cert.pem', 'issuer-key.pem', 'server-cert.pem', 'server-key.pem'])
  })

  await t.test('the agent holds neither the key of the root nor that of the admin', async (t) => {
    t.same(agent.exec(['ls', '-A', '/etc/airunner']).output.trim().split(/\s+/), ['ca-cert.pem', 'token'])
    t.notMatch(agent.exec(['ls', '-AR', '/var/lib/airunner']).output, /ca-key|admin|issuer-key/)
  })

  await t.test('when either server is stopped, the plane goes on', async (t) => {
    for (const server of [first, second]) {
      server.kill('SIGTERM')
      t.match(await server.ended, { code: 0 })
      if (server === second) break
      t.match(await airunner('whoami'), { principal: { principal_id: 'admin-bootstrap' } })
      t.match(await agentWhen('online'), { presence: 'online' }, agent.output())
    }
    t.not(compose.check('balancer').code, 0, 'without any server the balancer is not healthy')
  })

  await t.test('the agent ends when it is told, as first process too', async (t) => {
    agent.kill('SIGTERM')
    t.match(await agent.ended, { code: 143 })
  })
})

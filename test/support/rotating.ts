import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { privateKeyPem } from '../../src/pki/keys.ts'
import { type CliAnswer, runCli } from './cli.ts'
import { type Answer, type Identity, identityOf, makeClient, makeRequest } from './client.ts'
import { layGround, type ServerProcess } from './processes.ts'

const cliMain = join(import.meta.dirname, '../../src/cli/main.ts')

/** Files of the servers, by the names under which bootstrap leaves them. */
const serverFiles = {
  AIRUNNER_CA_CERT: 'ca-cert.pem',
  AIRUNNER_ISSUER_CERT: 'issuer-cert.pem',
  AIRUNNER_ISSUER_KEY: 'issuer-key.pem',
  AIRUNNER_SERVER_CERT: 'server-cert.pem',
  AIRUNNER_SERVER_KEY: 'server-key.pem',
} as const
type ServerFile = (typeof serverFiles)[keyof typeof serverFiles]

interface Running extends ServerProcess {
  enroll: string
}

const running = async (server: ServerProcess): Promise<Running> => {
  const ready = await server.program.event('server_ready')
  return { ...server, enroll: String(ready['enroll_listen']) }
}

/** Two servers that are processes and read their keys from files, as an administrator without AWS has them. */
export const startFileDeployment = async (t: Pick<Test, 'teardown'>) => {
  const ground = await layGround()
  const directory = mkdtempSync(join(tmpdir(), 'airunner-rotation-'))
  t.teardown(async () => {
    await ground.end()
    rmSync(directory, { recursive: true, force: true })
  })
  const path = (name: string) => join(directory, name)
  const write = (name: string, text: string) => writeFileSync(path(name), text, { mode: 0o600 })
  const env: Record<string, string> = {}
  for (const [variable, name] of Object.entries(serverFiles)) {
    write(name, ground.authority.env[variable as keyof typeof serverFiles])
    env[variable] = ''
    env[`${variable}_FILE`] = path(name)
  }
  write('ca-key.pem', privateKeyPem(ground.authority.rootKey))
  write('cli-ca.pem', ground.authority.root_pem)
  write('admin-cert.pem', ground.admin.certificate)
  write('admin-key.pem', ground.admin.key)
  const args = ['--enroll-listen', '127.0.0.1:0', '--pki-listen', '127.0.0.1:0', '--drain-delay', '0']
  const start = async () => running(await ground.start(args, env))
  const servers = await Promise.all([start(), start()])

  const cliEnv = () => ({
    HOME: directory,
    AIRUNNER_SERVER: `https://localhost:${servers[0]?.mtls.split(':').at(-1)}`,
    AIRUNNER_CACERT: path('cli-ca.pem'),
    AIRUNNER_CLIENT_CERT: path('admin-cert.pem'),
    AIRUNNER_CLIENT_KEY: path('admin-key.pem'),
  })
  const airunner = (...argv: string[]): Promise<CliAnswer> => runCli(argv, { env: cliEnv() })
  const replace = async (index: number) => {
    await servers[index]?.end('SIGKILL')
    servers[index] = await start()
  }
  const reload = async (server: Running): Promise<void> => {
    const count = () => server.program.logged().filter(({ event }) => event === 'trust_changed').length
    const before = count()
    server.program.child.kill('SIGHUP')
    for (let tries = 0; count() === before; tries++) {
      if (tries === 1200) throw new Error(`no trust_changed: ${server.program.stdout()}`)
      await sleep(50)
    }
  }
  return {
    ground,
    directory,
    path,
    read: (name: string) => readFileSync(path(name), 'utf8'),
    write,
    append: (name: ServerFile, from: string) =>
      write(name, readFileSync(path(name), 'utf8') + readFileSync(path(from), 'utf8')),
    servers,
    airunner,
    reload,
    reloadAll: () => Promise.all(servers.map(reload)),
    /** SIGKILL for the second one, and another in its place. */
    replaceSecond: () => replace(1),
    /** The same with the one that the CLI talks to. */
    replaceFirst: () => replace(0),
    /** The CLI as a process, ended by SIGKILL after so many milliseconds unless it was faster. */
    killedCli: async (after: number, ...argv: string[]): Promise<void> => {
      const child = spawn(process.execPath, [cliMain, ...argv], {
        env: { PATH: process.env['PATH'] ?? '', ...cliEnv() },
        stdio: 'ignore',
      })
      const timer = setTimeout(() => child.kill('SIGKILL'), after)
      await once(child, 'close')
      clearTimeout(timer)
    },
    /** Renewals and joins, again and again, at whichever server answers; what was refused is kept. */
    traffic: (workers: number) => startTraffic({ servers, ground }, workers),
  }
}
export type FileDeployment = Awaited<ReturnType<typeof startFileDeployment>>
type Ground = Awaited<ReturnType<typeof layGround>>

/**
 * Waits until an issuer that was retired is held by those alone who never renew: whoever is about to has renewed, and no
 * server may go on signing with it. It is not removed by that, while anybody holds it.
 */
export const untilOthersRenewed = async (airunner: FileDeployment['airunner'], issuerId: string): Promise<void> => {
  for (let tries = 0; tries < 120; tries++) {
    const { stderr } = await airunner('ca', 'remove', issuerId, '-y')
    if (!/still be on their way|may go on signing|: agent (renewing-\d+|slow):/.test(stderr)) return
    await sleep(1000)
  }
  throw new Error(`${issuerId} is never left`)
}

/** What clients do while a rotation goes on, as behind a balancer: a server that is gone is not asked twice. */
const startTraffic = async ({ servers, ground }: { servers: Running[]; ground: Ground }, workers: number) => {
  const refused: string[] = []
  const done = { renewals: 0, joins: 0 }
  const issuers = new Set<string>()
  let bundle = ground.authority.root_pem
  let stopped = false

  const ask = async (
    identity: Identity | undefined,
    listener: 'mtls' | 'enroll',
    call: (client: ReturnType<typeof makeClient>) => Promise<Answer>,
  ): Promise<Answer> => {
    for (let tries = 0; ; tries++) {
      const server = servers[Math.floor(Math.random() * servers.length)] as Running
      const client = makeClient(server[listener], bundle, identity)
      try {
        const answer = await call(client)
        if (answer.status !== 503 || tries === 600) return answer
      } catch (error) {
        const { code = '' } = error as NodeJS.ErrnoException
        if (!['ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(code) || tries === 600) throw error
      } finally {
        client.close()
      }
      await sleep(50)
    }
  }
  const demand = (what: string, answer: Answer, status: number): Answer => {
    if (answer.status !== status) throw new Error(`${what}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer
  }
  const admin = (method: 'post', path: string, body: unknown) =>
    ask(ground.admin, 'mtls', (client) => client[method](path, body, { key: crypto.randomUUID() }))

  const renewForever = async (principal_id: string): Promise<void> => {
    demand('create', await admin('post', '/v1/principals', { principal_id, type: 'worker' }), 201)
    const first = await makeRequest()
    const { body } = demand(
      'issue',
      await admin('post', '/v1/certificates', { principal_id, csr_pem: first.csr_pem }),
      201,
    )
    let identity = identityOf(body, first.key)
    while (!stopped) {
      const { key, csr_pem } = await makeRequest()
      const once = { key: crypto.randomUUID() }
      const renewed = demand(
        'renew',
        await ask(identity, 'mtls', (c) => c.post('/v1/renewals', { csr_pem }, once)),
        201,
      )
      identity = identityOf(renewed.body, key)
      demand('whoami', await ask(identity, 'mtls', (c) => c.get('/v1/whoami')), 200)
      const trust = demand('bundle', await ask(identity, 'mtls', (c) => c.get('/v1/trust-bundle')), 200)
      bundle = trust.body.roots_pem
      issuers.add(renewed.body.certificate.issuer_id)
      done.renewals++
      await sleep(300)
    }
  }
  const joinForever = async (): Promise<void> => {
    const wish = { principal_type: 'worker', id_prefix: 'joined-', max_uses: 1000 }
    const token = demand('token', await admin('post', '/v1/join-tokens', wish), 201)
    for (let count = 0; !stopped; count++) {
      const { csr_pem } = await makeRequest()
      const body = { method: 'token', join_token: token.body.join_token, csr_pem, principal_id: `joined-${count}` }
      const once = { key: crypto.randomUUID() }
      demand('join', await ask(undefined, 'enroll', (c) => c.post('/v1/enrollments', body, once)), 201)
      done.joins++
      await sleep(1500)
    }
  }
  const note = (error: unknown) => void refused.push(String(error))
  const all = [
    ...Array.from({ length: workers }, (_, index) => renewForever(`renewing-${index}`).catch(note)),
    joinForever().catch(note),
  ]
  return {
    refused,
    done,
    issuers,
    stop: async () => {
      stopped = true
      await Promise.all(all)
    },
  }
}

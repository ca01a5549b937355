import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import { openStore } from '../../src/store/client.ts'
import { startEmbeddedStore } from '../../src/store/embedded.ts'
import { findBreaches } from '../support/checker.ts'
import { runCli } from '../support/cli.ts'
import { type Client, type Identity, identityOf, makeClient, makeRequest } from '../support/client.ts'
import { compileCache } from '../support/compile-cache.ts'
import { type Program, startProgram } from '../support/program.ts'
import { storeCredentials } from '../support/store.ts'

const cli = resolve(import.meta.dirname, '../../src/cli/main.ts')
const listeners = ['mtls', 'enroll', 'health', 'pki', 'metrics'].map((name) => `--${name}-listen=127.0.0.1:0`)

interface Running {
  program: Program
  health: string
  mtls: string
  pki: string
  admin: Client
  as(identity: Identity): Client
  enroll: Client
  end(signal?: NodeJS.Signals): Promise<void>
}

/** A plane on this machine, as an operator has it: `rpc-server dev`, its files, and copies of them. */
const home = (t: Test) => {
  const folder = mkdtempSync(join(tmpdir(), 'restored-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }))
  const data = join(folder, 'data')
  const read = (name: string) => readFileSync(join(data, name), 'utf8')
  const environment = (): Record<string, string> =>
    Object.fromEntries(
      read('rpc-server.env')
        .trim()
        .split('\n')
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    )

  const start = async (): Promise<Running> => {
    const program = startProgram(['dev', '--data-dir', data, ...listeners], { HOME: folder }, folder)
    t.teardown(() => void program.child.kill('SIGKILL'))
    const ready = await program.event('server_ready')
    const clients: Client[] = []
    const client = (address: unknown, identity?: Identity) => {
      const made = makeClient(String(address), read('ca-cert.pem'), identity)
      clients.push(made)
      return made
    }
    const { AWS_ENDPOINT_URL_DYNAMODB: store = '' } = environment()
    return {
      program,
      health: String(ready['health_listen']),
      mtls: String(ready['mtls_listen']),
      pki: String(ready['pki_listen']),
      admin: client(ready['mtls_listen'], { certificate: read('admin-cert.pem'), key: read('admin-key.pem') }),
      as: (identity) => client(ready['mtls_listen'], identity),
      enroll: client(ready['enroll_listen']),
      end: async (signal = 'SIGINT') => {
        for (const one of clients) one.close()
        program.child.kill(signal)
        await program.ended
        // The engine ends a moment after a server that was killed.
        while (
          await fetch(store, { signal: AbortSignal.timeout(500) }).then(
            () => true,
            () => false,
          )
        )
          await new Promise((wait) => setTimeout(wait, 20))
      },
    }
  }
  const airunner = async (...argv: string[]) => {
    const child = spawn(process.execPath, [cli, ...argv], {
      env: { PATH: process.env['PATH'] ?? '', ...compileCache, HOME: folder, ...environment() },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const seen = { stdout: '', stderr: '' }
    child.stdout.on('data', (part) => (seen.stdout += part))
    child.stderr.on('data', (part) => (seen.stderr += part))
    const [code] = await once(child, 'close')
    return { code: code as number, ...seen }
  }
  const copy = (from: string, to: string) => {
    rmSync(to, { recursive: true, force: true })
    cpSync(from, to, { recursive: true })
  }
  return {
    folder,
    data,
    start,
    airunner,
    environment,
    backUp: () => copy(join(data, 'store'), join(folder, 'backup')),
    putBack: () => copy(join(folder, 'backup'), join(data, 'store')),
  }
}

const enrol = async (
  admin: Client,
  principal_id: string,
): Promise<{ identity: Identity; serial: string; issuer_id: string }> => {
  await admin.post('/v1/principals', { principal_id, type: 'worker' })
  const { key, csr_pem } = await makeRequest()
  const { body } = await admin.post('/v1/certificates', { principal_id, csr_pem })
  const { serial_number: serial, issuer_id } = body.certificate
  return { identity: identityOf(body, key), serial, issuer_id }
}

/** Writes what `airunner audit export` gives, when there is a checkpoint in it. */
const exportAudit = async ({ data }: { data: string }, { admin, mtls }: Running, path: string): Promise<void> => {
  while ((await admin.get('/v1/audit-checkpoints')).body.items.length === 0)
    await new Promise((wait) => setTimeout(wait, 200))
  const env = {
    AIRUNNER_SERVER: `https://localhost:${mtls.split(':').at(-1)}`,
    AIRUNNER_CACERT: join(data, 'ca-cert.pem'),
    AIRUNNER_CLIENT_CERT: join(data, 'admin-cert.pem'),
    AIRUNNER_CLIENT_KEY: join(data, 'admin-key.pem'),
  }
  const { code, stderr } = await runCli(['audit', 'export', '--file', path], { env: { HOME: data, ...env } })
  if (code !== 0) throw new Error(stderr)
}

const codeOf = async (client: Client): Promise<string> => {
  const { status, body } = await client.get('/v1/whoami')
  return status === 200 ? 'in' : body.code
}
const untilIn = async (client: Client): Promise<string> => {
  for (let tries = 0; tries < 600 && (await codeOf(client)) !== 'in'; tries++)
    await new Promise((wait) => setTimeout(wait, 100))
  return codeOf(client)
}
const probe = async ({ health }: Running, path: string) => {
  const answer = await fetch(`http://${health}${path}`)
  return [answer.status, await answer.text()]
}

// Each start and each command is a program of its own: slow on a machine that has other things to do. Milliseconds.
t.setTimeout(300_000)

t.test('what was revoked since a copy was made does not get in by the copy: the drill', async (t) => {
  const here = home(t)
  let server = await here.start()
  const members = ['good', 'revoked', 'compromised', 'suspended', 'deleted', 'renewed', 'barred']
  const member: Record<string, Awaited<ReturnType<typeof enrol>>> = {}
  for (const name of members) member[name] = await enrol(server.admin, name)
  const token = async (body: object) =>
    (await server.admin.post('/v1/join-tokens', { principal_type: 'worker', id_prefix: 'joined-', ...body })).body
  const [once_, ended, thrice] = [await token({}), await token({}), await token({ max_uses: 3 })]
  const join_ = async (running: Running, join_token: string) =>
    running.enroll.post('/v1/enrollments', { method: 'token', join_token, csr_pem: (await makeRequest()).csr_pem })
  t.equal((await join_(server, thrice.join_token)).status, 201)
  await server.end()
  here.backUp()
  const takenAt = new Date().toISOString()

  // Since then.
  server = await here.start()
  const { admin } = server
  const revoke = async (name: string, reason: string) =>
    admin.post(`/v1/certificates/${member[name]?.serial}/revoke`, { reason })
  const late = await enrol(admin, 'late')
  for (const answer of [
    await revoke('revoked', 'unspecified'),
    await revoke('compromised', 'key_compromise'),
    await revoke('barred', 'privilege_withdrawn'),
    await admin.post(`/v1/certificates/${late.serial}/revoke`, { reason: 'key_compromise' }),
    await admin.post('/v1/principals/suspended/suspend', { reason: 'a look' }),
    await admin.call('DELETE', '/v1/principals/deleted'),
    await admin.call('DELETE', `/v1/join-tokens/${ended.join_token_id}`),
  ])
    t.equal(answer.status, 200, JSON.stringify(answer.body))
  t.equal((await join_(server, once_.join_token)).status, 201)
  t.equal((await join_(server, thrice.join_token)).status, 201)
  const next = await makeRequest()
  const renewal = await server
    .as(member['renewed']?.identity as Identity)
    .post('/v1/renewals', { csr_pem: next.csr_pem })
  t.equal(renewal.status, 201, JSON.stringify(renewal.body))
  t.equal(await codeOf(server.as(identityOf(renewal.body, next.key))), 'in')
  // As an operator does it, once a checkpoint vouches for something.
  const file = join(here.folder, 'audit.jsonl')
  await exportAudit(here, server, file)
  await server.end()
  here.putBack()

  // Held: nobody gets in, admins included, and nobody joins; the orchestrator kills nothing.
  server = await here.start()
  await server.program.event('admission_held', ({ why }) => why === 'tables_older')
  for (const who of [server.admin, ...members.map((name) => server.as(member[name]?.identity as Identity))])
    t.equal(await codeOf(who), 'store_unavailable')
  t.match(await join_(server, thrice.join_token), { status: 503, body: { code: 'store_unavailable' } })
  const { issuer_id } = late
  t.equal(
    (await fetch(`http://${server.pki}/pki/issuers/${issuer_id}.crl`)).status,
    503,
    'no list without what is lost',
  )
  t.same(await probe(server, '/health'), [200, 'ok'])
  t.same(await probe(server, '/readyz'), [503, 'store_epoch'])
  t.match(await here.airunner('restore', 'status', '-o', 'json'), { code: 0, stdout: /"tables_older"/ })

  // An export from which somebody took a revocation; then a run without effect, and the real one, while the server waits.
  const key = join(here.data, 'audit-key.pem')
  const confirmBy = (path: string) => [
    ...['restore', 'confirm', '--taken-at', takenAt, '--audit-export', path, '--audit-key', key, '-o', 'json'],
  ]
  const [altered, confirm] = [join(here.folder, 'altered.jsonl'), confirmBy(file)]
  const isRevocation = (line: string) => line.includes('"certificate.revoke"') && line.includes('"key_compromise"')
  writeFileSync(
    altered,
    readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => !isRevocation(line))
      .join('\n'),
  )
  t.match(await here.airunner(...confirmBy(altered), '-y'), { code: 1, stderr: /does not hold/ })
  // Without the key: another plane's, whose events from long before are not in these tables; then this one's.
  const elsewhere = join(here.folder, 'elsewhere.jsonl')
  const aged = readFileSync(file, 'utf8').replace(/"at":"\d{4}/g, '"at":"2020')
  const unproved = ['restore', 'confirm', '--taken-at', takenAt, '--audit-export', elsewhere, '--dry-run']
  writeFileSync(elsewhere, aged.replace(/"event_id":"[0-9a-f]{4}/g, '"event_id":"0123'))
  t.match(await here.airunner(...unproved), { code: 6, stderr: /elsewhere.jsonl is of other tables\nWhy: None of the/ })
  writeFileSync(elsewhere, aged)
  t.match(await here.airunner(...unproved), { code: 0, stderr: /Nothing was changed/ })
  const dry = await here.airunner(...confirm, '--dry-run')
  t.match(dry, { code: 0, stderr: /Proved by the audit key to .*Nothing was changed/s }, dry.stderr)
  t.equal(await codeOf(server.admin), 'store_unavailable', 'a dry run lets nobody in')
  const confirmed = await here.airunner(...confirm, '-y')
  t.equal(confirmed.code, 0, confirmed.stderr)
  const report = JSON.parse(confirmed.stdout)
  t.match(report, {
    certificates_revoked: 4,
    unregistered_listed: 1,
    certificates_superseded: 1,
    principals_suspended: 1,
    principals_deleted: 1,
    principals_barred: 2,
    join_tokens_revoked: 1,
    join_tokens_recounted: 2,
  })
  t.match(report.by_hand.join('\n'), /4 certificates were issued after the restore point/)

  t.equal(await untilIn(server.admin), 'in')
  const now = Object.fromEntries(
    await Promise.all(members.map(async (name) => [name, await codeOf(server.as(member[name]?.identity as Identity))])),
  )
  t.same(
    now,
    {
      good: 'in',
      revoked: 'certificate_revoked',
      compromised: 'certificate_revoked',
      barred: 'certificate_revoked',
      suspended: 'principal_suspended',
      deleted: 'certificate_revoked',
      renewed: 'in',
    },
    'within its grace, what was renewed still works',
  )
  t.equal(await codeOf(server.as(late.identity)), 'certificate_unregistered')
  for (const { join_token } of [once_, ended]) t.equal((await join_(server, join_token)).status, 401)
  t.equal((await join_(server, thrice.join_token)).status, 201, 'the third of three uses')
  t.equal((await join_(server, thrice.join_token)).status, 401)
  const { body: events } = await server.admin.get('/v1/audit-events?action=restore.confirm')
  t.match(events.items, [{ actor: 'system', after: { taken_at: takenAt, certificates_revoked: 4 } }])
  t.match((await server.admin.get('/v1/principals/barred')).body, { rejoin_blocked: true })

  // The audit of the restored tables proves itself, what the restore did included.
  const after = join(here.folder, 'after.jsonl')
  await exportAudit(here, server, after)
  t.match(await runCli(['audit', 'verify', after, '--key', key], { env: {} }), { code: 0 })
  t.match(readFileSync(after, 'utf8'), /^\{"action":"restore.confirm"/m)

  // Done again, it changes nothing but the epoch; servers close for a moment at most.
  const again = JSON.parse((await here.airunner(...confirm, '-y')).stdout)
  t.match(again, { certificates_revoked: 0, principals_suspended: 0, join_tokens_recounted: 0, principals_deleted: 0 })
  t.equal(await untilIn(server.admin), 'in')

  // Killed right after the answer of a revocation: the copy is noticed all the same.
  t.equal((await revokeBy(server.admin, member['good']?.serial)).status, 200)
  await server.end('SIGKILL')
  here.putBack()
  server = await here.start()
  await server.program.event('admission_held')
  t.equal(await codeOf(server.as(member['good']?.identity as Identity)), 'store_unavailable')
  // Without an export: everybody begins anew.
  const all = await here.airunner(
    'restore',
    'confirm',
    '--taken-at',
    takenAt,
    '--revoke-issued-before',
    '-y',
    '-o',
    'json',
  )
  t.equal(all.code, 0, all.stderr)
  t.match(all.stderr, /recover-admin/)
  for (let tries = 0; tries < 600 && (await probe(server, '/readyz'))[0] !== 200; tries++)
    await new Promise((wait) => setTimeout(wait, 100))
  for (const name of members)
    t.equal(await codeOf(server.as(member[name]?.identity as Identity)), 'certificate_revoked', name)
  t.equal(await codeOf(server.admin), 'certificate_revoked')
  t.equal((await join_(server, thrice.join_token)).status, 401)
  await server.end()

  const engine = await startEmbeddedStore({ directory: join(here.data, 'store') })
  const store = openStore({
    tables: {
      principals: 'airunner_dev_principals',
      certificates: 'airunner_dev_certificates',
      control: 'airunner_dev_control',
    },
    endpoint: engine.endpoint,
    ...storeCredentials,
  })
  // What came of uses and successors after the copy is gone with it; nothing else is amiss.
  const lost = /certificates by \d uses|: use events|superseded by one never used/
  t.same(
    (await findBreaches(store)).filter((breach) => !lost.test(breach)),
    [],
  )
  store.close()
  await engine.stop()
})

const revokeBy = (admin: Client, serial = '') =>
  admin.post(`/v1/certificates/${serial}/revoke`, { reason: 'unspecified' })

t.test('what nobody restored goes on when somebody says so; what is damaged lets nobody in', async (t) => {
  const here = home(t)
  let server = await here.start()
  t.equal(await codeOf(server.admin), 'in')
  await server.end()

  for (const [name, text, why] of [
    ['lost', undefined, 'memory_lost'],
    ['not ours', '{"epoch":1}', 'memory_unreadable'],
  ] as const) {
    const path = join(here.data, 'store-epoch')
    rmSync(path)
    if (text !== undefined) writeFileSync(path, text)
    server = await here.start()
    await server.program.event('admission_held', (line) => line['why'] === why)
    t.equal(await codeOf(server.admin), 'store_unavailable', name)
    t.match(await here.airunner('restore', 'accept', '--reason', 'a drill', '-y'), { code: 0 })
    t.equal(await untilIn(server.admin), 'in', name)
    await server.end()
  }
})

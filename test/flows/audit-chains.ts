import { generateKeyPairSync } from 'node:crypto'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { noHash } from '../../src/core/audit-chain.ts'
import { findBreaches } from '../support/checker.ts'
import { makeCliHome, runCli } from '../support/cli.ts'
import { patiently } from '../support/client.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { type ServerOptions, startPlane, startServer, type TestPlane } from '../support/plane.ts'
import { layGround } from '../support/processes.ts'

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const env = { AIRUNNER_AUDIT_KEY: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
const publicPem = publicKey.export({ type: 'spki', format: 'pem' }).toString()

/** As in production, only faster. Milliseconds. */
const auditTimes: NonNullable<ServerOptions['auditTimes']> = {
  linkEvery: 50,
  heartbeatEvery: 200,
  silentFor: 1500,
  leftFor: 300,
  checkpointEvery: 400,
  watchEvery: 150,
}
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

const eventually = async (what: string, holds: () => Promise<boolean>): Promise<void> => {
  for (let tries = 0; tries < 600; tries++) {
    if (await holds()) return
    await pause(100)
  }
  throw new Error(`in 20 s it never came to this: ${what}`)
}

const create = async (plane: Pick<TestPlane, 'admin'>, id: string): Promise<void> => {
  const answer = await patiently(() => plane.admin.post('/v1/principals', { principal_id: id, type: 'worker' }))
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body))
}

/** Exports and verifies, as an operator does. */
const exporting = async (t: Test, plane: TestPlane) => {
  const { identity } = await plane.enrol('auditor', 'admin')
  const home = await makeCliHome(t, plane, identity)
  const key = join(home.directory, 'audit.pub.pem')
  writeFileSync(key, publicPem)
  const run = async (argv: string[]) => runCli(argv, { env: home.env })
  return {
    run,
    path: (name: string) => join(home.directory, name),
    export: async (name: string, ...more: string[]) => {
      const path = join(home.directory, name)
      const answer = await run(['audit', 'export', '--file', path, ...more])
      t.equal(answer.code, 0, answer.stderr)
      return { path, lines: readFileSync(path, 'utf8').trimEnd().split('\n') }
    },
    verify: async (path: string, ...more: string[]) => {
      const { code, stdout, stderr } = await run(['audit', 'verify', path, '--key', key, '-o', 'json', ...more])
      return { code, stderr, result: stdout === '' ? undefined : JSON.parse(stdout) }
    },
  }
}

t.test('two servers, one of which goes: what was done is exported, and proves itself', async (t) => {
  const plane = await startPlane(t, { env, auditTimes })
  const other = await plane.startServer({ env, auditTimes })
  const audit = await exporting(t, plane)
  const elsewhere = { admin: plane.clientOf(plane.admin.identity, other) }
  for (let i = 0; i < 20; i++) await create(i % 2 ? plane : elsewhere, `worker-${i}`)
  await create(plane, 'stränge-nämes-are-no-ids').catch(() => undefined)
  await other.stop()
  await eventually('the chain of the server that went is closed', async () => {
    const { body } = await plane.admin.get('/v1/audit-chains')
    return body.items.length > 1 && body.items.some((chain: { closed_at?: string }) => chain.closed_at !== undefined)
  })
  await pause(700)

  const { path, lines } = await audit.export('all.jsonl')
  t.equal(statSync(path).mode & 0o777, 0o600)
  const { code, result, stderr } = await audit.verify(path)
  t.equal(code, 0, stderr)
  t.match(result, { found: 0, keys_trusted: true })
  t.ok(result.events > 20 && result.checkpoints > 2, JSON.stringify(result))
  t.equal(lines.filter((line) => line.includes('"principal.create"')).length >= 20, true)

  t.comment('a part begins at a checkpoint')
  const checkpoints = lines
    .filter((line) => line.startsWith('{"checkpoint"'))
    .map((line) => JSON.parse(line).checkpoint)
  const middle = checkpoints[Math.floor(checkpoints.length / 2)]
  const part = await audit.export('part.jsonl', '--since', middle.at)
  t.match((await audit.verify(part.path)).result, { found: 0 })
  t.notOk(
    part.lines.some((line) => line.includes('"worker-0"')),
    'it has not what was before',
  )
  const early = await audit.export('early.jsonl', '--until', middle.at)
  t.match((await audit.verify(early.path)).result, { found: 0 })

  t.comment('an altered row of the table')
  const event = JSON.parse(lines.find((line) => line.includes('"principal.create"')) as string)
  const shardOf = Number.parseInt(event.event_id.slice(-2), 16) % 8
  const row = { pk: `AUDIT#${event.at.slice(0, 10)}#${shardOf}`, sk: event.event_id }
  const { store } = plane.store
  const table = plane.store.tables.control
  const item = await store.get({ TableName: table, Key: row })
  await store.put({ TableName: table, Item: { ...item, actor: 'somebody-else' } })
  const altered = await audit.verify((await audit.export('altered.jsonl', '--since', '1h')).path)
  t.equal(altered.code, 1)
  t.match(altered.stderr, new RegExp(`event ${event.event_id} of .* was altered: its hash does not fit`))

  t.comment('a row that was deleted, and one that was put in')
  await store.transact([{ Delete: { TableName: table, Key: row } }])
  const forged = event.event_id.replace(/^(.{12}).{4}/, '$17fff')
  const forgedShard = Number.parseInt(forged.slice(-2), 16) % 8
  await store.put({
    TableName: table,
    Item: { ...item, pk: `AUDIT#${event.at.slice(0, 10)}#${forgedShard}`, sk: forged, event_id: forged },
  })
  const deleted = await audit.export('deleted.jsonl', '--since', '1h')
  const missing = await audit.verify(deleted.path)
  t.match(missing.stderr, new RegExp(`event ${event.event_id} of .* is missing: the chain knows it`))
  t.match(deleted.lines.find((line) => line.includes(forged)) ?? '', /^\{"unlinked":/)
  await store.transact([
    { Delete: { TableName: table, Key: { pk: `AUDIT#${event.at.slice(0, 10)}#${forgedShard}`, sk: forged } } },
  ])
  await store.put({ TableName: table, Item: item as Record<string, unknown> })

  t.comment('files that are none')
  const unusable: [argv: string[], code: number, says: RegExp][] = [
    [['audit', 'verify', audit.path('nothing.jsonl')], 3, /there is no such file/],
    [['audit', 'verify', path, '--key', audit.path('nothing.pem')], 3, /cannot read the audit key/],
    [['audit', 'verify', path, '--key', path], 3, /holds no public key/],
    [['audit', 'verify', path, '--checkpoint', path], 3, /holds no checkpoint/],
    [['audit', 'export', '--since', '1m', '--file', audit.path('no/such/folder.jsonl')], 3, /there is no such file/],
  ]
  for (const [argv, code, says] of unusable) {
    const answer = await audit.run(argv)
    t.equal(answer.code, code, argv.join(' '))
    t.match(answer.stderr, says)
  }

  t.comment('the end cut off')
  await create(plane, 'worker-late')
  await pause(700)
  const { body } = await plane.admin.get(`/v1/audit-checkpoints?since=${new Date().toISOString()}`)
  writeFileSync(audit.path('newest.json'), JSON.stringify(body.items.at(-1)))
  const stale = await audit.verify(path, '--checkpoint', audit.path('newest.json'))
  t.equal(stale.code, 1)
  t.match(stale.stderr, /of chain [0-9a-f]{32} (is|are) missing: checkpoint \d+ of .* from outside of the file counts/)
  await plane.server.stop()
  t.same(await findBreaches(plane.store.store, Date.now(), { allLinked: true }), [])
})

t.test('a server that is killed: what it had committed and not linked is linked by another', async (t) => {
  const ground = await layGround()
  t.teardown(ground.end)
  const victim = await ground.start([], env)
  const admin = ground.clientOf(ground.admin, victim.mtls)
  // It links once a second: the last of these are in no chain when it dies.
  for (let i = 0; i < 40; i++) {
    const answer = await patiently(() => admin.post('/v1/principals', { principal_id: `worker-${i}`, type: 'worker' }))
    if (answer.status !== 201) throw new Error(JSON.stringify(answer.body))
  }
  await victim.end('SIGKILL')
  const server = await startServer(ground.store, ground.authority, { env, auditTimes })
  t.teardown(server.stop)
  // The program that laid the ground has left an event as well.
  await eventually('its chain is adopted', async () =>
    server.logged.some(({ event, events }) => event === 'audit_chains_adopted' && Number(events) > 1),
  )
  await server.stop()
  t.same(await findBreaches(ground.store.store, Date.now(), { allLinked: true }), [])
})

t.test('a store that loses answers, is slow and refuses: each event is linked exactly once', async (t) => {
  const plane = await startPlane(t, { env, auditTimes })
  const proxy = await startFaultProxy(plane.store.engine.endpoint)
  t.teardown(proxy.stop)
  const patient = { ...auditTimes, silentFor: 60_000 }
  const server = await plane.startServer({ env, auditTimes: patient, endpoint: proxy.endpoint })
  const admin = plane.clientOf(plane.admin.identity, server)
  await create({ admin }, 'before')
  proxy.decide = (operation) => {
    const chance = Math.random()
    if (operation !== 'TransactWriteItems' || chance < 0.4) return { kind: 'pass' }
    if (chance < 0.6) return { kind: 'lose-answer' }
    if (chance < 0.7) return { kind: 'slow', milliseconds: 300 }
    if (chance < 0.8) return { kind: 'throttle' }
    return chance < 0.9 ? { kind: 'conflict' } : { kind: 'refuse' }
  }
  await Promise.all(Array.from({ length: 40 }, (_, i) => create({ admin }, `worker-${i}`)))
  await pause(1000)
  proxy.decide = () => ({ kind: 'pass' })
  await pause(1500)
  await server.stop()
  await plane.server.stop()
  t.same(await findBreaches(plane.store.store, Date.now(), { allLinked: true }), [])
})

t.test('a server that was taken for dead and lives: its chain is closed, and it goes on in another', async (t) => {
  const plane = await startPlane(t, {
    env,
    auditTimes: { ...auditTimes, heartbeatEvery: 3_600_000, watchEvery: 3_600_000 },
  })
  await create(plane, 'worker-1')
  await pause(300)
  const impatient = await plane.startServer({ env, auditTimes: { ...auditTimes, silentFor: 500 } })
  await eventually('its chain is closed', async () =>
    impatient.logged.some(({ event }) => event === 'audit_chains_adopted'),
  )
  await impatient.stop()
  await create(plane, 'worker-2')
  await eventually('it has noticed', async () => plane.server.logged.some(({ event }) => event === 'audit_chain_lost'))
  await create(plane, 'worker-3')
  await pause(500)
  await plane.server.stop()
  t.same(await findBreaches(plane.store.store, Date.now(), { allLinked: true }), [])
})

t.test('a chain that cannot be read is told, and holds up neither the others nor the checkpoints', async (t) => {
  const plane = await startPlane(t, { env, auditTimes })
  const damaged = '0'.repeat(32)
  const { store } = plane.store
  await store.put({
    TableName: store.tables.control,
    Item: { pk: 'AUDITCHAINS#OPEN', sk: damaged, hash: noHash, at: 1, alive_at: 1, linked_until: Date.now() },
  })
  const other = await plane.startServer({ env, auditTimes })
  await create({ admin: plane.clientOf(plane.admin.identity, other) }, 'worker-1')
  await other.stop()
  const { logged, metrics } = plane.server
  await eventually('the other is adopted', async () => logged.some(({ event }) => event === 'audit_chains_adopted'))
  t.match(
    logged.filter(({ event }) => event === 'audit_chain_not_adopted'),
    [{ level: 'error', chain: damaged, reason: /./ }],
  )
  const text = await (await fetch(`http://${metrics}/metrics`)).text()
  t.match(text, /^airunner_audit_chain_failures_total [1-9]/m)
  t.notOk(logged.some(({ event }) => event === 'audit_checkpoint_failed'))
})

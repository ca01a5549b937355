import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { eventually, openAgentStream } from '../support/agent-stream.ts'
import { makeAuthority } from '../support/authority.ts'
import { workDirectory } from '../support/cli.ts'
import type { Identity } from '../support/client.ts'
import { startPlane, type TestPlane } from '../support/plane.ts'
import { startProgram } from '../support/program.ts'

const report = {
  version: '1.2.3',
  hostname: 'build-7.example.com',
  metadata: { rack: 'b12' },
  trust_bundle_version: '0123456789abcdef',
  certificate_expires_at: '2036-01-01T00:00:00.000Z',
}
/** A server in a process of its own. */
const startOther = async (plane: TestPlane, env: Record<string, string> = {}, flags: string[] = []) => {
  const program = startProgram(
    ['--mtls-listen', '127.0.0.1:0', '--health-listen', '127.0.0.1:0', '--hostname', 'localhost', ...flags],
    {
      ...plane.authority.env,
      AIRUNNER_PRINCIPAL_TABLE: plane.store.tables.principals,
      AIRUNNER_CERT_TABLE: plane.store.tables.certificates,
      AIRUNNER_CONTROL_TABLE: plane.store.tables.control,
      AWS_ENDPOINT_URL_DYNAMODB: plane.store.engine.endpoint,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
      ...env,
    },
  )
  const ready = await program.event('server_ready')
  const client = (identity: Identity) =>
    plane.clientOf(identity, { ...plane.server, mtls: String(ready['mtls_listen']) })
  return { ...program, client }
}
const presenceOf = async (plane: TestPlane, id: string): Promise<string> =>
  (await plane.admin.get(`/v1/agents/${id}`)).body.presence
const listed = async (plane: TestPlane, query = ''): Promise<string[]> => {
  const { body } = await plane.admin.get(`/v1/agents${query}`)
  return body.items.map((agent: { principal_id: string }) => agent.principal_id).sort()
}

t.test('an agent is online while its stream is open, and shown as gone within 5 s of its end', async (t) => {
  const plane = await startPlane(t)
  const other = await plane.startServer()
  const worker = await plane.enrol('worker-1')
  t.equal((await plane.admin.get('/v1/agents/worker-1')).status, 404)
  const stream = await openAgentStream(plane.clientOf(worker.identity, other))
  t.ok(await eventually(async () => (await presenceOf(plane, 'worker-1')) === 'online'))
  const answer = await worker.client.call('PUT', '/v1/agent/status', report)
  t.match(answer, { status: 200, body: { report_after_seconds: 25 } })
  const { body } = await plane.admin.get('/v1/agents/worker-1')
  t.match(body, {
    principal_id: 'worker-1',
    presence: 'online',
    version: '1.2.3',
    hostname: 'build-7.example.com',
    metadata: { rack: 'b12' },
    serial_number: worker.issued.certificate.serial_number,
    expires_at: worker.issued.certificate.expires_at,
    trust_bundle_version: '0123456789abcdef',
    remote_address: '127.0.0.1',
    commands: [],
  })
  const killed = performance.now()
  stream.kill()
  t.ok(await eventually(async () => (await presenceOf(plane, 'worker-1')) === 'stale'))
  t.comment(`stale ${Math.round(performance.now() - killed)} ms after the kill`)
  t.strictSame(await listed(plane, '?presence=online'), [])
  t.strictSame(await listed(plane, '?presence=stale&version=1.2.3'), ['worker-1'])
  t.strictSame(await listed(plane, '?version=9.9.9'), [])
})

t.test('stale becomes offline after 10 minutes', async (t) => {
  let shift = 0
  const plane = await startPlane(t, { clock: () => Date.now() + shift })
  const worker = await plane.enrol('worker-1')
  const stream = await openAgentStream(worker.client)
  stream.kill()
  t.ok(await eventually(async () => (await presenceOf(plane, 'worker-1')) === 'stale'))
  shift = 9.9 * 60_000
  t.equal(await presenceOf(plane, 'worker-1'), 'stale')
  shift = 10.1 * 60_000
  t.equal(await presenceOf(plane, 'worker-1'), 'offline')
})

t.test('agents of a server that is killed are shown as gone within 5 s, and as back when they are', async (t) => {
  const plane = await startPlane(t)
  const worker = await plane.enrol('worker-1')
  const doomed = await startOther(plane)
  const there = doomed.client(worker.identity)
  const stream = await openAgentStream(there)
  t.ok(await eventually(async () => (await presenceOf(plane, 'worker-1')) === 'online'))
  doomed.child.kill('SIGKILL')
  const killed = performance.now()
  await stream.closed
  t.ok(await eventually(async () => (await presenceOf(plane, 'worker-1')) === 'stale', 5500))
  const took = performance.now() - killed
  t.ok(took <= 5100, `gone ${Math.round(took)} ms after the kill`)
  await openAgentStream(worker.client)
  t.equal(await presenceOf(plane, 'worker-1'), 'online')
})

t.test('a second stream of a certificate ends the first, on the other server as well', async (t) => {
  const plane = await startPlane(t)
  const other = await plane.startServer()
  const worker = await plane.enrol('worker-1')
  const there = plane.clientOf(worker.identity, other)
  const duplicates = async () => {
    const { body } = await plane.admin.get('/v1/audit-events?action=agent.duplicate&target=worker-1')
    return body.items
  }

  const first = await openAgentStream(worker.client, 'instance-1')
  const second = await openAgentStream(worker.client, 'instance-1')
  await first.closed
  const third = await openAgentStream(there, 'instance-1')
  await second.closed
  t.strictSame(await duplicates(), [], 'a reconnect is no duplicate')
  t.notOk(second.of('reconnect').length)

  const thief = await openAgentStream(worker.client, 'instance-2')
  await third.closed
  t.ok(third.of('reconnect')[0], 'the one that had it is told to stay away a while')
  t.ok(await eventually(async () => (await duplicates()).length === 1))
  t.match(await duplicates(), [
    {
      actor: 'worker-1',
      target: 'worker-1',
      before: { instance: 'instance-1' },
      after: { instance: 'instance-2', serial_number: worker.issued.certificate.serial_number },
    },
  ])
  await new Promise((resolve) => setTimeout(resolve, 600))
  t.notOk(thief.socket.destroyed, 'the last one stays')
  t.equal(await presenceOf(plane, 'worker-1'), 'online')
})

t.test('another certificate of the principal has a stream of its own', async (t) => {
  const plane = await startPlane(t)
  const worker = await plane.enrol('worker-1')
  const renewed = await plane.issue('worker-1')
  const first = await openAgentStream(worker.client)
  const second = await openAgentStream(renewed.client)
  first.kill()
  await new Promise((resolve) => setTimeout(resolve, 300))
  t.notOk(second.socket.destroyed)
  const { body } = await plane.admin.get('/v1/agents/worker-1')
  t.match(body, { presence: 'online', serial_number: renewed.issued.certificate.serial_number })
})

t.test('an agent that is connected and says nothing is stale, and online when it speaks again', async (t) => {
  let shift = 0
  const plane = await startPlane(t, { clock: () => Date.now() + shift })
  const worker = await plane.enrol('worker-1')
  const stream = await openAgentStream(worker.client)
  await worker.client.call('PUT', '/v1/agent/status', report)
  // The server's clock goes on to 5 s before the end of its patience, and its lease is renewed.
  shift = 45_000
  t.ok(await eventually(async () => (await presenceOf(plane, 'worker-1')) === 'online'))
  t.ok(await eventually(async () => (await presenceOf(plane, 'worker-1')) === 'stale'), 'a minute after its last word')
  t.notOk(stream.socket.destroyed)
  t.equal((await worker.client.call('PUT', '/v1/agent/status', report)).status, 200)
  t.equal(await presenceOf(plane, 'worker-1'), 'online')
})

t.test('reports to another server than the one that holds the stream count as well', async (t) => {
  let shift = 0
  const clock = () => Date.now() + shift
  const plane = await startPlane(t, { clock })
  const other = await plane.startServer({ clock })
  const worker = await plane.enrol('worker-1')
  await openAgentStream(worker.client)
  const there = plane.clientOf(worker.identity, other)
  for (let times = 0; times < 3; times++) {
    shift += 30_000
    t.equal((await there.call('PUT', '/v1/agent/status', report)).status, 200)
  }
  await new Promise((resolve) => setTimeout(resolve, 5500))
  t.equal(await presenceOf(plane, 'worker-1'), 'online')
})

t.test('reports without news are not written', async (t) => {
  const plane = await startPlane(t)
  const worker = await plane.enrol('worker-1')
  await openAgentStream(worker.client)
  const put = async (body: object) => t.equal((await worker.client.call('PUT', '/v1/agent/status', body)).status, 200)
  const written = async (): Promise<number> => {
    const text = await (await fetch(`http://${plane.server.metrics}/metrics`)).text()
    return Number(/airunner_store_requests_total\{operation="update",outcome="ok"\} (\d+)/.exec(text)?.[1] ?? 0)
  }
  await put(report)
  const before = await written()
  for (let times = 0; times < 10; times++) await put(report)
  t.equal(await written(), before)
  await put({ ...report, hostname: 'other' })
  t.equal(await written(), before + 1)
})

t.test('lists page through all agents', async (t) => {
  const plane = await startPlane(t)
  const names = Array.from({ length: 12 }, (_, i) => `worker-${i}`)
  for (const name of names) await openAgentStream((await plane.enrol(name)).client)
  const found: string[] = []
  let token = ''
  for (let pages = 0; pages < 10; pages++) {
    const { body } = await plane.admin.get(`/v1/agents?limit=5${token}`)
    found.push(...body.items.map((agent: { principal_id: string }) => agent.principal_id))
    if (body.next_page_token === undefined) break
    token = `&page_token=${body.next_page_token}`
  }
  t.strictSame(found.sort(), names.sort())
  const { body } = await plane.admin.get('/v1/agents?limit=5')
  const answer = await plane.admin.get(`/v1/agents?limit=5&presence=online&page_token=${body.next_page_token}`)
  t.equal(answer.body.code, 'page_token_mismatch')
})

t.test('renewal times are spread over certificates of one age, and the same everywhere', async (t) => {
  const plane = await startPlane(t)
  const members = []
  for (let i = 0; i < 8; i++) members.push(await plane.enrol(`worker-${i}`))
  const starts = members.map(({ issued }) => {
    const from = Date.parse(issued.certificate.issued_at)
    return (Date.parse(issued.renew_after) - from) / (Date.parse(issued.certificate.expires_at) - from)
  })
  for (const start of starts) t.ok(start >= 0.6 && start <= 0.7, `${start}`)
  t.ok(Math.max(...starts) - Math.min(...starts) > 0.01, 'not all together')
  const [member] = members
  if (member === undefined) return
  const stream = await openAgentStream(member.client)
  const { renew_after, renew_before } = await stream.event('snapshot')
  const answer = await member.client.call('PUT', '/v1/agent/status', report)
  const { issued } = member
  t.strictSame([renew_after, renew_before], [issued.renew_after, issued.renew_before])
  t.strictSame([answer.body.renew_after, answer.body.renew_before], [issued.renew_after, issued.renew_before])
})

t.test('agents are told when the trust bundle has changed', async (t) => {
  const plane = await startPlane(t)
  const file = join(await workDirectory(t), 'ca.pem')
  await writeFile(file, plane.authority.root_pem)
  const { AIRUNNER_CA_CERT: _inline, ...others } = plane.authority.env
  const server = await startOther(
    { ...plane, authority: { ...plane.authority, env: others as never } },
    { AIRUNNER_CA_CERT_FILE: file },
  )
  t.teardown(() => void server.child.kill('SIGKILL'))
  const worker = await plane.enrol('worker-1')
  const client = server.client(worker.identity)
  const stream = await openAgentStream(client)
  const before = (await stream.event('snapshot')).trust_bundle_version
  await writeFile(file, plane.authority.root_pem + (await makeAuthority()).root_pem)
  server.child.kill('SIGHUP')
  const { trust_bundle_version } = await stream.event('trust_changed')
  t.not(trust_bundle_version, before)
  t.equal((await client.get('/v1/trust-bundle')).body.version, trust_bundle_version)
})

t.test('a server that stops sends its agents away one after the other, and they are shown as gone', async (t) => {
  const plane = await startPlane(t)
  const server = await startOther(plane, {}, ['--drain-delay', '2s', '--shutdown-grace', '6s'])
  const streams = []
  for (let i = 0; i < 12; i++)
    streams.push(await openAgentStream(server.client((await plane.enrol(`worker-${i}`)).identity)))
  const endedAt: number[] = []
  const all = streams.map((stream) => stream.closed.then(() => endedAt.push(performance.now())))
  server.child.kill('SIGTERM')
  await Promise.all(all)
  t.equal((await server.ended).code, 0)
  for (const stream of streams) t.match(stream.of('reconnect'), [{ after_seconds: Number }])
  t.ok((endedAt.at(-1) ?? 0) - (endedAt[0] ?? 0) > 500, 'not all at once')
  t.ok(await eventually(async () => (await listed(plane, '?presence=stale')).length === 12, 1000))
})

t.test('holders of an issuer’s certificates can be asked to renew', async (t) => {
  const plane = await startPlane(t)
  const worker = await plane.enrol('worker-1')
  const stream = await openAgentStream(worker.client)
  plane.server.plane.askToRenew(worker.issued.certificate.issuer_id, 60_000)
  const { renew_after, renew_before } = await stream.event('renew')
  t.equal(Date.parse(renew_before) - Date.parse(renew_after), 60_000)
})

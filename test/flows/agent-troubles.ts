import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { fileError, systemDisk } from '../../src/client/files.ts'
import { serialOf } from '../../src/client/identity.ts'
import { day, minute } from '../../src/core/time.ts'
import {
  agentOptions,
  makeShiftedClock,
  makeStateDirectory,
  patiently,
  readKept,
  startAgent,
  worldOf,
} from '../support/agent.ts'
import { startBalancer } from '../support/balancer.ts'
import { identityOf, makeRequest } from '../support/client.ts'
import { disturbedDisk } from '../support/crash.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { startPlane } from '../support/plane.ts'

for (const [what, code] of [
  ['a full disk', 'ENOSPC'],
  ['a read-only state directory', 'EROFS'],
] as const)
  t.test(`${what}: the agent says so, keeps running on what it has, and renews when it can write again`, async (t) => {
    const clock = makeShiftedClock()
    const plane = await startPlane(t, { clock: clock.now })
    const { identity, issued } = await patiently(() => plane.enrol('worker-1', 'worker', 300))
    const directory = await makeStateDirectory(t, plane, identity)
    let broken = false
    const disk = disturbedDisk(systemDisk, async (_count, name, act) => {
      if (broken) throw fileError(`cannot ${name}`, Object.assign(new Error(code), { code }))
      await act()
    })
    const agent = startAgent(t, agentOptions(plane.server, directory), { now: clock.now, disk })
    await agent.event('stream_connected')
    broken = true
    clock.forward(4 * minute)
    const failed = await agent.event('identity_failed')
    t.match(failed['why'], code === 'ENOSPC' ? /the disk is full/ : /read-only/)
    const { body } = await plane.admin.get('/v1/certificates?principal_id=worker-1')
    t.equal(body.items.length, 1, 'nothing is asked for that could not be kept')
    await agent.event('stream_connected', ({ at }) => Date.parse(at) > clock.now() - minute)
    const sent = await plane.admin.post('/v1/agents/worker-1/commands', { command: 'reconnect' })
    t.equal(sent.status, 201)
    await agent.event('command_refused')
    broken = false
    const renewed = await agent.event('certificate_renewed')
    t.not(renewed['serial_number'], issued.certificate.serial_number)
    t.equal(serialOf(await readKept(directory)), renewed['serial_number'])
    await agent.stop()
    const commands = await plane.admin.get('/v1/agents/worker-1/commands')
    t.match(commands.body.items, [{ state: 'failed', outcome: /not acted on/ }])
  })

t.test('started on a directory that cannot be written, it lives on what it has', async (t) => {
  const plane = await startPlane(t)
  const { identity } = await patiently(() => plane.enrol('worker-1'))
  const directory = await makeStateDirectory(t, plane, identity)
  const disk = disturbedDisk(systemDisk, async (_count, name) => {
    throw fileError(`cannot ${name}`, Object.assign(new Error('EROFS'), { code: 'EROFS' }))
  })
  const agent = startAgent(t, agentOptions(plane.server, directory), { disk })
  t.match(await agent.event('state_problem'), { why: /read-only/ })
  await agent.event('let_in')
  await agent.event('stream_connected')
  t.same(readdirSync(directory).sort(), ['agent.lock', 'identity.pem'])
})

const jumps: [what: string, shift: number][] = [
  ['a day ahead', day],
  ['a day back', -day],
]
for (const [what, shift] of jumps)
  t.test(`the clock of the machine is set ${what}: it is noticed at once, and the renewal comes in time`, async (t) => {
    const server = makeShiftedClock()
    const plane = await startPlane(t, { clock: server.now })
    const { identity, issued } = await patiently(() => plane.enrol('worker-1', 'worker', 300))
    const directory = await makeStateDirectory(t, plane, identity)
    let wrong = 0
    const world = worldOf(() => server.now() + wrong)
    let passed = 0
    world.monotonic = () => performance.now() + passed
    const agent = startAgent(t, agentOptions(plane.server, directory), { world, serverTime: server.now })
    await agent.event('let_in')
    wrong = shift
    await agent.event('clock_jumped')
    await agent.event('let_in', () => agent.events('let_in').length > 1)
    await sleep(200)
    t.same(agent.events('certificate_renewed'), [], 'by the server’s clock it is too early')
    // Four minutes of real time, by every clock.
    server.forward(4 * minute)
    passed += 4 * minute
    const renewed = await agent.event('certificate_renewed')
    t.not(renewed['serial_number'], issued.certificate.serial_number)
    t.same(agent.events('certificate_ended'), [])
    await sleep(300)
    t.equal(agent.events('certificate_renewed').length, 1)
  })

t.test('a clock that is wrong and that nothing corrects does not make it renew without end', async (t) => {
  const plane = await startPlane(t)
  const { identity } = await patiently(() => plane.enrol('worker-1', 'worker', 300))
  const directory = await makeStateDirectory(t, plane, identity)
  const now = () => Date.now() + day
  const agent = startAgent(t, agentOptions(plane.server, directory), { now, serverTime: () => undefined })
  await agent.event('certificate_renewed')
  await sleep(1500)
  t.equal(agent.events('certificate_renewed').length, 1)
  t.same(agent.events('shut_out'), [])
})

t.test('the machine sleeps through its renewal: awake, it renews at once', async (t) => {
  const clock = makeShiftedClock()
  const plane = await startPlane(t, { clock: clock.now })
  const { identity } = await patiently(() => plane.enrol('worker-1', 'worker', 300))
  const directory = await makeStateDirectory(t, plane, identity)
  const agent = startAgent(t, agentOptions(plane.server, directory), { now: clock.now })
  await agent.event('stream_connected')
  clock.forward(4.8 * minute)
  const started = performance.now()
  await agent.event('certificate_renewed')
  t.ok(performance.now() - started < 30_000)
})

t.test('a server that has no store for a while: the agent keeps to Retry-After and renews', async (t) => {
  const clock = makeShiftedClock()
  const plane = await startPlane(t)
  const proxy = await startFaultProxy(plane.store.engine.endpoint)
  t.teardown(proxy.stop)
  const server = await plane.startServer({ clock: clock.now, endpoint: proxy.endpoint })
  const { identity } = await patiently(() => plane.enrol('worker-1', 'worker', 300))
  const directory = await makeStateDirectory(t, plane, identity)
  const agent = startAgent(t, { ...agentOptions(server, directory), timeout: 15_000 }, { now: clock.now })
  await agent.event('let_in')
  proxy.decide = (operation) => ({ kind: operation === 'TransactWriteItems' ? 'refuse' : 'pass' })
  clock.forward(4 * minute)
  const failed = await agent.event('identity_failed')
  t.match(failed['why'], /store_unavailable|overloaded/)
  t.ok(failed['again_in_seconds'] >= 1, 'Retry-After is kept to')
  proxy.decide = () => ({ kind: 'pass' })
  await agent.event('certificate_renewed')
})

t.test('a successor that was revoked before its first use is forgotten, and another one comes', async (t) => {
  const clock = makeShiftedClock()
  const plane = await startPlane(t, { clock: clock.now })
  const { identity } = await patiently(() => plane.enrol('worker-1', 'worker', 300))
  const directory = await makeStateDirectory(t, plane, identity)
  const balancer = await startBalancer(t, [plane.server.mtls])
  let first: string | undefined
  const agent = startAgent(t, agentOptions({ ...plane.server, mtls: balancer.address }, directory), {
    now: clock.now,
    onStep: (step) => {
      // The way to the server breaks right before the successor is used.
      if (step === 'received' && first === undefined) {
        first = 'waiting'
        balancer.targets = []
        balancer.cut()
      }
    },
  })
  await agent.event('stream_connected')
  clock.forward(4 * minute)
  await agent.event('identity_failed')
  first = serialOf(await readKept(directory, 'identity.next.pem'))
  await plane.admin.post(`/v1/certificates/${first}/revoke`, { reason: 'unspecified' })
  balancer.targets = [plane.server.mtls]
  const renewed = await agent.event('certificate_renewed')
  t.not(renewed['serial_number'], first)
  t.equal(serialOf(await readKept(directory)), renewed['serial_number'])
  t.notOk(readdirSync(directory).includes('identity.next.pem'))
})

t.test('two daemons over one directory: the second one is refused', async (t) => {
  const plane = await startPlane(t)
  const { identity } = await patiently(() => plane.enrol('worker-1'))
  const directory = await makeStateDirectory(t, plane, identity)
  const first = startAgent(t, agentOptions(plane.server, directory))
  await first.event('let_in')
  t.match(await startAgent(t, agentOptions(plane.server, directory)).ended, { code: 6, why: /holds/ })
  await first.stop()
  t.notOk(readdirSync(directory).includes('agent.lock'))
})

t.test('a successor that somebody else holds: the agent stops, so that they do not take turns', async (t) => {
  const plane = await startPlane(t, { flags: { supersedeGrace: '0' } })
  const { identity, client } = await patiently(() => plane.enrol('worker-1'))
  const directory = await makeStateDirectory(t, plane, identity)
  const agent = startAgent(t, agentOptions(plane.server, directory))
  await agent.event('stream_connected')
  const { key, csr_pem } = await makeRequest()
  const issued = await client.post('/v1/renewals', { csr_pem })
  await plane.clientOf(identityOf(issued.body, key)).get('/v1/whoami')
  t.match(await agent.ended, { code: 4, what: /certificate_superseded/ })
})

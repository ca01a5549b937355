import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { serialOf } from '../../src/client/identity.ts'
import { minute } from '../../src/core/time.ts'
import { agentOptions, makeStateDirectory, patiently, readKept, startAgent, worldOf } from '../support/agent.ts'
import { startBalancer } from '../support/balancer.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { startPlane } from '../support/plane.ts'

/** All clocks of this test, of servers and agents, run so many times as fast as ours. */
const speed = 50
const began = Date.now()
const now = (): number => began + (Date.now() - began) * speed
/** Resolves when the fast clock has come to this minute. */
const untilMinute = (at: number) => sleep(Math.max(0, began + (at * minute) / speed - Date.now()))

t.test(
  'an hour on 5-minute certificates: restarts, outages and a bad store, and the agent is never locked out',
  async (t) => {
    const flags = { supersedeGrace: '60s' }
    const plane = await startPlane(t, { clock: now, flags })
    const proxy = await startFaultProxy(plane.store.engine.endpoint)
    t.teardown(proxy.stop)
    const other = await plane.startServer({ clock: now, flags, endpoint: proxy.endpoint })
    const balancer = await startBalancer(t, [plane.server.mtls])
    const { identity } = await patiently(() => plane.enrol('worker-1', 'worker', 300))
    const directory = await makeStateDirectory(t, plane, identity)
    const agent = startAgent(
      t,
      {
        ...agentOptions({ ...plane.server, mtls: balancer.address }, directory),
        hooks: [
          { name: 'note', kind: 'exec', command: `echo "$AIRUNNER_SERIAL_NUMBER" >> ${join(directory, 'changes')}` },
        ],
        timeout: 1500,
      },
      { now, world: worldOf(now, speed) },
    )
    await agent.event('stream_connected')
    const renewedBy = (at: number) =>
      agent.events('certificate_renewed').filter((line) => Date.parse(line['at']) <= began + at * minute)

    await untilMinute(9)
    t.ok(renewedBy(9).length >= 1, 'renewed in quiet times')
    // One server goes, another takes over.
    balancer.targets = [other.mtls]
    balancer.cut()
    await untilMinute(18)
    t.ok(
      agent.events('certificate_renewed').some(({ at }) => Date.parse(at) > began + 10 * minute),
      'renewed by the other server',
    )

    // Nobody is there for longer than the window in which it wants to renew.
    const before = agent.events('certificate_renewed').length
    await agent.event(
      'certificate_renewed',
      ({ at }) => agent.events('certificate_renewed').length > before || Date.parse(at) > began + 18 * minute,
    )
    balancer.targets = []
    balancer.cut()
    await sleep((4.2 * minute) / speed)
    t.ok(agent.events('identity_failed').length > 0, 'it tries in vain')
    balancer.targets = [plane.server.mtls, other.mtls]
    await agent.event('certificate_renewed', ({ at }) => Date.parse(at) > now() - minute)
    t.pass('renewed in the rest of its life')

    // A store that loses answers, throttles and refuses.
    await untilMinute(30)
    balancer.targets = [other.mtls]
    balancer.cut()
    const faults = ['lose-answer', 'throttle', 'refuse', 'conflict'] as const
    let count = 0
    proxy.decide = (operation) =>
      operation === 'TransactWriteItems' && ++count % 3 !== 0
        ? { kind: faults[count % faults.length] ?? 'pass' }
        : { kind: 'pass' }
    await untilMinute(44)
    proxy.decide = () => ({ kind: 'pass' })
    balancer.targets = [plane.server.mtls, other.mtls]
    t.ok(
      agent.events('certificate_renewed').some(({ at }) => Date.parse(at) > began + 31 * minute),
      'renewed with a bad store',
    )

    await untilMinute(60)
    t.same(agent.events('shut_out'), [])
    t.same(agent.events('certificate_ended'), [])
    const kept = await readKept(directory)
    const answer = await plane.clientOf({ certificate: kept.chainPem, key: kept.keyPem }).get('/v1/whoami')
    t.equal(answer.status, 200)
    t.equal(answer.body.certificate.serial_number, serialOf(kept))
    await agent.stop()

    // Once per change, and for every change.
    const noted = readFileSync(join(directory, 'changes'), 'utf8').trim().split('\n')
    t.equal(new Set(noted).size, noted.length, 'no hook ran twice for a change')
    const changes = [...agent.events('certificate_renewed'), ...agent.events('renewal_finished')].map(
      (line) => line['serial_number'],
    )
    t.same(new Set(noted), new Set(changes))
    t.ok(changes.length >= 13, `${changes.length} renewals`)
    const owned = await plane.admin.get('/v1/certificates?principal_id=worker-1&status=active&limit=100')
    t.ok(owned.body.items.length <= 3, 'and no pile of certificates is left')
    t.comment(`${changes.length} renewals, ${agent.events('identity_failed').length} failed tries`)
  },
)

import t from 'tap'
import { makeLook } from '../../src/cli/audit-tail.ts'
import { CliError } from '../../src/cli/errors.ts'
import type { AuditEvent } from '../../src/wire/audit-events.ts'
import { makeCliHome, runCli } from '../support/cli.ts'
import { startPlane } from '../support/plane.ts'

const base = Date.parse('2026-11-01T00:00:00Z')
const event = (id: string, seconds: number): AuditEvent => ({
  event_id: id,
  at: new Date(base + seconds * 1000).toISOString(),
  actor: 'ops',
  action: 'principal.create',
  target: id,
  outcome: 'success',
  request_id: 'r',
  remote_address: '127.0.0.1',
})

t.test('nothing twice and nothing lost, though commits finish out of order', async (t) => {
  const stored: AuditEvent[] = []
  const asked: string[] = []
  async function* read(since: string) {
    asked.push(since)
    yield* stored.filter(({ at }) => at >= since).sort((one, other) => (one.at < other.at ? 1 : -1))
  }
  const look = makeLook(read, base)
  const ids = async () => (await look()).map(({ event_id }) => event_id)
  t.same(await ids(), [])
  stored.push(event('b', 5), event('a', 4))
  t.same(await ids(), ['a', 'b'], 'oldest first')
  t.same(await ids(), [])
  stored.push(event('d', 60), event('late', 52))
  t.same(await ids(), ['late', 'd'])
  stored.push(event('later', 46))
  t.same(await ids(), ['later'], 'committed 14 s late')
  t.same(await ids(), [])
  t.equal(asked.at(-1), new Date(base + 45_000).toISOString(), 'each look goes back 15 s')
})

t.test('a look that fails in the middle shows nothing, and the next one all of it', async (t) => {
  let broken = true
  async function* read() {
    yield event('a', 1)
    if (broken) throw new Error('lost')
    yield event('b', 2)
  }
  const look = makeLook(read, base)
  await t.rejects(look())
  broken = false
  t.same(
    (await look()).map(({ event_id }) => event_id),
    ['a', 'b'],
  )
})

t.test('audit tail shows what is done from now on, until it is interrupted', async (t) => {
  const plane = await startPlane(t)
  const { identity } = await plane.enrol('ops', 'admin')
  const home = await makeCliHome(t, plane, identity)
  let acted = false
  const { code, stdout, stderr } = await runCli(['audit', 'tail', '-o', 'wide'], {
    env: home.env,
    onStdout: (text, stop) => {
      if (!acted) {
        acted = true
        // The second of the server's clock in which the tail began is over.
        setTimeout(() => void plane.admin.post('/v1/principals', { principal_id: 'fresh', type: 'worker' }), 1000)
      }
      if (text.includes('fresh')) stop(new CliError(130, ''))
    },
  })
  t.equal(code, 130)
  t.equal(stderr, '')
  t.match(stdout, /^AT .*\n(.*\n)*.*admin-test +principal\.create +fresh +success/)
  t.equal(stdout.match(/fresh/g)?.length, 1)
})

t.test('--since begins with what was done before; a line of JSON each', async (t) => {
  const plane = await startPlane(t)
  const { identity } = await plane.enrol('ops', 'admin')
  const home = await makeCliHome(t, plane, identity)
  const { code, stdout } = await runCli(['audit', 'tail', '--since', '1h', '--target', 'ops', '-o', 'json'], {
    env: home.env,
    onStdout: (_text, stop) => stop(new CliError(130, '')),
  })
  t.equal(code, 130)
  t.equal(JSON.parse(stdout.split('\n')[0] as string).target, 'ops')
})

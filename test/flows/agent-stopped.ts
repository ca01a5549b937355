import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { serialOf } from '../../src/client/identity.ts'
import { second } from '../../src/core/time.ts'
import { makeStateDirectory, patiently, readKept } from '../support/agent.ts'
import { startAgentProgram } from '../support/agent-program.ts'
import { eventually } from '../support/agent-stream.ts'
import { workDirectory } from '../support/cli.ts'
import { makeJoiner } from '../support/joining.ts'
import { startPlane, type TestPlane } from '../support/plane.ts'

const urlOf = (listen: string): string => `https://localhost:${listen.split(':').at(-1)}`
const presenceOf = async (plane: TestPlane, id: string): Promise<string> =>
  (await plane.admin.get(`/v1/agents/${id}`)).body.presence

t.test(
  'an agent that is killed with kill -9 is shown as gone within 5 s on the other server, and as back',
  async (t) => {
    const plane = await startPlane(t)
    const other = await plane.startServer()
    const { identity } = await patiently(() => plane.enrol('worker-1'))
    const directory = await makeStateDirectory(t, plane, identity)
    const args = ['--server', urlOf(other.mtls), '--state-dir', directory]
    const agent = startAgentProgram(t, args)
    await agent.event('stream_connected')
    t.ok(await eventually(async () => (await presenceOf(plane, 'worker-1')) === 'online'))
    agent.child.kill('SIGKILL')
    t.ok(await eventually(async () => (await presenceOf(plane, 'worker-1')) === 'stale'))
    await agent.ended
    await startAgentProgram(t, args).event('stream_connected')
    t.ok(await eventually(async () => (await presenceOf(plane, 'worker-1')) === 'online'))
  },
)

t.test('stopped by SIGSTOP until its certificate has expired, it comes back by itself', async (t) => {
  // The servers are behind, so that certificates of 5 minutes, the shortest, have little left; and then as late as we are.
  let behind = 285 * second
  const plane = await startPlane(t, { clock: () => Date.now() - behind })
  const joiner = makeJoiner(plane)
  t.teardown(joiner.client.close)
  const { join_token } = await joiner.createToken({
    principal_id: 'worker-1',
    rejoin: true,
    max_uses: 5,
    validity_seconds: 300,
  })
  const directory = await workDirectory(t)
  const file = (name: string, text: string) => {
    writeFileSync(join(directory, name), text)
    return join(directory, name)
  }
  const out = join(directory, 'state')
  const agent = startAgentProgram(t, [
    ...['--server', urlOf(plane.server.mtls), '--enroll-server', urlOf(plane.server.enroll), '--state-dir', out],
    ...['--token-file', file('token', join_token), '--cacert', file('ca.pem', plane.authority.root_pem)],
  ])
  await agent.event('joined')
  await agent.event('stream_connected')
  agent.child.kill('SIGSTOP')
  const stopped = await readKept(out)
  const expires = Date.parse(stopped.certificate.validTo)
  t.ok(expires > Date.now(), 'it was stopped with time left')
  await sleep(expires - Date.now() + second)
  behind = 0
  agent.child.kill('SIGCONT')
  const continued = performance.now()
  t.match(await agent.event('rejoined'), { principal_id: 'worker-1' })
  t.ok(performance.now() - continued < 60_000, 'soon')
  t.ok(await eventually(async () => (await presenceOf(plane, 'worker-1')) === 'online'))
  t.not(serialOf(await readKept(out)), serialOf(stopped))
  t.match((await plane.admin.get('/v1/principals/worker-1')).body, { rejoins: 1, active_certificates: 1 })
  t.equal(agent.child.exitCode, null)
})

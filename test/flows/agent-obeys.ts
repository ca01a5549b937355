import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { serialOf } from '../../src/client/identity.ts'
import { versionOf } from '../../src/client/roots.ts'
import { second } from '../../src/core/time.ts'
import type { Command } from '../../src/wire/commands.ts'
import { type AgentLine, agentOptions, makeStateDirectory, patiently, readKept, startAgent } from '../support/agent.ts'
import { makeAuthority } from '../support/authority.ts'
import { startBalancer } from '../support/balancer.ts'
import { findBreaches } from '../support/checker.ts'
import { startPlane, type TestPlane } from '../support/plane.ts'

const prepare = async (t: Test, flags: Record<string, string> = {}) => {
  const plane = await startPlane(t, { flags })
  const { identity, issued } = await patiently(() => plane.enrol('worker-1'))
  const directory = await makeStateDirectory(t, plane, identity)
  return { plane, directory, serial: issued.certificate.serial_number }
}

const send = (plane: TestPlane, body: Record<string, unknown>): Promise<Command> =>
  patiently(async () => {
    const answer = await plane.admin.post('/v1/agents/worker-1/commands', body)
    if (answer.status !== 201) throw new Error(JSON.stringify(answer.body))
    return answer.body
  })

/** A command once it has ended, or what it is after so long. */
const ended = async (plane: TestPlane, { command_id }: Command, milliseconds = 60_000): Promise<Command> => {
  for (const until = Date.now() + milliseconds; ; await new Promise((resolve) => setTimeout(resolve, 100))) {
    const { body } = await plane.admin.get('/v1/agents/worker-1/commands')
    const found = body.items?.find((one: Command) => one.command_id === command_id)
    if (found?.state === 'succeeded' || found?.state === 'failed' || Date.now() > until) return found
  }
}

t.test('an agent obeys: renew, run_hook, reload_trust, reconnect, and reports what came of it', async (t) => {
  const { plane, directory, serial } = await prepare(t)
  const agent = startAgent(t, {
    ...agentOptions(plane.server, directory),
    metadata: { rack: 'b12' },
    hooks: [
      { name: 'good', kind: 'exec', command: `echo "for $AIRUNNER_PRINCIPAL_ID"; echo x >> ${join(directory, 'ran')}` },
      { name: 'bad', kind: 'exec', command: 'echo no >&2; exit 7' },
    ],
  })
  await agent.event('stream_connected')
  const renewed = await ended(plane, await send(plane, { command: 'renew' }))
  const kept = await readKept(directory)
  t.not(serialOf(kept), serial)
  t.match(renewed, { state: 'succeeded', outcome: `serial number ${serialOf(kept)}` })
  await agent.event('hook_failed')
  t.equal(readFileSync(join(directory, 'ran'), 'utf8'), 'x\n', 'once for the change')

  const good = await ended(plane, await send(plane, { command: 'run_hook', hook_name: 'good' }))
  t.match(good, { state: 'succeeded', outcome: 'for worker-1\n' })
  t.equal(readFileSync(join(directory, 'ran'), 'utf8'), 'x\nx\n')
  const bad = await ended(plane, await send(plane, { command: 'run_hook', hook_name: 'bad' }))
  t.match(bad, { state: 'failed', outcome: /exit code 7\nno/ })
  const unknown = await ended(plane, await send(plane, { command: 'run_hook', hook_name: 'sh' }))
  t.match(unknown, { state: 'failed', outcome: /names no hook sh/ })

  const trust = await ended(plane, await send(plane, { command: 'reload_trust' }))
  t.match(trust, { state: 'succeeded', outcome: `trust bundle ${versionOf(plane.authority.root_pem)}` })
  const connections = agent.events('stream_connected').length
  t.match(await ended(plane, await send(plane, { command: 'reconnect' })), { state: 'succeeded' })
  t.ok(agent.events('stream_connected').length > connections)

  const { body } = await plane.admin.get('/v1/agents/worker-1')
  t.match(body, {
    presence: 'online',
    version: '0.0.0-test',
    metadata: { rack: 'b12' },
    serial_number: serialOf(kept),
    trust_bundle_version: versionOf(plane.authority.root_pem),
  })
  t.match(body.hooks.map(({ name, state }: { name: string; state: string }) => [name, state]).sort(), [
    ['bad', 'failed'],
    ['good', 'succeeded'],
  ])
  await agent.stop()
  t.strictSame(await findBreaches(plane.store.store), [])
})

t.test('leave: the result is told, the certificate is revoked, and the agent ends with 0', async (t) => {
  const { plane, directory, serial } = await prepare(t)
  const agent = startAgent(t, agentOptions(plane.server, directory))
  await agent.event('stream_connected')
  const command = await send(plane, { command: 'leave' })
  t.match(await agent.ended, { code: 0 })
  t.match(await ended(plane, command), { state: 'succeeded' })
  const { body } = await plane.admin.get(`/v1/certificates/${serial}`)
  t.match(body, { status: 'revoked', revocation_reason: 'cessation_of_operation' })
})

t.test('killed in the middle of a command: it is not done again, and reported as interrupted', async (t) => {
  const { plane, directory } = await prepare(t)
  const ran = join(directory, 'ran')
  const options = {
    ...agentOptions(plane.server, directory),
    hooks: [{ name: 'slow', kind: 'exec' as const, command: `echo x >> ${ran}; sleep 3` }],
  }
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, '../support/agent-child.ts'), JSON.stringify({ options, shift: 0 })],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  const lines: AgentLine[] = []
  child.stderr.on('data', (chunk) => {
    for (const line of String(chunk).split('\n').filter(Boolean)) lines.push(JSON.parse(line))
  })
  while (!lines.some(({ event }) => event === 'stream_connected')) await once(child.stderr, 'data')
  const command = await send(plane, { command: 'run_hook', hook_name: 'slow' })
  while (!existsSync(ran)) await new Promise((resolve) => setTimeout(resolve, 20))
  child.kill('SIGKILL')
  await once(child, 'close')
  const agent = startAgent(t, options)
  t.match(await ended(plane, command), { state: 'failed', outcome: 'interrupted' })
  t.equal(readFileSync(ran, 'utf8'), 'x\n')
  await agent.stop()
})

t.test('a new root: agents learn it, use it once, acknowledge it, and hooks are told', async (t) => {
  const { plane, directory } = await prepare(t)
  const { root_pem: newRoot } = await makeAuthority()
  const both = `${plane.authority.root_pem}${newRoot}`
  const balancer = await startBalancer(t, [plane.server.mtls])
  const agent = startAgent(t, {
    ...agentOptions({ ...plane.server, mtls: balancer.address }, directory),
    hooks: [
      { name: 'note', kind: 'exec', command: `echo "$AIRUNNER_TRUST_BUNDLE_VERSION" > ${join(directory, 'told')}` },
    ],
  })
  await agent.event('stream_connected')
  const other = await plane.startServer({ env: { AIRUNNER_CA_CERT: both } })
  balancer.targets = [other.mtls]
  balancer.cut()
  t.match(await agent.event('trust_changed'), { version: versionOf(both) })
  await agent.event('hook_succeeded')
  t.equal(readFileSync(join(directory, 'ca.pem'), 'utf8'), both)
  t.equal(readFileSync(join(directory, 'told'), 'utf8').trim(), versionOf(both))
  for (let tries = 0; ; tries++) {
    const { body } = await plane.admin.get('/v1/agents/worker-1')
    if (body.trust_bundle_version === versionOf(both)) break
    if (tries === 600) t.fail(`still ${body.trust_bundle_version}`)
    if (tries === 600) break
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  t.pass('acknowledged')
})

t.test('SIGTERM during a hook that hangs: ended within 2 s', async (t) => {
  const { plane, directory } = await prepare(t)
  const agent = startAgent(t, {
    ...agentOptions(plane.server, directory),
    hooks: [{ name: 'hangs', kind: 'exec', command: 'trap "" TERM; while :; do sleep 0.1; done' }],
    hookTimeout: 60 * second,
  })
  await agent.event('stream_connected')
  await send(plane, { command: 'run_hook', hook_name: 'hangs' })
  await agent.event('command_begun')
  await new Promise((resolve) => setTimeout(resolve, 300))
  const started = performance.now()
  t.match(await agent.stop(), { code: 143 })
  t.ok(performance.now() - started < 2000)
})

t.test('a user has no stream and no status, and is renewed all the same', async (t) => {
  const plane = await startPlane(t)
  const { identity } = await patiently(() => plane.enrol('user-1', 'user', 300))
  const directory = await makeStateDirectory(t, plane, identity)
  const now = () => Date.now() + 240 * second
  const agent = startAgent(t, agentOptions(plane.server, directory), { now })
  await agent.event('stream_ended', ({ why }) => /permission_denied/.test(why))
  await agent.event('certificate_renewed')
  t.same(agent.events('shut_out'), [])
})

import t from 'tap'
import { eventually, openAgentStream } from '../support/agent-stream.ts'
import { identityOf, makeRequest } from '../support/client.ts'
import type { Member, RunningServer, TestPlane } from '../support/plane.ts'
import { startPlane } from '../support/plane.ts'

const send = async (plane: TestPlane, id: string, body: object) => {
  const answer = await plane.admin.post(`/v1/agents/${id}/commands`, body)
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body))
  return answer.body
}
const stateOf = async (plane: TestPlane, principalId: string, commandId: string): Promise<string> => {
  const { body } = await plane.admin.get(`/v1/agents/${principalId}/commands`)
  return body.items.find((one: { command_id: string }) => one.command_id === commandId)?.state
}
const actionsOf = async (plane: TestPlane, target: string, prefix: string): Promise<string[]> => {
  const { body } = await plane.admin.get(`/v1/audit-events?target=${target}`)
  return body.items
    .map((event: { action: string }) => event.action)
    .filter((action: string) => action.startsWith(prefix))
}
const on = (plane: TestPlane, member: Member, server: RunningServer) => plane.clientOf(member.identity, server)

t.test(
  'a command given on one server reaches an agent on the other within 2 s, once, and is acknowledged',
  async (t) => {
    const plane = await startPlane(t, { flags: { feedInterval: '1s' } })
    const other = await plane.startServer({ flags: { feedInterval: '1s' } })
    const worker = await plane.enrol('worker-1')
    const bystander = await plane.enrol('worker-2')
    const agent = on(plane, worker, other)
    const stream = await openAgentStream(agent)
    const elsewhere = await openAgentStream(bystander.client)
    t.strictSame((await stream.event('snapshot')).commands, [])

    const started = performance.now()
    const command = await send(plane, 'worker-1', { command: 'run_hook', hook_name: 'reload-nginx' })
    t.match(command, { state: 'pending', command: 'run_hook', hook_name: 'reload-nginx', created_by: 'admin-test' })
    const event = await stream.event('command')
    const took = performance.now() - started
    t.ok(took < 20_000, `delivered after ${Math.round(took)} ms`)
    t.match(event, { command_id: command.command_id, command: 'run_hook', hook_name: 'reload-nginx' })
    t.equal(await stateOf(plane, 'worker-1', command.command_id), 'delivered')

    const path = `/v1/agent/commands/${command.command_id}/result`
    t.equal((await on(plane, bystander, other).post(path, { state: 'succeeded' })).status, 404, 'not somebody else’s')
    const result = { state: 'succeeded', output: 'reloaded' }
    const answer = await agent.post(path, result)
    t.match(answer, { status: 200, body: { state: 'succeeded', outcome: 'reloaded' } })
    t.strictSame((await worker.client.post(path, result)).body, answer.body, 'the same again, on another server')
    t.match(await agent.post(path, { state: 'failed' }), { status: 409, body: { code: 'invalid_transition' } })
    t.match(await agent.post(path, { state: 'succeeded', output: 'é'.repeat(2049) }), { status: 400 })

    await new Promise((resolve) => setTimeout(resolve, 1500))
    t.equal(stream.of('command').length, 1, 'once')
    t.equal(elsewhere.of('command').length, 0, 'to nobody else')
    t.strictSame(await actionsOf(plane, 'worker-1', 'command.'), [
      'command.finish',
      'command.deliver',
      'command.create',
    ])
    const { body } = await plane.admin.get('/v1/agents/worker-1')
    t.match(body.commands, [{ command_id: command.command_id, state: 'succeeded' }])
  },
)

t.test('on the server that took it, it is there at once', async (t) => {
  const plane = await startPlane(t, { flags: { feedInterval: '10s' } })
  const worker = await plane.enrol('worker-1')
  const stream = await openAgentStream(worker.client)
  await send(plane, 'worker-1', { command: 'renew' })
  t.match(await stream.event('command', 1, 1000), { command: 'renew' })
})

t.test(
  'an agent that is away gets its commands when it comes, in their order, and those without a result again',
  async (t) => {
    const plane = await startPlane(t)
    const worker = await plane.enrol('worker-1')
    const first = await send(plane, 'worker-1', { command: 'renew' })
    const second = await send(plane, 'worker-1', { command: 'reload_trust' })
    t.equal((await plane.admin.get('/v1/agents/worker-1')).status, 404, 'it was never here')
    const stream = await openAgentStream(worker.client)
    const { commands } = await stream.event('snapshot')
    t.match(commands, [{ command_id: first.command_id }, { command_id: second.command_id }])
    t.notOk(commands.some((command) => command.again))
    await worker.client.post(`/v1/agent/commands/${first.command_id}/result`, { state: 'succeeded' })
    stream.kill()

    const again = await openAgentStream(worker.client)
    const left = (await again.event('snapshot')).commands
    t.match(left, [{ command_id: second.command_id, again: true }], 'marked, so that it is not begun twice')
    t.equal(left.length, 1)
    t.equal((await actionsOf(plane, 'worker-1', 'command.deliver')).length, 2, 'each was delivered once')
    await worker.client.post(`/v1/agent/commands/${second.command_id}/result`, {
      state: 'failed',
      output: 'interrupted',
    })
    t.equal(await stateOf(plane, 'worker-1', second.command_id), 'failed')
    again.kill()
    const last = await openAgentStream(worker.client)
    t.strictSame((await last.event('snapshot')).commands, [])
  },
)

t.test('a command that nobody came for expires, by the clock and not by TTL', async (t) => {
  let shift = 0
  const plane = await startPlane(t, { clock: () => Date.now() + shift })
  const worker = await plane.enrol('worker-1')
  const command = await send(plane, 'worker-1', { command: 'renew', expires_in_seconds: 5 })
  shift = 6000
  t.equal(await stateOf(plane, 'worker-1', command.command_id), 'expired')
  const stream = await openAgentStream(worker.client)
  t.strictSame((await stream.event('snapshot')).commands, [])
  const answer = await worker.client.post(`/v1/agent/commands/${command.command_id}/result`, { state: 'succeeded' })
  t.match(answer, { status: 409, body: { code: 'invalid_transition' } })
})

t.test('two streams of one principal, on two servers: one of them gets the command', async (t) => {
  const plane = await startPlane(t)
  const other = await plane.startServer()
  const worker = await plane.enrol('worker-1')
  const twin = await plane.issue('worker-1')
  const streams = [await openAgentStream(worker.client), await openAgentStream(on(plane, twin, other), 'instance-2')]
  for (let given = 0; given < 5; given++) await send(plane, 'worker-1', { command: 'renew' })
  const got = () => streams.flatMap((stream) => stream.of('command').map((command) => command.command_id))
  t.ok(await eventually(() => got().length >= 5))
  await new Promise((resolve) => setTimeout(resolve, 800))
  t.equal(got().length, 5)
  t.equal(new Set(got()).size, 5)
})

t.test(
  'a command that one holder of the principal has is not given to another one, and to its own successor again',
  async (t) => {
    const plane = await startPlane(t)
    const worker = await plane.enrol('worker-1')
    const stream = await openAgentStream(worker.client)
    await stream.event('snapshot')
    const command = await send(plane, 'worker-1', { command: 'run_hook', hook_name: 'once' })
    t.match(await stream.event('command'), { command_id: command.command_id })

    const twin = await plane.issue('worker-1')
    const elsewhere = await openAgentStream(twin.client, 'instance-2')
    t.strictSame((await elsewhere.event('snapshot')).commands, [], 'it may have been acted on')
    stream.kill()
    const last = await openAgentStream(on(plane, twin, plane.server), 'instance-2')
    t.strictSame((await last.event('snapshot')).commands, [], 'also when the first one is gone')

    const { key, csr_pem } = await makeRequest()
    const renewed = await worker.client.post('/v1/renewals', { csr_pem })
    const successor = await openAgentStream(plane.clientOf(identityOf(renewed.body, key)))
    t.match((await successor.event('snapshot')).commands, [{ command_id: command.command_id, again: true }])
  },
)

t.test('what is refused', async (t) => {
  const plane = await startPlane(t)
  await plane.enrol('worker-1')
  const user = await plane.enrol('user-1', 'user')
  const refused: [string, object, number, string][] = [
    ['worker-1', { command: 'run_hook' }, 400, 'invalid_request'],
    ['worker-1', { command: 'renew', hook_name: 'x' }, 400, 'invalid_request'],
    ['worker-1', { command: 'rm -rf' }, 400, 'invalid_request'],
    ['worker-1', { command: 'renew', expires_in_seconds: 0 }, 400, 'invalid_request'],
    ['nobody', { command: 'renew' }, 404, 'not_found'],
    ['user-1', { command: 'renew' }, 409, 'invalid_transition'],
  ]
  for (const [id, body, status, code] of refused)
    t.match(
      await plane.admin.post(`/v1/agents/${id}/commands`, body),
      { status, body: { code } },
      `${id} ${JSON.stringify(body)}`,
    )
  t.equal((await user.client.post('/v1/agents/worker-1/commands', { command: 'renew' })).body.code, 'permission_denied')
  t.equal((await user.client.get('/v1/agents')).status, 200, 'a user may look')
  for (let given = 0; given < 32; given++) await send(plane, 'worker-1', { command: 'renew' })
  t.equal(
    (await plane.admin.post('/v1/agents/worker-1/commands', { command: 'renew' })).status,
    409,
    'enough is enough',
  )
  const page = await plane.admin.get('/v1/agents/worker-1/commands?limit=20')
  const rest = await plane.admin.get(`/v1/agents/worker-1/commands?limit=20&page_token=${page.body.next_page_token}`)
  t.strictSame([page.body.items.length, rest.body.items.length, rest.body.next_page_token], [20, 12, undefined])
})

t.test('the same Idempotency-Key is one command', async (t) => {
  const plane = await startPlane(t)
  await plane.enrol('worker-1')
  const ask = () => plane.admin.post('/v1/agents/worker-1/commands', { command: 'renew' }, { key: 'once' })
  const [first, second] = [await ask(), await ask()]
  t.equal(first.body.command_id, second.body.command_id)
})

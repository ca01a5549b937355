import t from 'tap'
import { makeChanges } from '../../src/cli/agent-watch.ts'
import { CliError, exitCode } from '../../src/cli/errors.ts'
import type { Agent } from '../../src/wire/agents.ts'
import { openAgentStream } from '../support/agent-stream.ts'
import { makeCliHome, runCli } from '../support/cli.ts'
import { startPlane } from '../support/plane.ts'

const agent = (principal_id: string, presence: Agent['presence']): Agent => ({
  principal_id,
  presence,
  last_seen_at: '2026-01-01T00:00:00.000Z',
  metadata: {},
})

t.test('each look shows what has changed', async (t) => {
  const changes = makeChanges()
  const a = agent('a', 'online')
  t.strictSame(changes([a, agent('b', 'online')]), [a, agent('b', 'online')])
  t.strictSame(changes([{ ...a, last_seen_at: '2026-01-01T00:00:02.000Z' }, agent('b', 'online')]), [])
  t.strictSame(changes([a, agent('b', 'stale')]), [agent('b', 'stale')])
  t.strictSame(changes([a]), [agent('b', 'offline')], 'no longer listed')
})

t.test(
  'off a terminal a line for each agent and each change; on a terminal one table that is drawn again',
  async (t) => {
    const plane = await startPlane(t)
    const { identity } = await plane.enrol('ops', 'admin')
    const { env } = await makeCliHome(t, plane, identity)
    const worker = await plane.enrol('worker-1')
    const stream = await openAgentStream(worker.client)
    let killed = false
    const lines = await runCli(['agent', 'watch', '-o', 'jsonl'], {
      env,
      onStdout: (text, stop) => {
        if (!killed) stream.kill()
        killed = true
        if (text.includes('"stale"')) stop(new CliError(exitCode.interrupted, ''))
      },
    })
    const seen = lines.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    t.match(seen, [
      { principal_id: 'worker-1', presence: 'online' },
      { principal_id: 'worker-1', presence: 'stale' },
    ])
    t.equal(lines.code, exitCode.interrupted)

    const table = await runCli(['agent', 'watch'], {
      env: { ...env, NO_COLOR: '1' },
      terminal: true,
      onStdout: (text, stop) => {
        if (text.includes('\u001b[J')) stop(new CliError(exitCode.interrupted, ''))
      },
    })
    t.match(table.stdout, /^0 online, 1 stale, 0 offline\nAGENT +PRESENCE +SEEN .*\nworker-1 +stale .*\n/)
    t.ok(table.stdout.includes('\u001b[3A\u001b[J'), 'the next table takes the place of this one')
  },
)

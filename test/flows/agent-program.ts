import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { makeStateDirectory, patiently } from '../support/agent.ts'
import { root, spyOn, startAgentProgram } from '../support/agent-program.ts'
import { startPlane, type TestPlane } from '../support/plane.ts'

const rssOf = (pid: number | undefined): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024

const prepare = async (t: Test): Promise<{ plane: TestPlane; directory: string; args: string[] }> => {
  const plane = await startPlane(t)
  const { identity } = await patiently(() => plane.enrol('worker-1'))
  const directory = await makeStateDirectory(t, plane, identity)
  const server = `https://localhost:${plane.server.mtls.split(':').at(-1)}`
  return { plane, directory, args: ['--server', server, '--state-dir', directory] }
}

const fetchText = (url: string): Promise<{ status: number; text: string }> =>
  new Promise((resolve, reject) => {
    get(url, (response) => {
      let text = ''
      response.on('data', (part) => {
        text += part
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    }).on('error', reject)
  })

t.test('the program: health, metrics, nothing of AWS, and SIGTERM ends it in time', async (t) => {
  const { directory, args } = await prepare(t)
  const loaded = join(directory, 'loaded')
  const program = startAgentProgram(t, [...args, '--health-listen', '127.0.0.1:0'], { node: spyOn(loaded) })
  const { address } = await program.event('health_ready')
  await program.event('stream_connected')
  await program.event('let_in')
  t.match(await fetchText(`http://${address}/livez`), { status: 200, text: 'ok\n' })
  const metrics = await fetchText(`http://${address}/metrics`)
  t.match(metrics.text, /^airunner_agent_connected 1$/m)
  t.match(metrics.text, /^airunner_agent_certificate_expiry_seconds \d{5,}$/m)
  t.equal((await fetchText(`http://${address}/`)).status, 404)
  t.notMatch(readFileSync(loaded, 'utf8'), /@aws|@smithy|fastify|pkijs|src\/(server|store|authority|auth)\//)
  const started = performance.now()
  program.child.kill('SIGTERM')
  const { code, stdout } = await program.ended
  t.equal(code, 143)
  t.equal(stdout, '')
  t.ok(performance.now() - started < 20_000)
})

t.test('the program, as it is installed: less than 80 MB when it has nothing to do', async (t) => {
  // From the sources, the compiler that strips their types takes 30 MB more.
  const folder = t.testdir({ 'package.json': readFileSync(join(root, 'package.json'), 'utf8') })
  const compiler = join(root, 'node_modules/.bin/tsc')
  // `npm run check` looks at the types.
  const order = ['-p', join(root, 'tsconfig.build.json'), '--noCheck', '--outDir', join(folder, 'dist')]
  const compiled = spawnSync(compiler, order)
  t.equal(compiled.status, 0, String(compiled.stdout))
  const { plane, args } = await prepare(t)
  const program = startAgentProgram(t, args, { main: join(folder, 'dist/cli/main.js') })
  await program.event('stream_connected')
  for (let count = 0; count < 3; count++) await plane.admin.post('/v1/agents/worker-1/commands', { command: 'renew' })
  await sleep(3000)
  const rss = rssOf(program.child.pid)
  t.comment(`${rss.toFixed(1)} MB`)
  t.ok(rss < 80, `${rss.toFixed(1)} MB`)
})

t.test('the program: --once does what is due and ends; refusals are told as those of other commands', async (t) => {
  const { plane, args } = await prepare(t)
  t.match(await startAgentProgram(t, [...args, '--once']).ended, { code: 0, stdout: '' })
  await plane.admin.post('/v1/principals/worker-1/suspend', { reason: 'a look' })
  t.match(await startAgentProgram(t, [...args, '--once']).ended, { code: 4, stderr: /principal_suspended(.|\n)*Next:/ })
  t.match(
    await startAgentProgram(t, ['--state-dir', '/nonexistent/x', '--server', 'https://localhost:1', '--once']).ended,
    {
      code: 3,
    },
  )
  t.match(await startAgentProgram(t, [...args.slice(2)]).ended, { code: 3, stderr: /no server/ })
  t.match(await startAgentProgram(t, [...args, '--exec', 'A=1 x']).ended, { code: 3, stderr: /NAME=COMMAND/ })
})

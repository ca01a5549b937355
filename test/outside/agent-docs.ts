import { execFile, spawn, spawnSync } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'
import { makeStateDirectory, patiently } from '../support/agent.ts'
import { startAgentProgram } from '../support/agent-program.ts'
import { eventually } from '../support/agent-stream.ts'
import { makeJoiner } from '../support/joining.ts'
import { startPlane } from '../support/plane.ts'

const docs = resolve(import.meta.dirname, '../../docs')
/** The code blocks of a page that are written in a language. */
const blocksOf = (page: string, language: string): string[] =>
  [...readFileSync(join(docs, page), 'utf8').matchAll(/^```(\w+)\n((?:.|\n)+?)^```$/gm)].flatMap(([, name, text]) =>
    name === language && text !== undefined ? [text] : [],
  )

const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0
const missing = (...programs: string[]): string | false => {
  const names = programs.filter((program) => !has(program))
  if (names.length === 0) return false
  console.error(`SKIPPED: ${names.join(', ')} not installed`)
  return `${names.join(', ')} not installed`
}

t.test(
  'the commands of docs/without-the-daemon.md join and renew',
  { skip: missing('curl', 'jq', 'bash') },
  async (t) => {
    const plane = await startPlane(t)
    const joiner = makeJoiner(plane)
    t.teardown(joiner.client.close)
    const { join_token } = await patiently(() => joiner.createToken({ principal_id: 'edge-1' }))
    const folder = t.testdir({ token: `${join_token}\n`, 'ca.pem': plane.authority.root_pem })
    const urlOf = (listen: string) => `https://localhost:${listen.split(':').at(-1)}`
    const env = {
      PATH: process.env['PATH'] ?? '',
      ENROLL: urlOf(plane.server.enroll),
      SERVER: urlOf(plane.server.mtls),
    }
    const run = (script: string): Promise<{ code: number; output: string }> =>
      new Promise((done) => {
        execFile('bash', ['-euo', 'pipefail', '-c', script], { cwd: folder, env, timeout: 20_000 }, (error, out, err) =>
          done({ code: error === null ? 0 : 1, output: out + err }),
        )
      })
    const pair = () => {
      const certificate = new X509Certificate(readFileSync(join(folder, 'cert.pem')))
      t.ok(certificate.checkPrivateKey(createPrivateKey(readFileSync(join(folder, 'key.pem')))))
      return certificate.serialNumber
    }
    const [joining = '', renewing = ''] = blocksOf('without-the-daemon.md', 'sh')
    const joined = await run(joining)
    t.equal(joined.code, 0, joined.output)
    const first = pair()
    for (let count = 0; count < 2; count++) {
      const renewed = await run(renewing)
      t.equal(renewed.code, 0, renewed.output)
    }
    t.not(pair(), first)
    const { body } = await plane.admin.get('/v1/certificates?principal_id=edge-1')
    t.equal(body.items.length, 3)
  },
)

t.test('the program of docs/agent.md for Node shows the new certificate after its signal', async (t) => {
  const plane = await startPlane(t)
  const { identity, issued } = await patiently(() => plane.enrol('worker-1'))
  const directory = await makeStateDirectory(t, plane, identity)
  const server = `https://localhost:${plane.server.mtls.split(':').at(-1)}`
  const folder = t.testdir()
  const pidFile = join(folder, 'app.pid')
  const agent = startAgentProgram(t, ['--server', server, '--state-dir', directory, '--signal', `${pidFile}:HUP`])
  await agent.event('stream_connected')
  const [program = ''] = blocksOf('agent.md', 'js')
  const asking = `process.stdin.on('data', () => https.get('${server}/v1/whoami', { agent }, async (answer) => {
  let text = ''
  for await (const part of answer) text += part
  console.log(JSON.parse(text).certificate.serial_number)
}))`
  writeFileSync(join(folder, 'app.mjs'), `${program.replaceAll('/var/lib/airunner', directory)}\n${asking}\n`)
  const app = spawn(process.execPath, [join(folder, 'app.mjs')], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => app.kill('SIGKILL'))
  const ended = once(app, 'exit').then(([code]) => Promise.reject(new Error(`the program ended with ${code}`)))
  ended.catch(() => undefined)
  const ask = async (): Promise<string> => {
    app.stdin.write('?')
    const [answer] = await Promise.race([once(app.stdout, 'data'), ended])
    return String(answer).trim()
  }
  t.equal(await ask(), issued.certificate.serial_number)
  writeFileSync(pidFile, String(app.pid))
  await plane.admin.post('/v1/agents/worker-1/commands', { command: 'renew' })
  const { serial_number } = await agent.event('certificate_renewed')
  t.ok(await eventually(async () => (await ask()) === serial_number))
})

t.test('the units of docs/agent.md are what systemd expects', { skip: missing('systemd-analyze') }, async (t) => {
  const [service = '', path = ''] = blocksOf('agent.md', 'ini')
  const folder = t.testdir()
  const units = { 'airunner-agent.service': service, 'nginx-reload.path': path }
  // The programs are not installed where this runs.
  for (const [name, text] of Object.entries(units))
    writeFileSync(join(folder, name), text.replace(/\/usr\/local\/bin\/airunner/, '/bin/true'))
  writeFileSync(join(folder, 'nginx-reload.service'), '[Service]\nType=oneshot\nExecStart=/bin/true\n')
  for (const name of Object.keys(units)) {
    const { status, stderr } = spawnSync(
      'systemd-analyze',
      ['verify', '--recursive-errors=yes', '--man=no', join(folder, name)],
      { encoding: 'utf8' },
    )
    const about = stderr.split('\n').filter((line) => line.includes(name) || /unknown|Unknown/.test(line))
    t.same(about, [], `${name}: ${stderr}`)
    t.equal(status, 0, stderr)
  }
})

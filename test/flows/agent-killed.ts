import { spawn } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { serialOf } from '../../src/client/identity.ts'
import { minute } from '../../src/core/time.ts'
import { agentOptions, makeStateDirectory, patiently, readKept, startAgent } from '../support/agent.ts'
import type { ChildOrder } from '../support/agent-child.ts'
import { type RunningServer, startPlane, type TestPlane } from '../support/plane.ts'

const child = join(import.meta.dirname, '../support/agent-child.ts')

const runChild = async (order: ChildOrder): Promise<{ code: number | null; signal: string | null; stderr: string }> => {
  const running = spawn(process.execPath, [child, JSON.stringify(order)], { stdio: ['ignore', 'ignore', 'pipe'] })
  let stderr = ''
  running.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const [code, signal] = await once(running, 'close')
  return { code, signal, stderr }
}

/** The pair that other programs see: its serial number, or what is wrong. */
const shown = (directory: string): string => {
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(directory, name)) as [string, string]
  if (!existsSync(key) || !existsSync(cert)) return 'none'
  const certificate = new X509Certificate(readFileSync(cert))
  return certificate.checkPrivateKey(createPrivateKey(readFileSync(key))) ? serialOf({ certificate }) : 'mismatch'
}

const optionsOf = (server: RunningServer, directory: string) => ({
  ...agentOptions(server, directory),
  once: true,
  hooks: [
    { name: 'note', kind: 'exec' as const, command: `echo "$AIRUNNER_SERIAL_NUMBER" >> ${join(directory, 'changes')}` },
  ],
})

/** A worker with a published identity whose renewal is due by a clock that is four minutes ahead. */
const prepare = async (t: Test, plane: TestPlane, id: string) => {
  const { identity, issued } = await patiently(() => plane.enrol(id, 'worker', 300))
  const directory = await makeStateDirectory(t, plane, identity)
  const { code } = await startAgent(t, optionsOf(plane.server, directory)).ended
  if (code !== 0) throw new Error(`the first run ended with ${code}`)
  return { directory, serial: issued.certificate.serial_number }
}

const shift = 4 * minute

/** What must hold after a kill, and after the next run. */
const survive = async (t: Test, plane: TestPlane, id: string, where: Omit<ChildOrder, 'options' | 'shift'>) => {
  const { directory, serial } = await prepare(t, plane, id)
  const options = optionsOf(plane.server, directory)
  const { signal, code, stderr } = await runChild({ options, shift, ...where })
  if (signal !== 'SIGKILL') return code === 0 ? 'not reached' : stderr
  const after = shown(directory)
  t.not(after, 'mismatch')
  t.not(after, 'none')

  // What has come as far as its final name is not renewed once more.
  const renewed = serialOf(await readKept(directory)) !== serial
  const next = startAgent(t, options, { now: () => Date.now() + (renewed ? 0 : shift) })
  t.match(await next.ended, { code: 0 })
  const kept = await readKept(directory)
  t.not(serialOf(kept), serial, 'renewed in the end')
  t.equal(shown(directory), serialOf(kept))
  const answer = await plane.clientOf({ certificate: kept.chainPem, key: kept.keyPem }).get('/v1/whoami')
  t.equal(answer.status, 200)
  const all = await plane.admin.get(`/v1/certificates?principal_id=${id}&limit=100`)
  t.equal(all.body.items.length, 2, 'what was issued and not heard of was handed out again, not issued anew')
  // A program that was not told of its certificate would fail later.
  const noted = readFileSync(join(directory, 'changes'), 'utf8').trim().split('\n')
  t.ok(noted.includes(serialOf(kept)), 'the hook ran for the change')
  return 'survived'
}

t.test('killed behind each step of a renewal', async (t) => {
  const plane = await startPlane(t)
  for (const step of ['asked', 'answered', 'received', 'used', 'promoted', 'published'])
    t.equal(await survive(t, plane, `step-${step}`, { step }), 'survived', step)
})

for (const behind of [false, true])
  t.test(`killed ${behind ? 'behind' : 'before'} each change of a file`, async (t) => {
    const plane = await startPlane(t)
    let places = 0
    for (let count = 1; count < 40; count++) {
      const end = await survive(t, plane, `change-${count}`, { change: { count, behind } })
      if (end === 'not reached') break
      t.equal(end, 'survived', `change ${count}`)
      places++
    }
    t.ok(places >= 8, `${places} places`)
  })

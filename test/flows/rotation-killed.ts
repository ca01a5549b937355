import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { findBreaches } from '../support/checker.ts'
import { identityOf, makeRequest } from '../support/client.ts'
import { startFileDeployment } from '../support/rotating.ts'

/** `ROTATION_RUNS=3`: whole rotations in which at each step the server that carries it out is killed, and the CLI at one. */
const runs = Number(process.env['ROTATION_RUNS'] ?? 0)
if (runs === 0) {
  console.error('SKIPPED: killed at each step of a rotation: set ROTATION_RUNS=1')
  t.plan(0, 'set ROTATION_RUNS=1')
  process.exit()
}
t.setTimeout(60_000 + runs * 180_000)

t.test('the server that carries out a step is killed, or the CLI: asked again, it ends as it should', async (t) => {
  const deployment = await startFileDeployment(t)
  const { airunner, ground, path } = deployment
  /** Asks again while a server that was killed is waited for, or none is there. */
  const patiently = async (...argv: string[]) => {
    for (let tries = 0; ; tries++) {
      const answer = await airunner(...argv)
      if (!/rotation_not_ready|store_unavailable|overloaded/.test(answer.stderr) || tries === 100) {
        t.equal(answer.code, 0, `${argv.slice(0, 3).join(' ')} ${answer.stderr}`)
        return answer
      }
      await sleep(300)
    }
  }
  /** From the first byte to the last answer a step takes some 50 ms here; whatever became of it, it is asked for again. */
  const interrupted = async (...argv: string[]) => {
    const asked = airunner(...argv)
    await sleep(Math.random() * 90)
    await deployment.replaceFirst()
    const { code } = await asked
    t.comment(`${argv.slice(0, 3).join(' ')}: ${code}`)
    return patiently(...argv)
  }
  const known = async (): Promise<{ issuer_id: string; kind: string; state: string }[]> =>
    JSON.parse((await patiently('ca', 'list', '-o', 'json')).stdout).items
  const stateOf = async (id: string) => (await known()).find(({ issuer_id }) => issuer_id === id)?.state
  const adminNow = async () => ({
    certificate: await readFile(path('admin-cert.pem'), 'utf8'),
    key: await readFile(path('admin-key.pem'), 'utf8'),
  })
  const traffic = await deployment.traffic(1)
  let old = ground.authority.issuer.issuer_id
  for (let run = 0; run < runs; run++) {
    const prepare = ['ca', 'prepare', '--issuer', '--ca-key-file', path('ca-key.pem'), '--output-dir', path(`n-${run}`)]
    for (let tries = 0; tries < 4; tries++) await deployment.killedCli(250 + Math.random() * 500, ...prepare)
    const { stdout } = await interrupted(...prepare, '-o', 'name')
    const id = stdout.trim()
    t.same(
      (await known()).filter(({ state }) => state === 'prepared').map(({ issuer_id }) => issuer_id),
      [id],
      'one issuer was made',
    )
    deployment.append('issuer-cert.pem', `n-${run}/next-issuer-cert.pem`)
    deployment.append('issuer-key.pem', `n-${run}/next-issuer-key.pem`)
    await deployment.reloadAll()
    for (const [which, other] of [
      [id, old],
      [old, id],
      [id, old],
    ] as const) {
      await patiently('ca', 'activate', which)
      await interrupted('ca', 'activate', other)
      t.same([await stateOf(which), await stateOf(other)], ['prepared', 'active'])
      await interrupted('ca', 'activate', which)
      t.same([await stateOf(which), await stateOf(other)], ['active', 'prepared'])
    }
    // One that stands still while another issuer is activated, with requests in its queue, knows nothing of it when it goes on.
    const sleeper = deployment.servers[1] as (typeof deployment.servers)[0]
    sleeper.program.child.kill('SIGSTOP')
    await patiently('ca', 'activate', old)
    const { key, csr_pem } = await makeRequest()
    const principal_id = `late-${run}`
    const own = ground.clientOf(await adminNow(), sleeper.mtls)
    const queued = own
      .post('/v1/principals', { principal_id, type: 'worker' })
      .then(() => own.post('/v1/certificates', { principal_id, csr_pem }))
    await sleep(500)
    sleeper.program.child.kill('SIGCONT')
    const late = await queued
    t.equal(late.body.certificate?.issuer_id, old, JSON.stringify(late.body).slice(0, 300))
    t.equal((await ground.clientOf(identityOf(late.body, key), sleeper.mtls).get('/v1/whoami')).status, 200)
    await patiently('ca', 'activate', id)
    await interrupted('ca', 'retire', old, '--renew-within', '1m')
    t.equal(await stateOf(old), 'retired')
    await patiently('certificate', 'renew')
    await interrupted('ca', 'remove', old, '--force', '--reason', 'a test', '-y')
    t.equal(await stateOf(old), 'removed')
    old = id
  }
  await traffic.stop()
  t.same(traffic.refused, [])
  t.comment(traffic.done)
  t.same(await findBreaches(ground.store.store), [])
})

import { X509Certificate } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { makeStateDirectory } from '../support/agent.ts'
import { startAgentProgram } from '../support/agent-program.ts'
import { findBreaches } from '../support/checker.ts'
import { identityOf, makeClient, makeRequest } from '../support/client.ts'
import { startFileDeployment, untilOthersRenewed } from '../support/rotating.ts'

/** `ROTATION_RUNS=1`: a server is killed at each step, instead of at one. */
const everyStep = process.env['ROTATION_RUNS'] !== undefined
t.setTimeout(300_000)

t.test('a root is rotated under renewals and joins, with an agent that is slow: no call is refused', async (t) => {
  const deployment = await startFileDeployment(t)
  const { airunner, ground, path, servers } = deployment
  const kill = async () => {
    if (everyStep) await deployment.replaceSecond()
  }
  const ok = async (...argv: string[]) => {
    const answer = await airunner(...argv)
    t.equal(answer.code, 0, `${argv.join(' ')}\n${answer.stdout}${answer.stderr}`)
    return answer
  }
  const patiently = async (...argv: string[]) => {
    for (let tries = 0; ; tries++) {
      const answer = await airunner(...argv)
      if (!answer.stderr.includes('rotation_not_ready') || tries === 400) {
        t.equal(answer.code, 0, `${argv.join(' ')}\n${answer.stdout}${answer.stderr}`)
        return answer
      }
      await sleep(300)
    }
  }
  const address = servers[0]?.mtls ?? ''
  const admin = makeClient(address, ground.authority.root_pem, ground.admin)
  t.teardown(admin.close)
  const { key, csr_pem } = await makeRequest()
  await admin.post('/v1/principals', { principal_id: 'slow', type: 'worker' })
  const issued = await admin.post('/v1/certificates', { principal_id: 'slow', csr_pem })
  const state = await makeStateDirectory(t, ground, identityOf(issued.body, key))
  const agent = startAgentProgram(t, [
    '--server',
    `https://localhost:${address.split(':').at(-1)}`,
    '--state-dir',
    state,
  ])
  await agent.event('let_in')
  const traffic = await deployment.traffic(1)

  // 1. A root beside the old one, in files; the servers are told of it, and nothing is signed by it.
  const next = path('next')
  const made = JSON.parse((await ok('ca', 'prepare', '--root', '--output-dir', next, '-o', 'json')).stdout)
  t.match((await ok('ca', 'prepare', '--root', '--output-dir', next)).stderr, /Found .*: a run before has made it/)
  const prepare = ['ca', 'prepare', '--issuer', '--ca-key-file', `${next}/next-ca-key.pem`, '--output-dir', next]
  t.match(await airunner(...prepare), {
    code: 6,
    stderr: /its key belongs to none of the roots that the servers trust/,
  })
  await kill()
  // The agent stands still when the root comes.
  agent.child.kill('SIGSTOP')
  const oldRoot = JSON.parse((await ok('ca', 'list', '-o', 'json')).stdout).items[0].issuer_id
  deployment.write('ca-cert.pem', deployment.read('next/next-ca-bundle.pem'))
  await deployment.reloadAll()
  await ok('ca', 'bundle', '--output-file', path('cli-ca.pem'))
  const blocks = (file: Parameters<typeof deployment.read>[0]) =>
    deployment
      .read(file)
      .split(/(?=-----BEGIN)/)
      .sort()
  t.same(blocks('cli-ca.pem'), blocks('next/next-ca-bundle.pem'))
  await kill()

  // 2. An issuer below it, whose key the servers get.
  const id = (await ok(...prepare, '-o', 'name')).stdout.trim()
  deployment.append('issuer-cert.pem', 'next/next-issuer-cert.pem')
  deployment.append('issuer-key.pem', 'next/next-issuer-key.pem')
  await deployment.reloadAll()
  await kill()

  // 3. Refused while the agent does not know the root; it is named, and named only until it does.
  const named = async () => {
    for (let tries = 0; tries < 400; tries++) {
      const { stderr } = await airunner('ca', 'get', id)
      if (/^agent slow: /m.test(stderr) && !/^server /m.test(stderr)) return true
      await sleep(250)
    }
    return false
  }
  t.ok(await named())
  const refused = await airunner('ca', 'activate', id)
  t.equal(refused.code, 6)
  t.match(refused.stderr, /Why: agent slow: has the trust bundle [0-9a-f]{16}, without the root of this issuer/)
  t.match(refused.stderr, /Next: Agents: .airunner agent command ID reload-trust --wait./)
  agent.child.kill('SIGCONT')
  await patiently('ca', 'activate', id)
  await kill()
  const old = ground.authority.issuer.issuer_id
  await patiently('ca', 'activate', old)
  await patiently('ca', 'activate', id)
  await deployment.replaceSecond()

  // 4. The server shows a certificate of the new root; whoever has the bundle does not notice.
  for (const name of ['server-cert', 'server-key'] as const)
    deployment.write(`${name}.pem`, deployment.read(`next/next-${name}.pem`))
  await deployment.reloadAll()
  const strict = makeClient(address, deployment.read('next/next-ca-cert.pem'), ground.admin)
  t.teardown(strict.close)
  t.equal((await strict.get('/v1/whoami')).status, 200, 'by the new root alone')
  const leaf = new X509Certificate(deployment.read('server-cert.pem'))
  t.match(leaf.subjectAltName, /DNS:localhost, IP Address:127\.0\.0\.1/)
  await kill()

  // 5. The old issuer and the old root go.
  await ok('ca', 'retire', old, '--renew-within', '1s')
  await ok('certificate', 'renew')
  await agent.event('certificate_renewed')
  const root = await airunner('ca', 'remove', oldRoot, '-y')
  t.match(root, { code: 6, stderr: new RegExp(`Why: the issuer ${old} is retired`) })
  await untilOthersRenewed(airunner, old)
  await ok('ca', 'remove', old, '--force', '--reason', 'who joined does not renew here', '-y')
  await kill()
  deployment.write('issuer-key.pem', deployment.read('next/next-issuer-key.pem'))
  deployment.write('issuer-cert.pem', deployment.read('next/next-issuer-cert.pem'))
  await deployment.reloadAll()
  t.match(await airunner('ca', 'remove', oldRoot, '-y'), { code: 6, stderr: new RegExp(`bundle --without ${oldRoot}`) })
  await ok('ca', 'bundle', '--without', oldRoot, '--output-file', path('ca-cert.pem'))
  t.equal(deployment.read('ca-cert.pem'), deployment.read('next/next-ca-cert.pem'))
  await deployment.reloadAll()
  await writeFile(path('cli-ca.pem'), deployment.read('ca-cert.pem'))
  t.notMatch((await ok('ca', 'list')).stdout, oldRoot)
  t.match((await ok('ca', 'list', '-o', 'name')).stdout, made.issuer_id)
  await traffic.stop()
  t.same(traffic.refused, [])
  t.comment(traffic.done)
  t.ok(traffic.done.renewals > 3 && traffic.issuers.size === 2)
  t.same(await findBreaches(ground.store.store), [])
  agent.child.kill('SIGTERM')
  await agent.ended
})

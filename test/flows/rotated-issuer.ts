import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { findBreaches } from '../support/checker.ts'
import { identityOf, makeClient, makeRequest } from '../support/client.ts'
import { startFileDeployment, untilOthersRenewed } from '../support/rotating.ts'

/** `ROTATION_RUNS=20` for a long look, with a server killed at each step instead of at one. */
const runs = Number(process.env['ROTATION_RUNS'] ?? 1)
const everyStep = process.env['ROTATION_RUNS'] !== undefined
t.setTimeout(180_000 + runs * 90_000)

t.test(
  'an issuer is rotated under renewals and joins while servers are killed, there and back: no call is refused',
  async (t) => {
    const deployment = await startFileDeployment(t)
    const { airunner, ground, path } = deployment
    const ok = async (...argv: string[]) => {
      const answer = await airunner(...argv)
      t.equal(answer.code, 0, `${argv.join(' ')}\n${answer.stdout}${answer.stderr}`)
      return answer
    }
    /** Leases of servers tell it, every 2 s, and of one that was killed for 5 s more. */
    const servers = async (wanted: RegExp, id: string) => {
      for (let tries = 0; tries < 400; tries++) {
        if (wanted.test((await airunner('ca', 'get', id)).stdout)) return
        await sleep(250)
      }
      throw new Error(`never ${wanted}`)
    }
    const traffic = await deployment.traffic(2)
    // One that does not renew: it is let in until its issuer is removed, and told so then.
    const { key, csr_pem } = await makeRequest()
    const admin = makeClient(deployment.servers[0]?.mtls ?? '', ground.authority.root_pem, ground.admin)
    t.teardown(admin.close)
    await admin.post('/v1/principals', { principal_id: 'old-hand', type: 'worker' })
    const issued = await admin.post('/v1/certificates', { principal_id: 'old-hand', csr_pem })
    const open = makeClient(deployment.servers[0]?.mtls ?? '', ground.authority.root_pem, identityOf(issued.body, key))
    t.teardown(open.close)
    t.equal((await open.get('/v1/whoami')).status, 200)

    let old = ground.authority.issuer.issuer_id
    for (let run = 0; run < runs; run++) {
      const directory = path(`next-${run}`)
      const prepare = ['ca', 'prepare', '--issuer', '--ca-key-file', path('ca-key.pem'), '--output-dir', directory]
      const { stdout: line } = await ok(...prepare, '-o', 'name')
      const id = line.trim()
      t.match((await ok(...prepare)).stderr, new RegExp(`Found ${id}: a run before has made it`))
      t.match(await airunner(...prepare.slice(0, -1), path('elsewhere')), {
        code: 6,
        stderr: new RegExp(`another issuer is prepared and has not been activated: ${id}\nNext: Go on with it`),
      })
      t.match((await ok('ca', 'list')).stdout, new RegExp(`^${id} +issuer +prepared`, 'm'))
      if (everyStep) await deployment.replaceSecond()

      // Not before every server can sign with it; the one that cannot is named.
      await servers(/0 of 2/, id)
      const early = await airunner('ca', 'activate', id)
      t.equal(early.code, 6, early.stderr)
      t.match(
        early.stderr,
        /\(rotation_not_ready\)\nWhy: [23] servers not ready.*\nWhy: server [0-9a-f]{32}: does not report/,
        'those that run, and one that was killed a moment ago',
      )
      deployment.append('issuer-cert.pem', `next-${run}/next-issuer-cert.pem`)
      deployment.append('issuer-key.pem', `next-${run}/next-issuer-key.pem`)
      await deployment.reload(deployment.servers[1] as NonNullable<(typeof deployment.servers)[1]>)
      await servers(/1 of 2/, id)
      t.match((await airunner('ca', 'activate', id)).stderr, /Why: 1 server not ready/)
      await deployment.reload(deployment.servers[0] as NonNullable<(typeof deployment.servers)[0]>)
      if (everyStep) await deployment.replaceSecond()
      const activate = async (which: string) => {
        for (let tries = 0; tries < 400; tries++) {
          const answer = await airunner('ca', 'activate', which)
          if (answer.code === 0) return answer
          t.match(answer.stderr, /rotation_not_ready/)
          await sleep(250)
        }
        throw new Error('it is never ready')
      }
      // There, back, and there again.
      t.match((await activate(id)).stderr, new RegExp(`To go back: .airunner ca activate ${old}.`))
      await activate(old)
      t.match((await ok('ca', 'list')).stdout, new RegExp(`^${id} +issuer +prepared`, 'm'))
      await activate(id)
      await deployment.replaceSecond()
      t.match(await airunner('ca', 'remove', id, '-y'), { code: 6, stderr: /invalid_transition/ })

      await ok('ca', 'retire', old, '--renew-within', '1m')
      if (everyStep) await deployment.replaceSecond()
      t.equal((await open.get('/v1/whoami')).status, run === 0 ? 200 : 401)
      const held = await airunner('ca', 'remove', old)
      t.match(held, { code: 2, stderr: /Give --yes/ })

      // The administrator's own certificate is of the old issuer: nobody may lock himself out.
      await untilOthersRenewed(airunner, old)
      const locked = await airunner('ca', 'remove', old, '--force', '--reason', 'a test', '-y')
      if (run === 0) t.match(locked, { code: 6, stderr: /last_admin/ })
      await ok('certificate', 'renew')
      const refused = await airunner('ca', 'remove', old, '-y')
      t.equal(refused.code, 6, refused.stderr)
      t.match(refused.stderr, /Why: agent (old-hand|joined-\d+): holds the certificate/)
      await ok('ca', 'remove', old, '--force', '--reason', 'a test', '-y')
      if (run === 0) t.match(await open.get('/v1/whoami'), { status: 401, body: { code: 'certificate_untrusted' } })
      if (everyStep) await deployment.replaceSecond()
      old = id
    }
    await traffic.stop()
    t.same(traffic.refused, [])
    t.comment(traffic.done)
    t.ok(traffic.done.renewals > 5 && traffic.done.joins > 1)
    t.same(await findBreaches(ground.store.store), [])
  },
)

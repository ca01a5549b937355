import { createHash, X509Certificate } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { makeDirectory, systemDisk } from '../../src/client/files.ts'
import { readFingerprint } from '../../src/client/fingerprint.ts'
import { askWithNewKey, nameOf, serialOf } from '../../src/client/identity.ts'
import { join as joinPlane } from '../../src/client/join.ts'
import { openStateDirectory } from '../../src/client/state.ts'
import { minute } from '../../src/core/time.ts'
import {
  addressOf,
  agentOptions,
  makeShiftedClock,
  makeStateDirectory,
  patiently,
  readKept,
  startAgent,
} from '../support/agent.ts'
import { makeAuthority } from '../support/authority.ts'
import { startBalancer } from '../support/balancer.ts'
import { findBreaches } from '../support/checker.ts'
import { runCli, workDirectory } from '../support/cli.ts'
import { Crash, crashingDisk } from '../support/crash.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { makeJoiner } from '../support/joining.ts'
import { startPlane, type TestPlane } from '../support/plane.ts'

const urlOf = (listen: string): string => `https://localhost:${listen.split(':').at(-1)}`
const fingerprintOf = (pem: string): string =>
  `sha256:${createHash('sha256').update(new X509Certificate(pem).raw).digest('hex')}`

/** A plane, a directory for a machine that has nothing, and the files it was given. */
const prepare = async (t: Test, plane: TestPlane) => {
  const directory = await workDirectory(t)
  const made = makeJoiner(plane)
  t.teardown(made.client.close)
  const joiner = {
    createToken: (body?: Record<string, unknown>) => patiently(() => made.createToken(body)),
  }
  const file = (name: string, text: string) => {
    writeFileSync(join(directory, name), text)
    return join(directory, name)
  }
  return { directory, joiner, file, out: join(directory, 'state'), env: { HOME: directory } }
}

t.test('enroll: a token and a fingerprint are enough, through a TCP balancer, and the daemon goes on', async (t) => {
  const plane = await startPlane(t)
  const balancer = await startBalancer(t, [plane.server.enroll])
  const { joiner, file, out, env } = await prepare(t, plane)
  const { join_token } = await joiner.createToken({ principal_id: 'build-7' })
  const line = [
    'enroll',
    ...['--server', urlOf(balancer.address), '--token-file', file('token', `${join_token}\n`)],
    ...['--ca-fingerprint', fingerprintOf(plane.authority.root_pem).toUpperCase().replace('SHA256', 'sha256')],
    ...['--output-dir', out, '-o', 'json'],
  ]
  const answer = await runCli(line, { env })
  t.equal(answer.code, 0, answer.stderr)
  t.equal(balancer.taken(), 2, 'one connection for the bundle, another one for the proof')
  t.equal(JSON.parse(answer.stdout).principal_id, 'build-7')
  t.equal(statSync(join(out, 'identity.pem')).mode & 0o777, 0o600)
  t.equal(statSync(join(out, 'key.pem')).mode & 0o777, 0o600)
  t.equal(statSync(out).mode & 0o777, 0o700)
  t.equal(readFileSync(join(out, 'ca.pem'), 'utf8'), plane.authority.root_pem)
  t.notOk(existsSync(join(out, 'identity.next.pem')))
  t.notMatch(answer.stdout + answer.stderr, join_token)

  const again = await runCli(line, { env })
  t.equal(again.code, 6, 'nothing is overwritten')
  const agent = startAgent(t, agentOptions(plane.server, out))
  await agent.event('stream_connected')
  const renew = (...more: string[]) => {
    const files = ['cacert=ca', 'client-cert=cert', 'client-key=key'].map((pair) => `--${pair}`)
    const connection = files.flatMap((flag) => [flag.split('=')[0] ?? '', join(out, `${flag.split('=')[1]}.pem`)])
    return runCli(['certificate', 'renew', '--server', urlOf(plane.server.mtls), ...connection, ...more], { env })
  }
  t.match(await renew('--if-needed'), { code: 0, stderr: /Nothing to do/ })
  t.match(await renew(), { code: 6, stderr: /another airunner/ }, 'while the daemon runs, it is the one that renews')
  await agent.stop()
  const before = serialOf(await readKept(out))
  t.match(await renew(), { code: 0, stderr: /Renewed: identity.pem/ })
  const after = serialOf(await readKept(out))
  t.not(after, before)
  t.match(await startAgent(t, { ...agentOptions(plane.server, out), once: true }).ended, { code: 0 })
  t.equal(serialOf(await readKept(out)), after)
})

t.test('enroll: the token may come on stdin, and the trust bundle as a file', async (t) => {
  const plane = await startPlane(t)
  const { joiner, file, out, env } = await prepare(t, plane)
  const { join_token } = await joiner.createToken({ id_prefix: 'edge-' })
  const line = ['enroll', '--server', urlOf(plane.server.enroll), '--token-file', '-', '--output-dir', out]
  const answer = await runCli([...line, '--cacert', file('ca', plane.authority.root_pem), '--id', 'edge-9'], {
    env,
    stdin: join_token,
  })
  t.match(answer, { code: 0, stderr: /Joined as edge-9/ })
  t.equal(nameOf(await readKept(out)).principalId, 'edge-9')
})

t.test('enroll: whoever cannot show the root of the fingerprint is sent nothing', async (t) => {
  const plane = await startPlane(t)
  const other = await makeAuthority()
  const { joiner, file, out, env } = await prepare(t, plane)
  const { join_token } = await joiner.createToken()
  // It hands out the right bundle, its own root first, and has another certificate itself.
  const seen: string[] = []
  const thief = createTlsServer(
    { cert: other.env.AIRUNNER_SERVER_CERT, key: other.env.AIRUNNER_SERVER_KEY },
    (request, response) => {
      seen.push(`${request.method} ${request.url}`)
      response.setHeader('content-type', 'application/json')
      response.end(
        JSON.stringify({ roots_pem: `${other.root_pem}${plane.authority.root_pem}`, sha256: [], version: 'x' }),
      )
    },
  )
  await new Promise<void>((resolve) => thief.listen(0, '127.0.0.1', resolve))
  t.teardown(() => thief.close())
  const line = (server: string, fingerprint: string) => [
    'enroll',
    ...['--server', server, '--token-file', file('token', join_token), '--output-dir', out],
    ...['--ca-fingerprint', fingerprint],
  ]
  const url = urlOf(`:${(thief.address() as AddressInfo).port}`)
  t.match(await runCli(line(url, fingerprintOf(plane.authority.root_pem)), { env }), {
    code: 4,
    stderr: /could not prove that it is the server/,
  })
  t.same(seen, ['GET /v1/trust-bundle'], 'its other root is discarded, and no proof was sent to it')
  t.match(await runCli(line(urlOf(plane.server.enroll), `sha256:${'0'.repeat(64)}`), { env }), {
    code: 4,
    stderr: /no root of .* has the fingerprint/,
  })
  t.match(await runCli(line(urlOf(plane.server.enroll), 'sha256:1234'), { env }), { code: 2 })
  t.equal((await plane.admin.get('/v1/join-tokens')).body.items[0].uses, 0)
})

t.test('enroll: refusals say what to do', async (t) => {
  const plane = await startPlane(t)
  const { file, out, env } = await prepare(t, plane)
  const ca = file('ca', plane.authority.root_pem)
  const token = file('token', `airj_${'x'.repeat(43)}`)
  const base = ['enroll', '--output-dir', out]
  const table: [what: string, line: string[], code: number, stderr: RegExp][] = [
    ['no proof', ['--server', urlOf(plane.server.enroll), '--cacert', ca], 2, /no way to join/],
    [
      'two proofs',
      ['--server', urlOf(plane.server.enroll), '--cacert', ca, '--token-file', token, '--aws-iam'],
      2,
      /several ways/,
    ],
    ['no trust', ['--server', urlOf(plane.server.enroll), '--token-file', token], 3, /which server to trust/],
    [
      'a wrong token',
      ['--server', urlOf(plane.server.enroll), '--cacert', ca, '--token-file', token],
      4,
      /join_refused/,
    ],
    [
      'the mTLS listener',
      ['--server', urlOf(plane.server.mtls), '--cacert', ca, '--token-file', token],
      4,
      /enrolment/,
    ],
    ['nobody there', ['--server', 'https://localhost:1', '--cacert', ca, '--token-file', token], 7, /cannot reach/],
    [
      'an empty token',
      ['--server', urlOf(plane.server.enroll), '--cacert', ca, '--token-file', file('empty', '')],
      3,
      /cannot be used/,
    ],
  ]
  for (const [what, line, code, stderr] of table) {
    const answer = await runCli([...base, ...line, '--timeout', '3s'], { env })
    t.match(answer, { code, stderr }, what)
  }
})

t.test('enroll: a lost answer is answered again, within a run and by the next one', async (t) => {
  const plane = await startPlane(t)
  const proxy = await startFaultProxy(plane.store.engine.endpoint)
  t.teardown(proxy.stop)
  const server = await plane.startServer({ endpoint: proxy.endpoint })
  const { joiner, file, directory, env } = await prepare(t, plane)
  for (const back of [true, false]) {
    const balancer = await startBalancer(t, [server.enroll])
    const id = back ? 'build-8' : 'build-9'
    const out = join(directory, id)
    const { join_token } = await joiner.createToken({ principal_id: id })
    const line = [
      'enroll',
      ...['--server', urlOf(balancer.address), '--token-file', file(`${id}.token`, join_token), '--output-dir', out],
      ...['--cacert', file('ca', plane.authority.root_pem)],
    ]
    // The connection breaks while the server commits.
    let broken = 0
    proxy.decide = (operation) => {
      if (operation !== 'TransactWriteItems' || broken++ > 0) return { kind: 'pass' }
      setTimeout(() => {
        if (!back) balancer.targets = []
        balancer.cut()
      }, 100)
      return { kind: 'slow', milliseconds: 300 }
    }
    const first = await runCli(line, { env })
    t.ok(broken > 0)
    if (back) t.equal(first.code, 0, first.stderr)
    else {
      t.match(first, { code: 4, stderr: /Run the same command again/ })
      t.ok(existsSync(join(out, 'identity.next.pem')), 'the key waits')
      balancer.targets = [server.enroll]
      const again = await runCli(line, { env })
      t.equal(again.code, 0, again.stderr)
    }
    const { body } = await plane.admin.get(`/v1/certificates?principal_id=${id}`)
    t.equal(body.items?.length, 1)
    t.equal(serialOf(await readKept(out)), body.items[0].serial_number)
  }
  t.strictSame(await findBreaches(plane.store.store), [])
})

for (const when of ['before', 'amid', 'behind'] as const)
  t.test(`enroll: ended ${when} any change of a file, the same command finishes it with one certificate`, async (t) => {
    const plane = await startPlane(t)
    const { joiner, file, directory, env } = await prepare(t, plane)
    let places = 0
    for (let at = 1; at < 30; at++) {
      const id = `build-${at}`
      const out = join(directory, id)
      const { join_token } = await joiner.createToken({ principal_id: id })
      const token = file(`${id}.token`, join_token)
      const died = await joinPlane({
        state: openStateDirectory(out, await makeDirectory(out).then(() => crashingDisk(systemDisk, at, when))),
        server: addressOf(plane.server.enroll),
        trust: { rootsPem: plane.authority.root_pem },
        proof: { method: 'token', read: async () => join_token },
        now: Date.now,
        random: Math.random,
        sleep,
        timeout: 5000,
        signal: new AbortController().signal,
      }).then(
        () => false,
        (error: unknown) => {
          if (error instanceof Crash) return true
          throw error
        },
      )
      if (!died) break
      places++
      const line = ['enroll', '--server', urlOf(plane.server.enroll), '--token-file', token, '--output-dir', out]
      const answer = await runCli([...line, '--cacert', file('ca', plane.authority.root_pem)], { env })
      // Behind the last step there is nothing left to finish.
      if (answer.code === 6) t.notOk(existsSync(join(out, 'identity.next.pem')))
      else t.equal(answer.code, 0, answer.stderr)
      const kept = await readKept(out)
      t.equal(readFileSync(join(out, 'cert.pem'), 'utf8'), kept.chainPem)
      t.equal(readFileSync(join(out, 'key.pem'), 'utf8'), kept.keyPem)
      const { body } = await plane.admin.get(`/v1/certificates?principal_id=${id}`)
      t.same(
        body.items?.map(({ serial_number }: { serial_number: string }) => serial_number),
        [serialOf(kept)],
      )
    }
    t.ok(places >= 8, `${places} places`)
  })

t.test('a key that joining left behind is not the new key of a renewal', async (t) => {
  const plane = await startPlane(t)
  const { identity, issued } = await patiently(() => plane.enrol('worker-1', 'worker', 300))
  const directory = await makeStateDirectory(t, plane, identity)
  const { csrPem } = askWithNewKey('x')
  writeFileSync(join(directory, 'identity.next.pem'), `${identity.key}${csrPem}`)
  const agent = startAgent(t, agentOptions(plane.server, directory), { now: () => Date.now() + 4 * minute })
  await agent.event('certificate_renewed')
  const kept = await readKept(directory)
  t.not(serialOf(kept), issued.certificate.serial_number)
  t.not(kept.keyPem.trim(), identity.key.trim())
})

t.test('the daemon joins by itself, and again after expiry; its principal stays the same', async (t) => {
  const clock = makeShiftedClock()
  const plane = await startPlane(t, { clock: clock.now })
  const { joiner, out } = await prepare(t, plane)
  const { join_token } = await joiner.createToken({
    principal_id: 'worker-7',
    rejoin: true,
    max_uses: 10,
    ttl_seconds: 86_400,
    validity_seconds: 300,
  })
  const balancer = await startBalancer(t, [plane.server.mtls])
  const agent = startAgent(
    t,
    {
      ...agentOptions({ ...plane.server, mtls: balancer.address }, out),
      trust: { fingerprint: readFingerprint(fingerprintOf(plane.authority.root_pem)) as string },
      proof: { method: 'token', read: async () => join_token },
    },
    { now: clock.now },
  )
  const joined = await agent.event('joined')
  t.equal(joined['principal_id'], 'worker-7')
  await agent.event('stream_connected')
  balancer.targets = []
  balancer.cut()
  clock.forward(10 * minute)
  await agent.event('identity_failed')
  balancer.targets = [plane.server.mtls]
  await agent.event('certificate_ended')
  const rejoined = await agent.event('rejoined')
  t.not(rejoined['serial_number'], joined['serial_number'])
  t.equal(rejoined['principal_id'], 'worker-7')
  const kept = await readKept(out)
  t.equal(serialOf(kept), rejoined['serial_number'])
  const { body } = await plane.admin.get('/v1/principals/worker-7')
  t.match(body, { rejoins: 1 })
  t.same(
    readdirSync(out).filter((name) => name.includes('next')),
    [],
  )
  await agent.stop()
  t.strictSame(await findBreaches(plane.store.store, clock.now()), [])
})

t.test('a plane whose authorities were all replaced while the machine was off: it joins anew', async (t) => {
  const before = await startPlane(t)
  const after = await startPlane(t)
  const { identity } = await patiently(() => before.enrol('worker-7', 'worker', 300))
  const directory = await makeStateDirectory(t, before, identity)
  const { joiner } = await prepare(t, after)
  const { join_token } = await joiner.createToken({ principal_id: 'worker-7' })
  const options = {
    ...agentOptions(after.server, directory),
    trust: { rootsPem: after.authority.root_pem },
    proof: { method: 'token', read: async () => join_token } as const,
  }
  const early = startAgent(t, options)
  await early.event('check_failed')
  t.same(early.events('certificate_ended'), [], 'not while its certificate may be good')
  await early.stop()
  const agent = startAgent(t, options, { now: () => Date.now() + 10 * minute })
  t.match(await agent.event('rejoined'), { principal_id: 'worker-7' })
  await agent.event('stream_connected')
})

t.test('the daemon: a first join that is refused ends it; so does expiry without a way back', async (t) => {
  const clock = makeShiftedClock()
  const plane = await startPlane(t, { clock: clock.now })
  const { joiner, out } = await prepare(t, plane)
  const options = { ...agentOptions(plane.server, out), trust: { rootsPem: plane.authority.root_pem } }
  t.match(await startAgent(t, options).ended, { code: 3, what: /holds no identity/ })
  const refused = startAgent(t, { ...options, proof: { method: 'token', read: async () => `airj_${'x'.repeat(43)}` } })
  t.match(await refused.ended, { code: 4, what: /join_refused/ })

  const { join_token } = await joiner.createToken({ validity_seconds: 300 })
  const once = { ...options, once: true, proof: { method: 'token', read: async () => join_token } as const }
  t.match(await startAgent(t, once, { now: clock.now }).ended, { code: 0 })
  clock.forward(6 * minute)
  const late = startAgent(t, options, { now: clock.now })
  t.match(await late.ended, { code: 4, why: /certificate_expired/ })
})

const endings: [what: string, act: (plane: TestPlane, serial: string) => Promise<unknown>, code: RegExp][] = [
  [
    'revoked',
    (plane, serial) => plane.admin.post(`/v1/certificates/${serial}/revoke`, { reason: 'key_compromise' }),
    /certificate_revoked/,
  ],
  [
    'suspended',
    (plane) => plane.admin.post('/v1/principals/worker-1/suspend', { reason: 'a look' }),
    /principal_suspended/,
  ],
  [
    'deleted',
    (plane) => plane.admin.call('DELETE', '/v1/principals/worker-1'),
    /principal_deleted|certificate_revoked/,
  ],
]
for (const [what, act, code] of endings)
  t.test(
    `told that it is ${what}, the daemon stops trying, says why and ends with 4, also when it could join again`,
    async (t) => {
      const plane = await startPlane(t)
      const { joiner, out } = await prepare(t, plane)
      const { join_token } = await joiner.createToken({ principal_id: 'worker-1', rejoin: true, max_uses: 10 })
      const options = {
        ...agentOptions(plane.server, out),
        trust: { rootsPem: plane.authority.root_pem },
        proof: { method: 'token', read: async () => join_token } as const,
      }
      const agent = startAgent(t, options)
      const { serial_number } = await agent.event('joined')
      await agent.event('stream_connected')
      const started = performance.now()
      await act(plane, serial_number)
      const end = await agent.ended
      t.match(end, { code: 4, what: code })
      t.ok(performance.now() - started < 60_000, 'soon')
      t.match(await startAgent(t, options).ended, { code: 4, what: code }, 'and so does the next start')
      t.equal((await plane.admin.get('/v1/principals/worker-1')).body.rejoins, 0)
    },
  )

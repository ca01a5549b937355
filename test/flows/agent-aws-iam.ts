import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import t, { type Test } from 'tap'
import { serialOf } from '../../src/client/identity.ts'
import { minute } from '../../src/core/time.ts'
import { createServerCertificate } from '../../src/pki/ca.ts'
import { generateKeyPair, privateKeyPem } from '../../src/pki/keys.ts'
import { addressOf, agentOptions, makeShiftedClock, readKept, startAgent } from '../support/agent.ts'
import { spyOn, startAgentProgram } from '../support/agent-program.ts'
import { eventually } from '../support/agent-stream.ts'
import { makeAuthority } from '../support/authority.ts'
import { startBalancer } from '../support/balancer.ts'
import { findBreaches } from '../support/checker.ts'
import { runCli, workDirectory } from '../support/cli.ts'
import { makeJoiner } from '../support/joining.ts'
import { type RunningServer, startPlane, type TestPlane } from '../support/plane.ts'
import { type StsCaller, startSts } from '../support/sts.ts'

const caller: StsCaller = {
  accessKeyId: 'ASIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  sessionToken: 'IQoJb3JpZ2luX2VjEXAMPLE+/token==',
  account: '123456789012',
  arn: 'arn:aws:sts::123456789012:assumed-role/build-worker/0a1b2c3d',
  userId: 'AROAIOSFODNN7EXAMPLE:0a1b2c3d',
}
/** The credentials as a shell has them; the metadata service of a machine that is none of AWS is not waited for. */
const region = { AWS_REGION: 'eu-west-1', AWS_EC2_METADATA_DISABLED: 'true' }
const credentials = {
  ...region,
  AWS_ACCESS_KEY_ID: caller.accessKeyId,
  AWS_SECRET_ACCESS_KEY: caller.secretAccessKey,
  AWS_SESSION_TOKEN: caller.sessionToken as string,
}
const rule = {
  method: 'aws_iam',
  principal_type: 'worker',
  principal_id_template: 'aws-{account_id}-{role_name}',
  aws_iam: { account_ids: [caller.account], role_names: ['build-worker'] },
}
const id = 'aws-123456789012-build-worker'
const urlOf = (listen: string): string => `https://localhost:${listen.split(':').at(-1)}`

const stsAuthority = await makeAuthority()
// What a server in a process of its own has by NODE_EXTRA_CA_CERTS.
setDefaultCACertificates([...getCACertificates('default'), stsAuthority.root_pem])

/** A plane that asks an STS which verifies signatures, and a machine with nothing but its role. */
const prepare = async (t: Test, now: () => number = Date.now) => {
  const sts = await startSts(t, stsAuthority, [caller], now)
  const plane = await startPlane(t, { clock: now, env: { AWS_ENDPOINT_URL_STS: sts.url.origin } })
  const joiner = makeJoiner(plane)
  t.teardown(joiner.client.close)
  const directory = await workDirectory(t)
  const cacert = join(directory, 'ca.pem')
  writeFileSync(cacert, plane.authority.root_pem)
  const out = join(directory, 'state')
  const args = (enroll = plane.server.enroll): string[] => [
    ...['--server', urlOf(plane.server.mtls), '--enroll-server', urlOf(enroll), '--state-dir', out],
    ...['--cacert', cacert, '--aws-iam'],
  ]
  return { sts, plane, joiner, directory, cacert, out, args }
}

const certificatesOf = async (plane: TestPlane): Promise<{ serial_number: string; status: string }[]> =>
  (await plane.admin.get(`/v1/certificates?principal_id=${id}`)).body.items
const principalOf = async (plane: TestPlane) => (await plane.admin.get(`/v1/principals/${id}`)).body
const whoami = async (plane: TestPlane, out: string): Promise<number> => {
  const kept = await readKept(out)
  return (await plane.clientOf({ certificate: kept.chainPem, key: kept.keyPem }).get('/v1/whoami')).status
}
const reasons = async (plane: TestPlane): Promise<string[]> => {
  const { body } = await plane.admin.get('/v1/audit-events?action=join.refuse')
  return body.items.map((event: { after: { reason: string } }) => event.after.reason)
}

/** As the agent of ECS gives them to a task. */
const startTaskRole = async (t: Test) => {
  const asked: (string | undefined)[] = []
  const server = createServer((request, response) => {
    asked.push(request.headers.authorization)
    response.setHeader('content-type', 'application/json')
    response.end(
      JSON.stringify({
        RoleArn: 'arn:aws:iam::123456789012:role/build-worker',
        AccessKeyId: caller.accessKeyId,
        SecretAccessKey: caller.secretAccessKey,
        Token: caller.sessionToken,
        Expiration: new Date(Date.now() + 3_600_000).toISOString(),
      }),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return { asked, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v2/credentials` }
}

t.test('a task of ECS joins by its role, renews, and loads nothing of AWS but to join', async (t) => {
  const { plane, joiner, directory, out, args, sts } = await prepare(t)
  await joiner.createRule(rule)
  const role = await startTaskRole(t)
  const env = {
    ...region,
    AWS_CONTAINER_CREDENTIALS_FULL_URI: role.url,
    AWS_CONTAINER_AUTHORIZATION_TOKEN: 'Bearer of-the-task',
  }
  const loaded = (name: string) => readFileSync(join(directory, name), 'utf8')
  const first = startAgentProgram(t, args(), { env, node: spyOn(join(directory, 'first')) })
  t.match(await first.event('joined'), { principal_id: id })
  t.strictSame(role.asked, ['Bearer of-the-task'])
  t.match(sts.requests, [{ headers: { 'x-amz-security-token': caller.sessionToken } }])
  t.notOk(sts.requests[0]?.error)
  t.match(loaded('first'), /@aws-sdk\/credential-provider-node/)
  await first.event('stream_connected')
  t.equal((await plane.admin.post(`/v1/agents/${id}/commands`, { command: 'renew' })).status, 201)
  const renewed = await first.event('certificate_renewed')
  first.child.kill('SIGTERM')
  t.match(await first.ended, { code: 143 })
  t.equal(serialOf(await readKept(out)), renewed['serial_number'])

  const second = startAgentProgram(t, args(), { env, node: spyOn(join(directory, 'second')) })
  await second.event('stream_connected')
  t.notMatch(loaded('second'), /@aws-sdk|@smithy|@aws-crypto/, 'who has an identity needs nothing of it')
  t.equal(role.asked.length, 1)
  t.equal(sts.requests.length, 1)
  t.strictSame(await findBreaches(plane.store.store), [])
})

t.test(
  'credentials of the environment; a machine that has lost its state comes back where the rule allows it',
  async (t) => {
    const { plane, joiner, out, args } = await prepare(t)
    const { join_rule_id } = await joiner.createRule(rule)
    const start = () => startAgentProgram(t, args(), { env: credentials })
    const first = start()
    await first.event('stream_connected')
    first.child.kill('SIGKILL')
    await first.ended
    const lost = serialOf(await readKept(out))
    rmSync(out, { recursive: true })
    t.match(await start().ended, { code: 4, stderr: /join_refused/ }, 'by this rule nobody comes back')
    t.match(await reasons(plane), [/rejoining is not allowed/])
    t.equal((await plane.admin.call('DELETE', `/v1/join-rules/${join_rule_id}`)).status, 200)

    await joiner.createRule({ ...rule, principal_id_template: 'aws-{role_name}', rejoin: true })
    const other = start()
    t.match(await other.event('joined'), { principal_id: 'aws-build-worker' })
    other.child.kill('SIGKILL')
    await other.ended
    const before = serialOf(await readKept(out))
    rmSync(out, { recursive: true })
    const back = start()
    const joined = await back.event('joined')
    t.match(joined, { principal_id: 'aws-build-worker' })
    await back.event('stream_connected')
    const { body } = await plane.admin.get(`/v1/certificates/${before}`)
    t.match(body, { status: 'revoked', revocation_reason: 'superseded' }, 'what was lost is displaced')
    t.match((await plane.admin.get(`/v1/certificates/${lost}`)).body, { status: 'active' }, 'and nobody else is')
    t.strictSame(await findBreaches(plane.store.store), [])
  },
)

t.test('its certificate expires while it is off: it joins again as who it was', async (t) => {
  const clock = makeShiftedClock()
  const { plane, joiner, out } = await prepare(t, clock.now)
  await joiner.createRule({ ...rule, validity_seconds: 300, rejoin: true })
  for (const [name, value] of Object.entries(credentials)) process.env[name] = value
  t.teardown(() => {
    for (const name of Object.keys(credentials)) delete process.env[name]
  })
  const options = {
    ...agentOptions(plane.server, out),
    trust: { rootsPem: plane.authority.root_pem },
    proof: { method: 'aws_iam' as const },
    enrollServer: addressOf(plane.server.enroll),
  }
  const first = startAgent(t, options, { now: clock.now })
  const { serial_number } = await first.event('joined')
  await first.event('stream_connected')
  await first.stop()
  // Two hours later, by a clock of which this machine's own knows nothing: what it signs is of the plane's time.
  clock.forward(120 * minute)
  const again = startAgent(t, options, { now: clock.now })
  t.match(await again.event('rejoined'), { principal_id: id })
  await again.event('stream_connected')
  await again.stop()
  t.not(serialOf(await readKept(out)), serial_number)
  t.match(await principalOf(plane), { rejoins: 1, active_certificates: 1 })
})

for (const rejoin of [false, true])
  t.test(
    `killed between the request and the answer, ${rejoin ? 'with' : 'without'} rejoin: the next run ends it`,
    async (t) => {
      const { plane, joiner, sts, out, args } = await prepare(t)
      await joiner.createRule({ ...rule, rejoin })
      const between = await startBalancer(t, [plane.server.enroll])
      sts.answerWith = (honest) => {
        // From here on the plane's answer is lost.
        between.muted = true
        return { ...honest, delay: 300 }
      }
      const first = startAgentProgram(t, args(between.address), { env: credentials })
      t.ok(await eventually(async () => (await principalOf(plane)).status === 'active'), 'the plane has let it in')
      first.child.kill('SIGKILL')
      await first.ended
      t.notOk(existsSync(join(out, 'identity.pem')), 'and the machine knows nothing of it')
      const asked = readFileSync(join(out, 'identity.next.pem'), 'utf8')

      between.muted = false
      sts.answerWith = undefined
      // A signature says the second in which it was made.
      await new Promise((resolve) => setTimeout(resolve, 1100))
      const second = startAgentProgram(t, args(between.address), { env: credentials })
      await second.event('stream_connected')
      t.equal(sts.requests.length, 2)
      const [one, other] = sts.requests.map(({ headers }) => headers)
      t.not(one?.authorization, other?.authorization, 'another signature')
      t.equal(one?.['x-airunner-binding'], other?.['x-airunner-binding'], 'of the same request')
      t.ok(asked.includes((await readKept(out)).keyPem.trim()), 'with the key that was made first')
      t.equal(await whoami(plane, out), 200)
      const all = await certificatesOf(plane)
      t.equal(all.filter(({ status }) => status === 'active').length, 1)
      t.equal(all.length, rejoin ? 2 : 1, rejoin ? 'it has come back' : 'what it was given was given again')
      t.match(await principalOf(plane), { active_certificates: 1, rejoins: rejoin ? 1 : 0 })
      t.strictSame(await findBreaches(plane.store.store), [])
    },
  )

t.test('an STS that is away is no refusal: the agent tries again, and joins when it is back', async (t) => {
  const { plane, joiner, sts, args } = await prepare(t)
  await joiner.createRule(rule)
  sts.answerWith = () => ({ status: 503, body: 'busy' })
  const joining = makeJoiner(plane).client
  t.teardown(joining.close)
  const agent = startAgentProgram(t, args(), { env: credentials })
  t.ok(await eventually(() => sts.requests.length > 0))
  t.ok(await eventually(async () => (await reasons(plane)).length > 0))
  t.match(await reasons(plane), [/STS failed with status 503/])
  const { body } = await plane.admin.get('/v1/audit-events?action=join.refuse')
  t.match(body.items[0], { code: 'issuer_unavailable' })
  sts.answerWith = undefined
  t.match(await agent.event('joined'), { principal_id: id })
})

t.test('the name of the plane is part of what is signed, and a wrong one is told', async (t) => {
  const { sts, plane, joiner, cacert, directory } = await prepare(t)
  await joiner.createRule(rule)
  const { publicKey, privateKey } = generateKeyPair()
  const issuer = plane.authority.serverIssuer
  const hostname = 'airunner.example.com'
  const extra_names = { dns: ['localhost'], ip: ['127.0.0.1'] }
  const order = { issuer, publicKey, hostname, extra_names, now: Date.now() }
  const named: RunningServer = await plane.startServer({
    flags: { hostname },
    env: {
      AWS_ENDPOINT_URL_STS: sts.url.origin,
      AIRUNNER_SERVER_CERT: (await createServerCertificate(order)).pem + issuer.pem,
      AIRUNNER_SERVER_KEY: privateKeyPem(privateKey),
    },
  })
  const enroll = (server: string) =>
    runCli(['enroll', '--aws-iam', '--server', server, '--cacert', cacert, '--output-dir', join(directory, 'out')], {
      env: { HOME: directory },
    })
  for (const [name, value] of Object.entries(credentials)) process.env[name] = value
  t.teardown(() => {
    for (const name of Object.keys(credentials)) delete process.env[name]
  })
  const told = await enroll(urlOf(named.enroll))
  t.match(told, {
    code: 4,
    stderr:
      /join_refused(.|\n)*a plane of the name localhost, and the certificate of the server names airunner.example.com, localhost: if the plane was started with another --hostname, join by that name/,
  })
  t.match(await reasons(plane), [/SignatureDoesNotMatch/])
  const asked = sts.requests.length
  t.match(await enroll(urlOf(plane.server.enroll).replace('localhost', '127.0.0.1')), {
    code: 3,
    stderr: /must be given by name(.|\n)*--hostname/,
  })
  t.equal(sts.requests.length, asked, 'nothing is signed for an address')
  const { stderr } = await enroll(urlOf(plane.server.enroll).replace('localhost', '[::1]'))
  t.match(stderr, /must be given by name/)
  const agent = ['--server', urlOf(named.mtls).replace('localhost', '127.0.0.1'), '--state-dir', join(directory, 'x')]
  t.match(await startAgentProgram(t, [...agent, '--cacert', cacert, '--aws-iam']).ended, {
    code: 3,
    stderr: /must be given by name/,
  })
})

import { createHmac } from 'node:crypto'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import t, { type Test } from 'tap'
import { signAwsProof } from '../../src/client/aws-proof.ts'
import { csrSha256 } from '../../src/client/identity.ts'
import type { AwsProof } from '../../src/wire/enrollments.ts'
import { makeShiftedClock } from '../support/agent.ts'
import { makeAuthority } from '../support/authority.ts'
import { findBreaches } from '../support/checker.ts'
import { type Answer, makeRequest } from '../support/client.ts'
import { makeIssuerKey, startIssuer } from '../support/issuer.ts'
import { makeJoiner } from '../support/joining.ts'
import { startPlane, type TestPlane } from '../support/plane.ts'
import { identityXml, type StsAnswer, type StsCaller, startSts } from '../support/sts.ts'

const authority = await makeAuthority()
setDefaultCACertificates([...getCACertificates('default'), authority.root_pem])

/** The newest reason in the audit; written in the background. */
const lastRefusal = async (plane: TestPlane, requestId: string) => {
  for (let tries = 0; tries < 1500; tries++) {
    const { body } = await plane.admin.get('/v1/audit-events?action=join.refuse')
    const found = body.items.find((event: { request_id: string }) => event.request_id === requestId)
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return undefined
}

/** Refused, with nothing said but that, and the reason where only an admin sees it. */
const mustBeRefused = async (t: Test, plane: TestPlane, name: string, answer: Answer, reason: string | RegExp) => {
  const { request_id, ...said } = answer.body
  t.strictSame(
    said,
    {
      type: 'https://airunner.dev/docs/errors#join_refused',
      title: 'Joining was refused',
      status: 401,
      code: 'join_refused',
    },
    `${name}: the caller is told nothing`,
  )
  t.match(await lastRefusal(plane, request_id), { code: 'join_refused', after: { reason } }, `${name}: the audit knows`)
}

const role: StsCaller = {
  accessKeyId: 'ASIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  account: '123456789012',
  arn: 'arn:aws:sts::123456789012:assumed-role/build-worker/i-0abcdef',
  userId: 'AROAIOSFODNN7EXAMPLE:i-0abcdef',
}
const longer: StsCaller = {
  ...role,
  accessKeyId: 'ASIALONGERODNN7EXAMPLE',
  arn: role.arn.replace('build-worker', 'build-worker-evil'),
}
const shorter: StsCaller = {
  ...role,
  accessKeyId: 'ASIASHORTERDNN7EXAMPLE',
  arn: role.arn.replace('build-worker', 'build'),
}
const stranger: StsCaller = {
  ...role,
  accessKeyId: 'ASIASTRANGERN7EXAMPLE',
  account: '999999999999',
  arn: role.arn.replace('123456789012', '999999999999'),
}

t.test('an AWS identity: every trick is refused, audited with its reason, and told nothing', async (t) => {
  const clock = makeShiftedClock()
  const sts = await startSts(t, authority, [role, longer, shorter, stranger], clock.now)
  const env = { AWS_ENDPOINT_URL_STS: sts.url.origin }
  const plane = await startPlane(t, { clock: clock.now, env, flags: { awsRegions: 'eu-west-1,us-east-1' } })
  const joiner = makeJoiner(plane)
  t.teardown(joiner.client.close)
  await joiner.createRule({
    method: 'aws_iam',
    principal_type: 'worker',
    principal_id_template: 'aws-{session_name}',
    aws_iam: { account_ids: ['123456789012'], role_names: ['build-worker'], trust_session_name: true },
  })
  const sign = (csr_pem: string, more: Partial<Parameters<typeof signAwsProof>[0]> = {}) =>
    signAwsProof({
      hostname: 'localhost',
      csrSha256: csrSha256(csr_pem),
      region: 'eu-west-1',
      credentials: role,
      now: clock.now,
      ...more,
    })
  const send = (aws: AwsProof, csr_pem: string) => joiner.join({ method: 'aws_iam', aws }, { csr_pem })
  const edited = async (csr: string, from: string | RegExp, to: string): Promise<AwsProof> => {
    const proof = await sign(csr)
    return { ...proof, authorization: proof.authorization.replace(from, to) }
  }
  const other = (await makeRequest()).csr_pem
  const says = (answer: Partial<StsAnswer>) => (honest: StsAnswer) => ({ ...honest, ...answer })
  const arn = (text: string) => says({ body: identityXml({ ...role, arn: text }) })
  const assumed = 'arn:aws:sts::123456789012:assumed-role'
  const plain = (csr: string) => sign(csr)
  const by = (credentials: StsCaller) => (csr: string) => sign(csr, { credentials })

  const tricks: [
    name: string,
    proof: (csr: string) => Promise<AwsProof>,
    reason: RegExp,
    answerWith?: (honest: StsAnswer) => StsAnswer,
  ][] = [
    ['a signature replayed with another request', () => sign(other), /SignatureDoesNotMatch/],
    ['the binding of another plane', (csr) => sign(csr, { hostname: 'other.example.com' }), /SignatureDoesNotMatch/],
    ['a binding that is not signed', (csr) => edited(csr, 'x-airunner-binding;', ''), /not over exactly the headers/],
    ['a region outside the list', (csr) => sign(csr, { region: 'eu-west-2' }), /the region is not allowed/],
    [
      'a region that is a host',
      async (csr) => ({ ...(await sign(csr)), region: 'x.evil' }),
      /the region is not allowed/,
    ],
    ['another region than signed', (csr) => edited(csr, '/eu-west-1/', '/us-east-1/'), /scoped to another region/],
    ['a changed signature', (csr) => edited(csr, /[0-9a-f]{8}$/, '00000000'), /SignatureDoesNotMatch/],
    ['an old date', (csr) => sign(csr, { now: () => clock.now() - 600_000 }), /over 5 minutes off/],
    ['a redirect', plain, /with a redirect/, says({ status: 302, headers: { location: 'https://localhost/' } })],
    ['a huge answer', plain, /longer than 65536 bytes/, says({ body: ' '.repeat(70_000) })],
    ['a malformed answer', plain, /not its plain XML/, says({ body: '<GetCallerIdentityResponse>' })],
    ['an answer of something else', plain, /not the identity of a caller/, says({ body: '<html></html>' })],
    ['a slash in the session', plain, /neither an assumed role/, arn(`${assumed}/build-worker/x/i-0abcdef`)],
    ['a path before the role', plain, /neither an assumed role/, arn(`${assumed}/x/build-worker/i-0abcdef`)],
    ['a role that begins like an allowed one', by(longer), /role_name is not one of the roles/],
    ['a role that an allowed one begins with', by(shorter), /role_name is not one of the roles/],
    ['another account', by(stranger), /account_id is not one of the accounts/],
    ['nobody that AWS knows', by({ ...role, accessKeyId: 'ASIANOBODYSFODNN7EXAM' }), /InvalidClientTokenId/],
  ]
  for (const [name, proof, reason, answerWith] of tricks) {
    // Ten refusals of a source are audited one by one in a minute.
    clock.forward(61_000)
    const { csr_pem } = await makeRequest()
    sts.answerWith = answerWith
    await mustBeRefused(t, plane, name, await send(await proof(csr_pem), csr_pem), reason)
  }
  sts.answerWith = undefined
  const { csr_pem } = await makeRequest()
  const good = await sign(csr_pem)
  const joined = await send(good, csr_pem)
  t.equal(joined.status, 201, 'and without a trick it joins')
  await mustBeRefused(t, plane, 'replayed after a join', await send(good, other), /SignatureDoesNotMatch/)
  t.strictSame((await send(good, csr_pem)).body, joined.body, 'the same request: the same certificate')
  t.strictSame(await findBreaches(plane.store.store, clock.now()), [])
})

t.test('an id token: every trick is refused, audited with its reason, and told nothing', async (t) => {
  const clock = makeShiftedClock()
  const plane = await startPlane(t, { clock: clock.now })
  const second = await plane.startServer({ clock: clock.now })
  const joiner = makeJoiner(plane)
  const elsewhere = makeJoiner(plane, second)
  for (const { client } of [joiner, elsewhere]) t.teardown(client.close)
  const issuer = await startIssuer(t, authority)
  const keys = { known: await makeIssuerKey('RS256', 'known'), unknown: await makeIssuerKey('RS256', 'unknown') }
  issuer.published = { keys: [keys.known.jwk] }
  const oidc = {
    issuer: issuer.url,
    audiences: ['airunner'],
    claims: { repository_id: { equals: '7' } },
    ca_pem: authority.root_pem,
  }
  const base = { method: 'oidc', principal_type: 'worker', principal_id_template: 'run-{run_id}', oidc }
  for (const claims of [{}, { ref: { glob: '*' } }, { iss: { equals: issuer.url } }])
    t.match(
      await plane.admin.post('/v1/join-rules', { ...base, oidc: { ...oidc, claims } }),
      { status: 400, body: { code: 'invalid_request' } },
      `a rule without an exact claim: ${JSON.stringify(claims)}`,
    )
  await joiner.createRule(base)

  let run = 0
  const seconds = () => Math.floor(clock.now() / 1000)
  const claimsOf = (more: Record<string, unknown> = {}) => ({
    iss: issuer.url,
    aud: 'airunner',
    jti: `jti-${++run}`,
    iat: seconds(),
    exp: seconds() + 300,
    repository_id: '7',
    run_id: String(run),
    ...more,
  })
  const signed = (more?: Record<string, unknown>, header?: Record<string, unknown>, key = keys.known) =>
    issuer.sign(key, claimsOf(more), header)
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const hmac = async () => {
    const half = `${encode({ alg: 'HS256', typ: 'JWT', kid: 'known' })}.${encode(claimsOf())}`
    const pem = keys.known.publicKey.export({ type: 'spki', format: 'pem' }).toString()
    return `${half}.${createHmac('sha256', pem).update(half).digest('base64url')}`
  }
  const send = (id_token: string, from = joiner, more = {}) => from.join({ method: 'oidc', id_token }, more)

  const tricks: [name: string, token: () => Promise<string>, reason: RegExp][] = [
    ['another audience', () => signed({ aud: 'sts.amazonaws.com' }), /for another audience/],
    ['an issuer with a slash', () => signed({ iss: `${issuer.url}/` }), /no rule knows the issuer/],
    ['an issuer in capitals', () => signed({ iss: issuer.url.toUpperCase() }), /no rule knows the issuer/],
    ['alg none', async () => `${encode({ alg: 'none' })}.${encode(claimsOf())}.`, /algorithm of the token/],
    ['HS256 with the public key', hmac, /algorithm of the token/],
    ['expired', () => signed({ exp: seconds() - 1 }), /is expired/],
    ['exp beyond 24 hours', () => signed({ exp: seconds() + 86_400 + 60 }), /over 24 hours away/],
    ['a key id that is unknown', () => signed({}, {}, keys.unknown), /a key that its issuer does not name/],
    ['a key that is unknown', () => signed({}, { kid: 'known' }, keys.unknown), /does not verify/],
    ['another repository', () => signed({ repository_id: '77' }), /repository_id is another/],
  ]
  for (const [name, token, reason] of tricks) {
    clock.forward(61_000)
    await mustBeRefused(t, plane, name, await send(await token()), reason)
  }

  for (const [name, more] of [
    ['replayed', {}],
    ['replayed, without a jti', { jti: undefined }],
  ] as const) {
    clock.forward(61_000)
    const token = await signed(more)
    t.equal((await send(token)).status, 201)
    await mustBeRefused(t, plane, `${name} on another server`, await send(token, elsewhere), /used before|exists/)
  }

  // Keys are believed for 10 minutes.
  clock.forward(11 * 60_000)
  issuer.answerWith = () => ({ status: 503 })
  const token = await signed()
  const { csr_pem } = await makeRequest()
  const away = await send(token, joiner, { csr_pem })
  t.match(away, { status: 503, body: { code: 'issuer_unavailable' }, headers: { 'retry-after': /^\d+$/ } }, 'keys down')
  t.notOk('detail' in away.body, 'nor is more said of an outage')
  t.match(await lastRefusal(plane, away.body.request_id), {
    code: 'issuer_unavailable',
    after: { reason: /discovery document of the issuer could not be read: status 503/ },
  })
  issuer.answerWith = undefined
  clock.forward(6000)
  t.equal((await send(token, joiner, { csr_pem })).status, 201, 'and the same token is good when they are back')
  t.strictSame(await findBreaches(plane.store.store, clock.now()), [])
})

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { makeVerifyAwsIam, stsAt } from '../../../src/auth/join/aws-iam.ts'
import { commercialRegions, isRegion } from '../../../src/auth/join/aws-regions.ts'
import { makeExchange } from '../../../src/auth/join/exchange.ts'
import { JoinRefused } from '../../../src/auth/join/proof.ts'
import { signAwsProof } from '../../../src/client/aws-proof.ts'
import { sha256Hex } from '../../../src/core/bytes.ts'
import type { AwsProof } from '../../../src/wire/enrollments.ts'
import { makeAuthority } from '../../support/authority.ts'
import { identityXml, type StsAnswer, type StsCaller, signatureOf, startSts } from '../../support/sts.ts'

const hostname = 'airunner-prod.example.com'
const csrSha256 = sha256Hex('a certificate request')
const now = Date.now()
const minutes = 60_000

const roleCaller: StsCaller = {
  accessKeyId: 'ASIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  sessionToken: 'IQoJb3JpZ2luX2VjEXAMPLE+/token==',
  account: '123456789012',
  arn: 'arn:aws:sts::123456789012:assumed-role/build-worker/i-0abcdef1234567890',
  userId: 'AROAIOSFODNN7EXAMPLE:i-0abcdef1234567890',
}
const userCaller: StsCaller = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'anotherSecretKey/EXAMPLE',
  account: '123456789012',
  arn: 'arn:aws:iam::123456789012:user/team/ops/alice',
  userId: 'AIDAIOSFODNN7EXAMPLE',
}

const authority = await makeAuthority()
const sts = await startSts(t, authority, [roleCaller, userCaller])
const exchange = makeExchange({ timeout: 3000, limit: 64 * 1024 })
const impatient = makeExchange({ timeout: 300, limit: 64 * 1024 })
const endpointOf = () => ({ url: sts.url, ca: sts.ca })
const verify = makeVerifyAwsIam({ hostname, exchange, endpointOf })

const sign = (more: Partial<Parameters<typeof signAwsProof>[0]> = {}): Promise<AwsProof> =>
  signAwsProof({ hostname, csrSha256, region: 'eu-west-1', credentials: roleCaller, now: () => now, ...more })

/** Why it was refused; not refused at all is no reason. */
const reasonOf = (verified: Promise<unknown>): Promise<unknown> =>
  verified.then(
    () => undefined,
    (error) => (error instanceof JoinRefused ? error.reason : error),
  )

t.beforeEach(() => {
  sts.requests.length = 0
  sts.answerWith = undefined
})

t.test('a role of AWS is known by the signature that its own tools make', async (t) => {
  const proof = await sign()
  const proven = await verify(proof, { csr_sha256: csrSha256, now })
  t.same(proven.attributes, {
    account_id: '123456789012',
    arn: roleCaller.arn,
    user_id: roleCaller.userId,
    role_name: 'build-worker',
    session_name: 'i-0abcdef1234567890',
  })
  t.equal(proven.method, 'aws_iam')
  t.equal(proven.subject, roleCaller.arn)
  t.equal(proven.keep_until, now + 20 * minutes)
  t.match(proven.proof_id, /^[0-9a-f]{64}$/)
  t.same(await verify(proof, { csr_sha256: csrSha256, now }), proven, 'the same signature is known again')
  t.not((await verify(await sign({ now: () => now + 1000 }), { csr_sha256: csrSha256, now })).proof_id, proven.proof_id)

  const [{ headers, body } = { headers: {}, body: '' }] = sts.requests
  t.equal(headers.host, 'sts.eu-west-1.amazonaws.com')
  t.equal(headers['x-airunner-binding'], `${hostname}.${csrSha256}`)
  t.equal(body, 'Action=GetCallerIdentity&Version=2011-06-15')
  t.same(
    Object.keys(headers).sort(),
    [
      'authorization',
      'connection',
      'content-length',
      'content-type',
      'host',
      'x-airunner-binding',
      'x-amz-date',
      'x-amz-security-token',
    ],
    'and nothing more is sent',
  )
})

t.test('a user of IAM has no role and its name without its path', async (t) => {
  const proof = await sign({ credentials: userCaller })
  t.notOk('x_amz_security_token' in proof)
  const { attributes } = await verify(proof, { csr_sha256: csrSha256, now })
  t.same(attributes, {
    account_id: '123456789012',
    arn: userCaller.arn,
    user_id: userCaller.userId,
    user_name: 'alice',
  })
})

t.test('a signature written by the published algorithm is as good', async (t) => {
  const date = `${new Date(now).toISOString().replace(/[-:]|\.\d+/g, '')}`
  const headers = {
    'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
    host: 'sts.us-east-1.amazonaws.com',
    'x-airunner-binding': `${hostname}.${csrSha256}`,
    'x-amz-date': date,
  }
  const body = 'Action=GetCallerIdentity&Version=2011-06-15'
  const { secretAccessKey, accessKeyId } = userCaller
  const signature = signatureOf({
    method: 'POST',
    path: '/',
    headers,
    body,
    date,
    region: 'us-east-1',
    secretAccessKey,
  })
  const authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${date.slice(0, 8)}/us-east-1/sts/aws4_request, SignedHeaders=${Object.keys(headers).join(';')}, Signature=${signature}`
  const proof = { region: 'us-east-1', authorization, x_amz_date: date }
  t.equal((await verify(proof, { csr_sha256: csrSha256, now })).subject, userCaller.arn)
})

t.test('what is not a signature for this plane and this request is refused', async (t) => {
  const proof = await sign()
  const other = async (more: Parameters<typeof sign>[0]) => sign(more)
  const edit = (from: string | RegExp, to: string | ((found: string) => string)): AwsProof => ({
    ...proof,
    authorization: proof.authorization.replace(from, to as string),
  })
  const without = ({ x_amz_security_token: _, ...rest }: AwsProof): AwsProof => rest
  const stsSays = (code: string) => `STS did not accept the signature: status 403, ${code}`
  const notOver = 'the signature is not over exactly the headers that are sent'
  const cases: [name: string, proof: AwsProof, reason: string, asked: boolean, csr?: string][] = [
    ['replayed with another request', proof, stsSays('SignatureDoesNotMatch'), true, sha256Hex('another request')],
    [
      'made for another plane',
      await other({ hostname: 'airunner-dev.example.com' }),
      stsSays('SignatureDoesNotMatch'),
      true,
    ],
    // hostname "a" with a request "b.c" must not be the plane "a.b" with "c": the hash has a fixed length and no dots.
    [
      'made for a plane whose name is longer',
      await other({ hostname: `x.${hostname}` }),
      stsSays('SignatureDoesNotMatch'),
      true,
    ],
    ['binding not signed', edit('host;x-airunner-binding;', 'host;'), notOver, false],
    ['host not signed', edit('host;', ''), notOver, false],
    ['content type not signed', edit('content-type;', ''), notOver, false],
    ['date not signed', edit('x-amz-date;', ''), notOver, false],
    ['session not signed', edit(';x-amz-security-token', ''), notOver, false],
    ['one header more', edit('x-amz-date;', 'x-amz-content-sha256;x-amz-date;'), notOver, false],
    ['headers out of order', edit('content-type;host;', 'host;content-type;'), notOver, false],
    ['session left out', without(proof), notOver, false],
    ['session of somebody else', { ...proof, x_amz_security_token: 'other' }, stsSays('InvalidClientTokenId'), true],
    [
      'session with a line break',
      { ...proof, x_amz_security_token: 'a\r\nhost: b' },
      'the security token is malformed',
      false,
    ],
    ['unknown key', edit(/ASIA\w+/, 'ASIAXXXXXXXXEXAMPLE'), stsSays('InvalidClientTokenId'), true],
    [
      'one digit of the signature',
      edit(/.$/, (last) => (last === '0' ? '1' : '0')),
      stsSays('SignatureDoesNotMatch'),
      true,
    ],
    [
      'upper-case signature',
      edit(/[0-9a-f]{64}$/, (hex) => hex.toUpperCase()),
      'the authorization is malformed',
      false,
    ],
    ['short signature', edit(/.$/, ''), 'the authorization is malformed', false],
    ['text behind the signature', edit(/$/, ', X=1'), 'the authorization is malformed', false],
    ['line break behind the signature', edit(/$/, '\n'), 'the authorization is malformed', false],
    ['another algorithm', edit('AWS4-HMAC-SHA256', 'AWS4-ECDSA-P256-SHA256'), 'the authorization is malformed', false],
    ['for another service', edit('/sts/', '/s3/'), 'the authorization is malformed', false],
    ['for another region', edit('/eu-west-1/', '/eu-west-2/'), 'the signature is scoped to another region', false],
    [
      'sent as of another region',
      { ...proof, region: 'eu-west-2' },
      'the signature is scoped to another region',
      false,
    ],
    ['of another day', edit(/\/\d{8}\//, '/20200101/'), 'the signature is scoped to another day than its date', false],
    [
      'too old',
      await other({ now: () => now - 5 * minutes - 1000 }),
      'the date of the signature is over 5 minutes off',
      false,
    ],
    [
      'of the future',
      await other({ now: () => now + 5 * minutes + 1000 }),
      'the date of the signature is over 5 minutes off',
      false,
    ],
    [
      'another date than signed',
      { ...proof, x_amz_date: (await sign({ now: () => now - 1000 })).x_amz_date },
      stsSays('SignatureDoesNotMatch'),
      true,
    ],
    ['no date', { ...proof, x_amz_date: 'today' }, 'the date of the signature is malformed', false],
    [
      'a day that does not exist',
      { ...proof, x_amz_date: '20260231T000000Z' },
      'the date of the signature is malformed',
      false,
    ],
    ['a region of nowhere', { ...proof, region: 'eu-west-9' }, 'the region is not allowed', false],
    ['a region that is a host', { ...proof, region: 'evil.example/' }, 'the region is not allowed', false],
    ['a region of China', { ...proof, region: 'cn-north-1' }, 'the region is not allowed', false],
    ['a region of the government', { ...proof, region: 'us-gov-west-1' }, 'the region is not allowed', false],
    ['an empty region', { ...proof, region: '' }, 'the region is not allowed', false],
  ]
  for (const [name, each, reason, asked, csr] of cases) {
    sts.requests.length = 0
    t.equal(await reasonOf(verify(each, { csr_sha256: csr ?? csrSha256, now })), reason, name)
    t.equal(sts.requests.length, asked ? 1 : 0, `${name}: STS is ${asked ? '' : 'not '}asked`)
  }
})

t.test('only allowed regions are asked', async (t) => {
  const one = makeVerifyAwsIam({ hostname, exchange, endpointOf, regions: ['us-gov-west-1', 'us-east-1'] })
  t.equal(await reasonOf(one(await sign(), { csr_sha256: csrSha256, now })), 'the region is not allowed')
  sts.answerWith = (honest) => ({ ...honest, body: String(honest.body).replace('arn:aws:', 'arn:aws-us-gov:') })
  const proof = await sign({ region: 'us-gov-west-1' })
  t.equal((await one(proof, { csr_sha256: csrSha256, now })).attributes['role_name'], 'build-worker')
  for (const region of [
    '',
    'localhost',
    'eu-west-1.evil.example',
    'eu-west-1/',
    'cn-north-1',
    'EU-WEST-1',
    'eu-west-1\n',
  ])
    t.throws(() => makeVerifyAwsIam({ hostname, regions: [region] }), TypeError, JSON.stringify(region))
  t.ok(commercialRegions.every(isRegion))
  t.equal(new Set(commercialRegions).size, commercialRegions.length)
})

t.test('what STS must not answer is refused', async (t) => {
  const xml = (edit: Partial<Parameters<typeof identityXml>[0]>) => identityXml({ ...roleCaller, ...edit })
  const arn = (text: string, userId = roleCaller.userId): Partial<StsAnswer> => ({ body: xml({ arn: text, userId }) })
  const role = 'arn:aws:sts::123456789012:assumed-role/build-worker'
  const notXml = 'STS answered something that is not its plain XML'
  const notIdentity = 'STS answered something that is not the identity of a caller'
  const neither = 'the caller is neither an assumed role nor a user of IAM'
  const contradicts = 'STS answered something that contradicts itself'
  const elsewhere = 'the caller belongs to another partition of AWS'
  const good = identityXml(roleCaller)
  const bomb = `<!DOCTYPE x [${Array.from({ length: 9 }, (_, n) => `<!ENTITY e${n + 1} "${`&e${n};`.repeat(10)}">`).join('')}<!ENTITY e0 "aaaaaaaaaa">]>`
  const cases: [name: string, answer: Partial<StsAnswer>, reason: string][] = [
    ['a redirect', { status: 302, headers: { location: 'https://evil.example/' } }, 'STS answered with a redirect'],
    ['a redirect to itself', { status: 307, headers: { location: '/' } }, 'STS answered with a redirect'],
    ['an error of its own', { status: 503, body: 'busy' }, 'STS failed with status 503'],
    [
      'throttling',
      { status: 400, body: '<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>' },
      'STS has too much to do: status 400, Throttling',
    ],
    ['too many requests', { status: 429, body: '' }, 'STS has too much to do: status 429'],
    ['another success', { status: 201 }, 'STS did not accept the signature: status 201'],
    ['nothing', { body: '' }, notXml],
    ['a page', { body: '<html><body>hi</body></html>' }, notIdentity],
    ['JSON', { body: JSON.stringify({ GetCallerIdentityResponse: {} }) }, notXml],
    ['bytes', { body: Buffer.from([0xff, 0xfe, 0x00, 0x3c]) }, notXml],
    ['half of it', { body: good.slice(0, 200) }, notXml],
    [
      'more than 64 KB',
      { body: good + ' '.repeat(64 * 1024) },
      'STS could not be asked: the answer is longer than 65536 bytes',
    ],
    ['many entities', { body: bomb + good.replace('build-worker', '&e9;') }, notXml],
    [
      'an external entity',
      { body: `<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>${good.replace('build-worker', '&f;')}` },
      notXml,
    ],
    ['a character reference', { body: good.replace('build-worker', 'build&#45;worker') }, notXml],
    ['CDATA', { body: good.replace(/<Arn>(.*)<\/Arn>/, '<Arn><![CDATA[$1]]></Arn>') }, notXml],
    ['a comment inside a name', { body: good.replace('build-worker', 'build<!-- -->-worker') }, notXml],
    ['an instruction', { body: good.replace('<Account>', '<?x y?><Account>') }, notXml],
    ['letters beyond ASCII', { body: good.replace('build-worker', 'büild-worker') }, notXml],
    ['two ARNs', { body: good.replace('<UserId>', `<Arn>${role}/other</Arn><UserId>`) }, notIdentity],
    ['an ARN with an attribute', { body: good.replace('<Arn>', '<Arn x="1">') }, notIdentity],
    ['parts within the ARN', { body: good.replace(/<Arn>.*<\/Arn>/, '<Arn><b>x</b></Arn>') }, notIdentity],
    ['no account', { body: good.replace(/<Account>.*<\/Account>/, '') }, notIdentity],
    [
      'two results',
      { body: good.replace(/(<GetCallerIdentityResult>[\s\S]*<\/GetCallerIdentityResult>)/, '$1$1') },
      notIdentity,
    ],
    ['two documents', { body: good + good }, notXml],
    ['another namespace', { body: good.replace('2011-06-15', '2011-06-16') }, notIdentity],
    ['an account of 11 digits', { body: good.replaceAll('123456789012', '12345678901') }, neither],
    ['another account than in the ARN', { body: xml({ account: '999999999999' }) }, contradicts],
    ['another session than in the ARN', { body: xml({ userId: 'AROAIOSFODNN7EXAMPLE:other' }) }, contradicts],
    ['a session with a slash', arn(`${role}/a/b`), neither],
    ['a session with a colon', arn(`${role}/a:b`), neither],
    ['no session', arn(role), neither],
    ['an empty session', arn(`${role}/`), neither],
    ['an empty role', arn('arn:aws:sts::123456789012:assumed-role//s'), neither],
    ['a role with a path', arn('arn:aws:sts::123456789012:assumed-role/team/build-worker/s'), neither],
    ['the role itself', arn('arn:aws:iam::123456789012:role/build-worker'), neither],
    ['a federated user', arn('arn:aws:sts::123456789012:federated-user/build-worker'), neither],
    ['the root user', arn('arn:aws:iam::123456789012:root'), neither],
    ['a region in the ARN', arn('arn:aws:sts:eu-west-1:123456789012:assumed-role/build-worker/s'), neither],
    ['text around the ARN', arn(`x${role}/s`), neither],
    ['a line break in the session', arn(`${role}/a\nb`), neither],
    ['a user as a role', arn('arn:aws:iam::123456789012:assumed-role/build-worker/s'), neither],
    ['a caller of China', arn('arn:aws-cn:sts::123456789012:assumed-role/build-worker/i-0abcdef1234567890'), elsewhere],
  ]
  const silent = ['an error of its own', 'throttling', 'too many requests']
  const proof = await sign()
  for (const [name, answer, reason] of cases) {
    sts.answerWith = (honest) => ({ ...honest, ...answer })
    const failure = await verify(proof, { csr_sha256: csrSha256, now }).catch((error) => error)
    t.equal(failure.reason, reason, name)
    t.equal(failure.code, silent.includes(name) ? 'issuer_unavailable' : 'join_refused', name)
  }
})

t.test('an STS that is slow, gone or somebody else proves nothing', async (t) => {
  const proof = await sign()
  const context = { csr_sha256: csrSha256, now }
  const hasty = makeVerifyAwsIam({ hostname, exchange: impatient, endpointOf })
  sts.answerWith = (honest) => ({ ...honest, delay: 5000 })
  t.equal(await reasonOf(hasty(proof, context)), 'STS could not be asked: no answer within 300 ms', 'no first byte')
  sts.answerWith = (honest) => ({ ...honest, stall: 5000 })
  t.equal(await reasonOf(hasty(proof, context)), 'STS could not be asked: no answer within 300 ms', 'no last byte')
  sts.answerWith = undefined
  const stranger = makeVerifyAwsIam({ hostname, exchange, endpointOf: () => ({ url: sts.url }) })
  t.match(
    await reasonOf(stranger(proof, context)),
    /^STS could not be asked: the connection failed/,
    'not by a public root',
  )
  t.equal(
    sts.requests.filter(({ headers }) => headers['x-airunner-binding'] !== undefined).length,
    2,
    'and it is sent nothing',
  )
  const gone = makeVerifyAwsIam({ hostname, exchange, endpointOf: () => ({ url: new URL('https://localhost:1/') }) })
  for (const outage of [hasty, stranger, gone]) {
    sts.answerWith = (honest) => ({ ...honest, delay: 5000 })
    await t.rejects(outage(proof, context), { code: 'issuer_unavailable', retryAfterSeconds: 5 }, 'and refuses nothing')
  }
  sts.answerWith = undefined
  t.equal(await reasonOf(gone(proof, context)), 'STS could not be asked: the connection failed (ECONNREFUSED)')
  const plain = makeVerifyAwsIam({ hostname, exchange, endpointOf: () => ({ url: new URL('http://localhost:1/') }) })
  t.equal(await reasonOf(plain(proof, context)), 'STS could not be asked: the address is not https')
  const blank = makeVerifyAwsIam({ hostname, exchange, endpointOf: () => ({ url: sts.url, ca: ' \n' }) })
  t.match(await reasonOf(blank(proof, context)), /there is no root/, 'an empty list of roots is not the public one')
})

t.test('an emulator is asked where whoever runs the server says, and what is signed stays the same', async (t) => {
  const hosts: unknown[] = []
  const emulator = createServer((request, response) => {
    hosts.push(request.headers.host)
    response.end(identityXml(roleCaller))
  })
  await new Promise<void>((resolve) => emulator.listen(0, '127.0.0.1', resolve))
  t.teardown(() => emulator.close())
  const { port } = emulator.address() as AddressInfo
  const at = (address: string) => makeVerifyAwsIam({ hostname, ...stsAt(new URL(address)) })
  const proof = await sign()
  const context = { csr_sha256: csrSha256, now }
  t.equal((await at(`http://127.0.0.1:${port}/`)(proof, context)).subject, roleCaller.arn)
  t.strictSame(hosts, ['sts.eu-west-1.amazonaws.com'])
  t.match(await reasonOf(at(`https://127.0.0.1:${port}/`)(proof, context)), /the connection failed/, 'TLS stays TLS')
  t.equal(hosts.length, 1)
  t.match(await reasonOf(at('http://169.254.169.254/')(proof, context)), /one where nothing is asked/)
})

t.test('a name that leads to a metadata service is not asked', async (t) => {
  const asked: string[] = []
  const answers: Record<string, { address: string; family: number }[]> = {
    'all.example': [{ address: '169.254.169.254', family: 4 }],
    'six.example': [{ address: 'fe80::1%eth0', family: 6 }],
    'some.example': [
      { address: '169.254.170.2', family: 4 },
      { address: '127.0.0.1', family: 4 },
    ],
  }
  const lookup = ((name: string, _options: object, done: (error: null, found: object[]) => void) => {
    asked.push(name)
    done(null, answers[name] ?? [])
  }) as unknown as typeof import('node:dns').lookup
  const guarded = makeExchange({ timeout: 3000, limit: 1024, lookup })
  const ask = (name: string) => guarded({ url: new URL(`https://${name}:1/`), method: 'GET' })
  await t.rejects(ask('all.example'), { message: 'the address is one where nothing is asked', passing: false })
  await t.rejects(ask('six.example'), { message: 'the address is one where nothing is asked' })
  await t.rejects(ask('some.example'), { message: 'the connection failed (ECONNREFUSED)', passing: true })
  t.strictSame(asked, ['all.example', 'six.example', 'some.example'])
})

t.test('what is asked of STS at once is bounded', async (t) => {
  sts.answerWith = (honest) => ({ ...honest, delay: 200 })
  const proof = await sign()
  const all = await Promise.allSettled(Array.from({ length: 80 }, () => verify(proof, { csr_sha256: csrSha256, now })))
  const codes = all.map((each) => (each.status === 'fulfilled' ? 'ok' : each.reason.code))
  t.equal(codes.filter((code) => code === 'ok').length, 64)
  t.equal(codes.filter((code) => code === 'overloaded').length, 16)
})

t.test('the region comes from the environment', async (t) => {
  const regionOf = async (env: Record<string, string>) =>
    (await signAwsProof({ hostname, csrSha256, credentials: roleCaller, env })).region
  t.equal(await regionOf({ AWS_REGION: 'eu-north-1', AWS_DEFAULT_REGION: 'us-west-2' }), 'eu-north-1')
  t.equal(await regionOf({ AWS_REGION: '', AWS_DEFAULT_REGION: 'us-west-2' }), 'us-west-2')
  t.equal(await regionOf({}), 'us-east-1')
})

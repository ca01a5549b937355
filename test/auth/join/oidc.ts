import { createHmac, generateKeyPairSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { OAuth2Server } from 'oauth2-mock-server'
import t from 'tap'
import { makeExchange } from '../../../src/auth/join/exchange.ts'
import { keySourceOf } from '../../../src/auth/join/key-source.ts'
import { makeVerifyOidc } from '../../../src/auth/join/oidc.ts'
import { JoinRefused } from '../../../src/auth/join/proof.ts'
import type { OidcCondition } from '../../../src/core/joining.ts'
import { makeAuthority } from '../../support/authority.ts'
import { workDirectory } from '../../support/cli.ts'
import { makeIssuerKey, startIssuer } from '../../support/issuer.ts'

const hours = 3600
const authority = await makeAuthority()
const exchange = makeExchange({ timeout: 3000, limit: 256 * 1024 })
const context = (now = Date.now()) => ({ csr_sha256: '0'.repeat(64), now })
const audience = 'airunner-prod.example.com'

const keys = {
  rs: await makeIssuerKey('RS256', 'rs'),
  es: await makeIssuerKey('ES256', 'es'),
  ed: await makeIssuerKey('EdDSA', 'ed'),
  rs384: await makeIssuerKey('RS384', 'rs384'),
  es384: await makeIssuerKey('ES384', 'es384'),
  ps: await makeIssuerKey('PS256', 'ps'),
  other: await makeIssuerKey('RS256', 'other'),
}
const issuer = await startIssuer(t, authority)
const published = { keys: [keys.rs, keys.es, keys.ed, keys.rs384, keys.es384, keys.ps].map(({ jwk }) => jwk) }

const conditionOf = (more: Partial<OidcCondition> = {}): OidcCondition => ({
  issuer: issuer.url,
  audiences: [audience],
  claims: { repository_id: { equals: '123456789' } },
  ca_pem: authority.root_pem,
  reuse: 'once',
  ...more,
})
const verifierOf = (conditions: OidcCondition[], more: { clock?: () => number; patience?: number } = {}) =>
  makeVerifyOidc({
    conditions: async () => conditions,
    clock: more.clock ?? Date.now,
    exchange: more.patience === undefined ? exchange : makeExchange({ timeout: more.patience, limit: 256 * 1024 }),
  })
const verify = verifierOf([conditionOf()])

const seconds = () => Math.floor(Date.now() / 1000)
const claimsOf = (more: Record<string, unknown> = {}) => ({
  iss: issuer.url,
  aud: audience,
  sub: 'repo:acme/web:ref:refs/heads/main',
  jti: 'a-token',
  iat: seconds(),
  nbf: seconds(),
  exp: seconds() + 300,
  repository_id: '123456789',
  ...more,
})
const signed = (more: Record<string, unknown> = {}, header: Record<string, unknown> = {}, key = keys.rs) =>
  issuer.sign(key, claimsOf(more), header)

/** Why it was refused; not refused at all is no reason. */
const reasonOf = (verified: Promise<unknown>): Promise<unknown> =>
  verified.then(
    () => undefined,
    (error) => (error instanceof JoinRefused ? error.reason : error),
  )
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

t.beforeEach(() => {
  issuer.requests.length = 0
  issuer.published = published
  issuer.answerWith = undefined
})

t.test('a run of GitHub Actions is known by the token of a real issuer', async (t) => {
  const directory = await workDirectory(t)
  const files = { key: join(directory, 'key.pem'), cert: join(directory, 'cert.pem') }
  await writeFile(files.key, authority.env.AIRUNNER_SERVER_KEY)
  await writeFile(files.cert, authority.env.AIRUNNER_SERVER_CERT)
  const server = new OAuth2Server(files.key, files.cert)
  await server.issuer.keys.generate('RS256')
  await server.start(0, 'localhost')
  t.teardown(() => server.stop())
  const url = server.issuer.url as string
  t.match(url, /^https:\/\/localhost:\d+$/)

  const token = await server.issuer.buildToken({
    scopesOrTransform: (_header, payload) => {
      Object.assign(payload, {
        aud: audience,
        jti: 'a-run',
        sub: 'repo:acme/web:environment:prod',
        repository: 'acme/web',
        repository_id: '123456789',
        run_id: '987',
        run_attempt: '1',
      })
    },
  })
  const verify = verifierOf([conditionOf({ issuer: url })])
  const proven = await verify({ id_token: token }, context())
  t.match(proven.attributes, { iss: url, aud: audience, repository_id: '123456789', run_id: '987' })
  t.equal(proven.subject, `${url} repo:acme/web:environment:prod`)
  t.equal(proven.key_source, keySourceOf(conditionOf({ issuer: url })))
  t.equal(proven.keep_until, Number(proven.attributes['exp']) * 1000)
  t.equal((await verify({ id_token: token }, context())).proof_id, proven.proof_id, 'the same token is known again')

  const elsewhere = verifierOf([conditionOf({ issuer: `${url}/` }), conditionOf({ issuer: url.toUpperCase() })])
  t.equal(await reasonOf(elsewhere({ id_token: token }, context())), 'no rule knows the issuer of the token')
  const unknown = verifierOf([conditionOf({ issuer: url, ca_pem: (await makeAuthority()).root_pem })])
  t.match(await reasonOf(unknown({ id_token: token }, context())), /could not be read: the connection failed/)
})

t.test('the three algorithms, and ways to have the keys', async (t) => {
  for (const key of [keys.rs, keys.es, keys.ed])
    t.equal((await verify({ id_token: await signed({}, {}, key) }, context())).attributes['repository_id'], '123456789')
  t.same(issuer.requests, ['/.well-known/openid-configuration', '/keys'], 'the keys are asked for once')

  issuer.requests.length = 0
  const direct = verifierOf([conditionOf({ jwks_url: `${issuer.url}/keys` })])
  t.ok(await direct({ id_token: await signed() }, context()))
  t.same(issuer.requests, ['/keys'])

  issuer.requests.length = 0
  const { ca_pem: _, ...rest } = conditionOf()
  const inline = verifierOf([{ ...rest, jwks: { keys: [keys.es.jwk] } }])
  t.ok(await inline({ id_token: await signed({}, {}, keys.es) }, context()))
  t.ok(await inline({ id_token: await signed({}, { kid: undefined }, keys.es) }, context()), 'one key needs no name')
  t.match(await reasonOf(inline({ id_token: await signed() }, context())), /a key that its issuer does not name/)
  t.same(issuer.requests, [], 'nobody is asked')
})

t.test('what no honest token says is refused', async (t) => {
  const { es, rs, ps, rs384, es384, other } = keys
  const now = seconds()
  const [head = '', body = '', signature = ''] = (await signed()).split('.')
  const pem = rs.publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const hs = `${encode({ alg: 'HS256', typ: 'JWT', kid: 'rs' })}.${body}`
  const algorithm = 'the algorithm of the token is not allowed'
  const notVerified = 'the signature of the token does not verify'
  const unknownIssuer = 'no rule knows the issuer of the token'
  const unknownKey = 'the token is signed with a key that its issuer does not name'
  const cases: [name: string, token: string, reason: string][] = [
    ['another audience', await signed({ aud: 'airunner-dev.example.com' }), 'the token is for another audience'],
    [
      'an audience that begins so',
      await signed({ aud: `${audience}.evil.example` }),
      'the token is for another audience',
    ],
    ['an audience in capitals', await signed({ aud: audience.toUpperCase() }), 'the token is for another audience'],
    ['two audiences', await signed({ aud: [audience, 'sts.amazonaws.com'] }), 'the token is for several audiences'],
    ['no audience', await signed({ aud: undefined }), 'the token is for no audience'],
    ['an audience that is no text', await signed({ aud: [[audience]] }), 'the token is for no audience'],
    ['an issuer with a slash', await signed({ iss: `${issuer.url}/` }), unknownIssuer],
    ['an issuer in capitals', await signed({ iss: issuer.url.replace('localhost', 'LOCALHOST') }), unknownIssuer],
    ['no issuer', await signed({ iss: undefined }), unknownIssuer],
    ['a list of issuers', await signed({ iss: [issuer.url] }), unknownIssuer],
    ['no signature', `${encode({ alg: 'none' })}.${body}.`, algorithm],
    ['None', `${encode({ alg: 'None' })}.${body}.`, algorithm],
    ['none with a signature', `${encode({ alg: 'none', kid: 'rs' })}.${body}.${signature}`, algorithm],
    ['HS256 with the public key', `${hs}.${createHmac('sha256', pem).update(hs).digest('base64url')}`, algorithm],
    ['RS384', await signed({}, {}, rs384), algorithm],
    ['ES384', await signed({}, {}, es384), algorithm],
    ['PS256', await signed({}, {}, ps), algorithm],
    ['no algorithm', `${encode({ kid: 'rs' })}.${body}.${signature}`, algorithm],
    ['a list of algorithms', `${encode({ alg: ['RS256'], kid: 'rs' })}.${body}.${signature}`, algorithm],
    ['expired', await signed({ exp: now - 1 }), 'the token is expired'],
    ['expired within the tolerance', await signed({ exp: now - 10 }), 'the token is expired'],
    ['no exp', await signed({ exp: undefined }), 'exp of the token is missing'],
    ['exp as text', await signed({ exp: String(now + 300) }), 'exp of the token is wrong'],
    ['exp beyond 24 hours', await signed({ exp: now + 24 * hours + 60 }), 'exp of the token is over 24 hours away'],
    ['exp in milliseconds', await signed({ exp: (now + 300) * 1000 }), 'exp of the token is over 24 hours away'],
    ['nbf in the future', await signed({ nbf: now + 60 }), 'nbf of the token is in the future'],
    ['iat in the future', await signed({ iat: now + 60 }), 'iat of the token is in the future'],
    ['iat as text', await signed({ iat: 'now' }), 'iat of the token is wrong'],
    ['iat after exp', await signed({ exp: now + 5, iat: now + 10 }), 'the token ends before it begins'],
    ['jti that is no text', await signed({ jti: 5 }), 'jti of the token is malformed'],
    ['an empty jti', await signed({ jti: '' }), 'jti of the token is malformed'],
    ['an unknown key', await signed({}, {}, other), unknownKey],
    ['the name of another key', await signed({}, { kid: 'es' }), unknownKey],
    ['the name of a key that it is not', await signed({}, { kid: 'rs' }, other), notVerified],
    ['a changed claim', `${head}.${encode(claimsOf({ repository_id: '1' }))}.${signature}`, notVerified],
    ['its key in its header', await signed({}, { kid: 'rs', jwk: other.jwk }, other), 'the token has a header jwk'],
    ['where its key is', await signed({}, { jku: `${issuer.url}/keys` }), 'the token has a header jku'],
    ['its certificate', await signed({}, { x5c: ['MIIB'] }), 'the token has a header x5c'],
    ['where its certificate is', await signed({}, { x5u: issuer.url }), 'the token has a header x5u'],
    [
      'what must be understood',
      `${encode({ alg: 'RS256', kid: 'rs', crit: ['exp'], exp: 1 })}.${body}.${signature}`,
      'the token has a header crit',
    ],
    [
      'unencoded',
      `${encode({ alg: 'RS256', kid: 'rs', b64: false })}.${body}.${signature}`,
      'the token has a header b64',
    ],
    ['an access token', await signed({}, { typ: 'at+jwt' }), 'the token is of another type'],
    [
      'a name of a key that is no text',
      `${encode({ alg: 'RS256', kid: ['rs'] })}.${body}.${signature}`,
      'the token is malformed',
    ],
    ['over 16 KB', await signed({ padding: 'x'.repeat(16 * 1024) }), 'the token is longer than 16 KB'],
    ['nothing', '', 'the token is malformed'],
    ['two parts', `${head}.${body}`, 'the token is malformed'],
    ['four parts', `${head}.${body}.${signature}.x`, 'the token is malformed'],
    ['a line break behind it', `${head}.${body}.${signature}\n`, 'the token is malformed'],
    ['a header that is no object', `${encode([])}.${body}.${signature}`, 'the token is malformed'],
    ['claims that are no object', `${head}.${encode('x')}.${signature}`, 'the token is malformed'],
    [
      'claims that are no JSON',
      `${head}.${Buffer.from('{').toString('base64url')}.${signature}`,
      'the token is malformed',
    ],
    [
      'a claim twice by its dotted name',
      await signed({ 'a.b': '1', a: { b: '2' } }),
      'two claims of the token have the same name',
    ],
    [
      'very many claims',
      await signed(Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`c${n}`, n]))),
      'the token has too many claims',
    ],
    ['a signature of another kind', `${encode({ alg: 'ES256', kid: 'es' })}.${body}.${signature}`, notVerified],
    ['an empty signature', `${head}.${body}.`, notVerified],
    [
      'another key of the same kind',
      await issuer.sign(
        { ...es, privateKey: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey },
        claimsOf(),
      ),
      notVerified,
    ],
  ]
  for (const [name, token, reason] of cases)
    t.equal(await reasonOf(verify({ id_token: token }, context())), reason, name)
})

t.test('claims become attributes without loss, or not at all', async (t) => {
  const token = await signed({
    aud: [audience],
    actor_id: 42,
    large: 2 ** 60,
    half: 0.5,
    protected: true,
    nothing: null,
    groups: ['a', 'b'],
    long: 'x'.repeat(2000),
    ['__proto__']: 'x',
    'https://example.com/team': 'web',
    'kubernetes.io': {
      namespace: 'build',
      serviceaccount: { name: 'worker', uid: 'b1' },
      deep: { a: { b: { c: { d: 1 } } } },
    },
  })
  const { attributes } = await verify({ id_token: token }, context())
  t.match(attributes, {
    aud: audience,
    actor_id: '42',
    protected: 'true',
    'https://example.com/team': 'web',
    'kubernetes.io.namespace': 'build',
    'kubernetes.io.serviceaccount.name': 'worker',
    'kubernetes.io.serviceaccount.uid': 'b1',
  })
  for (const name of ['large', 'half', 'nothing', 'groups', 'long', 'kubernetes.io', 'kubernetes.io.deep.a.b.c.d'])
    t.notOk(Object.hasOwn(attributes, name), name)
})

t.test('a token that was used is recognised', async (t) => {
  const idOf = async (token: string) => (await verify({ id_token: token }, context())).proof_id
  const first = await idOf(await signed())
  t.equal(await idOf(await signed({ repository_id: '1' })), first, 'by its jti, whatever else it says')
  t.not(await idOf(await signed({ jti: 'another' })), first)

  const claims = claimsOf({ jti: undefined })
  const token = await issuer.sign(keys.es, claims)
  const used = await idOf(token)
  t.equal(await idOf(token), used, 'without one: by what it says')
  t.not(await idOf(await issuer.sign(keys.es, { ...claims, run_id: '2' })), used)
  // @see SEC 1 §4.1.3: with (r, s) every (r, n - s) verifies, and needs no key to be made.
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
  const [head, body, signature = ''] = token.split('.')
  const raw = Buffer.from(signature, 'base64url')
  const s = order - BigInt(`0x${raw.subarray(32).toString('hex')}`)
  const twin = Buffer.concat([raw.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')])
  const again = `${head}.${body}.${twin.toString('base64url')}`
  t.not(again, token)
  t.equal(await idOf(again), used, 'also with the other signature that verifies')
})

t.test('keys are asked for again seldom, and believed for 10 minutes', async (t) => {
  let now = Date.now()
  const verify = verifierOf([conditionOf({ jwks_url: `${issuer.url}/keys` })], { clock: () => now })
  const ask = async (key = keys.rs) => reasonOf(verify({ id_token: await signed({}, {}, key) }, context()))
  const unknown = 'the token is signed with a key that its issuer does not name'
  t.equal(await ask(), undefined)
  t.equal(issuer.requests.length, 1)
  issuer.published = { keys: [...published.keys, keys.other.jwk] }
  t.equal(await ask(keys.other), unknown, 'an unknown key so soon is not looked for')
  t.equal(issuer.requests.length, 1)
  now += 30_001
  t.same(await Promise.all([ask(keys.other), ask(keys.other), ask(keys.other)]), [undefined, undefined, undefined])
  t.equal(issuer.requests.length, 2, 'many who wait ask once')
  issuer.published = published
  t.equal(await ask(keys.other), undefined, 'a withdrawn key is believed')
  now += 10 * 60_000
  t.equal(await ask(keys.other), unknown, 'for a while')
  t.equal(issuer.requests.length, 3)
  now -= 60 * 60_000
  t.equal(await ask(), undefined)
  t.equal(issuer.requests.length, 4, 'a clock that was set back does not make them live longer')
})

t.test('an outage is not held against a key that nobody could look for', async (t) => {
  let now = Date.now()
  const verify = verifierOf([conditionOf({ jwks_url: `${issuer.url}/keys` })], { clock: () => now })
  const ask = async (key = keys.rs) =>
    verify({ id_token: await signed({}, {}, key) }, context()).then(
      () => undefined,
      ({ code }) => code,
    )
  t.equal(await ask(), undefined)
  issuer.answerWith = () => ({ status: 503 })
  t.equal(await ask(keys.other), 'join_refused', 'just read: there is no such key')
  now += 30_001
  for (const when of ['not answered', 'not asked again at once'])
    t.equal(await ask(keys.other), 'issuer_unavailable', when)
  t.equal(issuer.requests.length, 2)
  t.equal(await ask(), undefined, 'known keys are good meanwhile')
  for (let i = 0; i < 3; i++) {
    now += 5001
    t.equal(await ask(keys.other), 'issuer_unavailable')
  }
  t.equal(issuer.requests.length, 5)
  issuer.answerWith = undefined
  issuer.published = { keys: [...published.keys, keys.other.jwk] }
  now += 5001
  t.equal(await ask(keys.other), undefined, 'whoever asked in between does not make it last')
})

t.test('an issuer that does not answer as it should proves nothing', async (t) => {
  const discovery = '/.well-known/openid-configuration'
  const document = (more: object) => JSON.stringify({ issuer: issuer.url, jwks_uri: `${issuer.url}/keys`, ...more })
  const at = (path: string, answer: object) => (asked: string) => (asked === path ? answer : undefined)
  const read = (what: string) => `${what} could not be read:`
  const keysOf = 'the keys of the issuer'
  const documentOf = 'the discovery document of the issuer'
  const notOf = 'the discovery document is not that of the issuer'
  const cases: [name: string, answer: (path: string) => object | undefined, reason: string][] = [
    ['keys down', at('/keys', { status: 503 }), `${read(keysOf)} status 503`],
    ['keys elsewhere', at('/keys', { status: 302, headers: { location: '/keys' } }), `${read(keysOf)} status 302`],
    ['keys of another shape', at('/keys', { body: '[]' }), 'the keys of the issuer are malformed'],
    ['no JSON', at('/keys', { body: '<html>' }), 'the keys of the issuer is not JSON'],
    [
      'very many keys',
      at('/keys', { body: JSON.stringify({ keys: Array(101).fill({}) }) }),
      'the keys of the issuer are malformed',
    ],
    [
      'a flood',
      at('/keys', { body: ' '.repeat(257 * 1024) }),
      `${read(keysOf)} the answer is longer than 262144 bytes`,
    ],
    ['slow keys', at('/keys', { delay: 2000 }), `${read(keysOf)} no answer within 400 ms`],
    ['no discovery', at(discovery, { status: 404 }), `${read(documentOf)} status 404`],
    [
      'discovery elsewhere',
      at(discovery, { status: 301, headers: { location: discovery } }),
      `${read(documentOf)} status 301`,
    ],
    ['slow discovery', at(discovery, { delay: 2000 }), `${read(documentOf)} no answer within 400 ms`],
    ['discovery of another', at(discovery, { body: document({ issuer: `${issuer.url}/` }) }), notOf],
    ['discovery without keys', at(discovery, { body: document({ jwks_uri: undefined }) }), notOf],
    ['discovery of nothing', at(discovery, { body: 'null' }), notOf],
    ...[
      'http://localhost/keys',
      'file:///etc/passwd',
      'keys',
      '',
      'https://',
      'HTTPS://localhost/keys',
      'https://user:secret@localhost/keys',
      'https://localhost/keys#x',
      'https://localhost/ke ys',
      'https://localhost/keys\r\nx: y',
      `https://localhost/${'k'.repeat(1024)}`,
    ].map((jwks_uri): [string, (path: string) => object | undefined, string] => [
      `keys at ${JSON.stringify(jwks_uri.slice(0, 40))}`,
      at(discovery, { body: document({ jwks_uri }) }),
      'the discovery document names no https URL where the keys of the issuer are',
    ]),
    ...[
      'https://169.254.169.254/latest/meta-data/',
      'https://169.254.170.2/v2/credentials/',
      'https://0xa9.0xfe.0xa9.0xfe/',
      'https://2852039166/',
      'https://[fd00:ec2::254]/',
      'https://[fe80::1]/',
      'https://[::ffff:169.254.169.254]/',
      'https://0.0.0.0/',
      'https://[::]/',
      'https://224.0.0.1/',
    ].map((jwks_uri): [string, (path: string) => object | undefined, string] => [
      `keys at ${jwks_uri}`,
      at(discovery, { body: document({ jwks_uri }) }),
      `${read(keysOf)} the address is one where nothing is asked`,
    ]),
  ]
  for (const [name, answer, reason] of cases) {
    issuer.answerWith = answer
    const fresh = verifierOf([conditionOf()], { patience: 400 })
    const failure = await fresh({ id_token: await signed() }, context()).catch((error) => error)
    t.equal(failure.reason, reason, name)
    const isSilent = ['keys down', 'slow keys', 'slow discovery'].includes(name)
    t.equal(failure.code, isSilent ? 'issuer_unavailable' : 'join_refused', `${name}: an outage is no refusal`)
  }

  const beside = verifierOf([conditionOf({ jwks_url: 'https://localhost:1/keys' }), conditionOf()])
  issuer.answerWith = undefined
  t.ok(await beside({ id_token: await signed() }, context()), 'a rule whose keys are away does not hide another one')
  const byStranger = beside({ id_token: await signed({}, {}, keys.other) }, context())
  await t.rejects(byStranger, { code: 'issuer_unavailable' }, 'and the key may be one of those')
  await t.rejects(beside({ id_token: await signed({ exp: 1 }) }, context()), { code: 'join_refused' })

  let now = Date.now()
  issuer.answerWith = at('/keys', { status: 503 })
  const verify = verifierOf([conditionOf({ jwks_url: `${issuer.url}/keys` })], { clock: () => now })
  issuer.requests.length = 0
  const ask = async () => reasonOf(verify({ id_token: await signed() }, context()))
  t.match([await ask(), await ask()], [/status 503/, /status 503/])
  t.equal(issuer.requests.length, 1, 'a failure is not repeated at once')
  issuer.answerWith = undefined
  now += 5001
  t.equal(await ask(), undefined, 'and is over soon')
})

t.test('keys that must not verify anything', async (t) => {
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const weakJwk = { ...weak.publicKey.export({ format: 'jwk' }), kid: 'weak', alg: 'RS256' }
  const secret = { kty: 'oct', k: Buffer.from('secret').toString('base64url'), kid: 'rs', alg: 'RS256' }
  const forEncryption = { ...keys.other.jwk, use: 'enc' }
  issuer.published = { keys: [weakJwk, secret, forEncryption] }
  const ask = async (token: Promise<string>) =>
    reasonOf(verifierOf([conditionOf()])({ id_token: await token }, context()))
  const unknown = 'the token is signed with a key that its issuer does not name'
  const half = `${encode({ alg: 'RS256', kid: 'weak' })}.${encode(claimsOf())}`
  const { sign } = await import('node:crypto')
  const token = `${half}.${sign('sha256', Buffer.from(half), weak.privateKey).toString('base64url')}`
  t.equal(await ask(Promise.resolve(token)), 'the token, or the key that it names, is malformed', 'RSA of 1024 bits')
  t.equal(await ask(signed()), unknown, 'a secret')
  t.equal(await ask(signed({}, {}, keys.other)), unknown, 'a key for encryption')
  issuer.published = {
    keys: [
      { ...keys.rs.jwk, kid: 'a' },
      { ...keys.other.jwk, kid: 'b' },
    ],
  }
  t.equal(await ask(signed({}, { kid: undefined })), 'the token does not say which key of its issuer has signed it')
})

t.test('two clusters by the same name are told apart by their keys', async (t) => {
  const name = 'https://kubernetes.default.svc'
  const { ca_pem: _, ...rest } = conditionOf({ issuer: name })
  const [one, two] = [keys.rs, keys.other].map(({ jwk }) => ({ ...rest, jwks: { keys: [{ ...jwk, kid: 'k' }] } }))
  if (one === undefined || two === undefined) throw new Error('unreachable')
  const verify = verifierOf([one, two])
  const sourceOf = async (key: typeof keys.rs) =>
    (await verify({ id_token: await issuer.sign({ ...key, kid: 'k' }, claimsOf({ iss: name })) }, context())).key_source
  t.equal(await sourceOf(keys.rs), keySourceOf(one))
  t.equal(await sourceOf(keys.other), keySourceOf(two))
  t.not(keySourceOf(one), keySourceOf(two))
  t.equal(
    keySourceOf(one),
    keySourceOf({ ...one, jwks: { keys: [Object.fromEntries(Object.entries(one.jwks.keys[0] ?? {}).reverse())] } }),
    'in whatever order the store gives them back',
  )
  const third = await issuer.sign({ ...keys.es, alg: 'ES256' }, claimsOf({ iss: name }))
  t.equal(
    await reasonOf(verify({ id_token: third }, context())),
    'the token is signed with a key that its issuer does not name',
  )
})

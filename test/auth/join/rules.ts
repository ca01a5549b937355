import t from 'tap'
import { globMatches } from '../../../src/auth/join/glob.ts'
import { keySourceOf } from '../../../src/auth/join/key-source.ts'
import { faultsOfRule } from '../../../src/auth/join/rule-faults.ts'
import { chooseRule, matchAwsIam, matchOidc } from '../../../src/auth/join/rules.ts'
import { type RuleConditions, renderPrincipalId } from '../../../src/auth/join/template.ts'
import type { AwsIamCondition, OidcCondition } from '../../../src/core/joining.ts'
import { makeAuthority } from '../../support/authority.ts'
import { cpuTime } from '../../support/cpu.ts'

const aws = (more: Partial<AwsIamCondition> = {}): AwsIamCondition => ({
  account_ids: ['123456789012'],
  role_names: ['build-*'],
  trust_session_name: false,
  ...more,
})
const oidc = (more: Partial<OidcCondition> = {}): OidcCondition => ({
  issuer: 'https://token.actions.githubusercontent.com',
  audiences: ['airunner-prod.example.com'],
  claims: { repository_id: { equals: '123456789' } },
  reuse: 'once',
  ...more,
})
const awsRule = (template: string, more: Partial<RuleConditions> = {}): RuleConditions => ({
  method: 'aws_iam',
  principal_id_template: template,
  rejoin: false,
  aws_iam: aws(),
  ...more,
})
const oidcRule = (template: string, more: Partial<RuleConditions> = {}): RuleConditions => ({
  method: 'oidc',
  principal_id_template: template,
  rejoin: false,
  oidc: oidc(),
  ...more,
})
const claims = {
  iss: 'https://token.actions.githubusercontent.com',
  aud: 'airunner-prod.example.com',
  repository_id: '123456789',
  run_id: '987',
}
const identity = {
  account_id: '123456789012',
  role_name: 'build-worker',
  session_name: 'i-0abc',
  arn: 'arn:aws:sts::123456789012:assumed-role/build-worker/i-0abc',
  user_id: 'AROAEXAMPLE:i-0abc',
}

t.test('a star is any part of a name, and of no path', async (t) => {
  const cases: [pattern: string, text: string, matches: boolean][] = [
    ['build-*', 'build-worker', true],
    ['build-*', 'build-', true],
    ['build-*', 'xbuild-worker', false],
    ['build', 'build-worker', false],
    ['build-worker', 'build', false],
    ['*', 'anything', true],
    ['*', '', true],
    ['', '', true],
    ['', 'x', false],
    ['*', 'a/b', false],
    ['*', 'a:b', false],
    ['*-*', 'a-b', true],
    ['*-*', 'ab', false],
    ['a*a', 'a', false],
    ['a*a', 'aa', true],
    ['a*b*c', 'axxbyyc', true],
    ['a*bc*c', 'abc', false],
    ['a*bc*c', 'abcc', true],
    ['*ab', 'aab', true],
    ['repo:acme/*:ref:refs/heads/main', 'repo:acme/web:ref:refs/heads/main', true],
    ['repo:acme/*:ref:refs/heads/main', 'repo:acme/web:environment:x:ref:refs/heads/main', false],
    ['repo:acme/*:ref:refs/heads/*', 'repo:acme/web:ref:refs/heads/a/b', false],
    ['repo:acme/*', 'repo:acme/web:ref:refs/heads/main', false],
    ['acme/*', 'acme-evil/web', false],
    ['acme*/web', 'acme/evil/web', false],
    ['b.*', 'bx', false],
    ['b?', 'bx', false],
    ['b[ux]', 'bx', false],
    ['BUILD-*', 'build-worker', false],
    ['a/b', 'a:b', false],
  ]
  for (const [pattern, text, matches] of cases)
    t.equal(globMatches(pattern, text), matches, `${pattern} ${matches ? 'is' : 'is not'} ${text}`)
  const started = cpuTime()
  t.notOk(globMatches('*a'.repeat(120), `${'a'.repeat(100_000)}b`))
  t.ok(cpuTime() - started < 200, 'in little time, whatever somebody writes')
})

t.test('a rule is for its accounts and roles', async (t) => {
  const cases: [name: string, attributes: Record<string, string>, rule: AwsIamCondition, reason?: string][] = [
    ['as it is', identity, aws()],
    ['by its whole name', identity, aws({ role_names: ['x', 'build-worker'] })],
    ['another account', { ...identity, account_id: '999999999999' }, aws(), 'account_id is not one of the accounts'],
    ['no account', {}, aws(), 'account_id is not one of the accounts'],
    ['a role that ends so', { ...identity, role_name: 'xbuild-worker' }, aws(), 'role_name is not one of the roles'],
    ['a role in capitals', { ...identity, role_name: 'Build-worker' }, aws(), 'role_name is not one of the roles'],
    ['a role that begins so', identity, aws({ role_names: ['build'] }), 'role_name is not one of the roles'],
    ['no roles', identity, aws({ role_names: [] }), 'role_name is not one of the roles'],
    ['a user', { account_id: '123456789012', user_name: 'build-x' }, aws(), 'the caller is not an assumed role'],
    ['an inherited name', Object.create(identity), aws(), 'account_id is not one of the accounts'],
  ]
  for (const [name, attributes, rule, reason] of cases) t.equal(matchAwsIam(rule, attributes), reason, name)
})

t.test('a rule is for its issuer, audiences and claims', async (t) => {
  const globbed = oidc({ claims: { repository_id: { equals: '123456789' }, ref: { glob: 'refs/heads/release-*' } } })
  const cases: [name: string, claims: Record<string, string>, rule: OidcCondition, reason?: string][] = [
    ['as it is', claims, oidc()],
    ['with a glob', { ...claims, ref: 'refs/heads/release-1' }, globbed],
    ['another branch', { ...claims, ref: 'refs/heads/main' }, globbed, 'ref is another'],
    ['a branch below', { ...claims, ref: 'refs/heads/release-1/x' }, globbed, 'ref is another'],
    ['no branch', claims, globbed, 'ref is missing'],
    ['another repository', { ...claims, repository_id: '1234567890' }, oidc(), 'repository_id is another'],
    ['another issuer', { ...claims, iss: `${claims.iss}/` }, oidc(), 'iss is not the issuer'],
    ['no issuer', { aud: claims.aud, repository_id: '123456789' }, oidc(), 'iss is not the issuer'],
    ['another audience', { ...claims, aud: 'x' }, oidc(), 'aud is not one of the audiences'],
    ['no claims wanted', claims, oidc({ claims: {} }), 'the rule has no exact claim'],
    ['globs only', claims, oidc({ claims: { run_id: { glob: '*' } } }), 'the rule has no exact claim'],
    ['an inherited name', claims, oidc({ claims: { constructor: { equals: 'x' } } }), 'constructor is missing'],
  ]
  for (const [name, attributes, rule, reason] of cases) t.equal(matchOidc(rule, attributes), reason, name)
})

t.test('a template gives a principal_id or nothing', async (t) => {
  const trusting = { aws_iam: aws({ trust_session_name: true }) }
  const dotted = { ...claims, 'kubernetes.io.namespace': 'build', 'kubernetes.io.serviceaccount.name': 'worker' }
  const cases: [rule: RuleConditions, attributes: Record<string, string>, expected: string | RegExp][] = [
    [oidcRule('gha-{repository_id}-{run_id}'), claims, 'gha-123456789-987'],
    [oidcRule('k8s-{kubernetes.io.namespace}.{kubernetes.io.serviceaccount.name}'), dotted, 'k8s-build.worker'],
    [oidcRule('fixed'), claims, 'fixed'],
    [oidcRule('GHA-{run_id}'), claims, 'gha-987'],
    [oidcRule('{name}'), { ...claims, name: 'Web' }, 'web'],
    [oidcRule('{name}'), { ...claims, name: 'acme/web' }, /not a principal_id/],
    [oidcRule('{name}'), { ...claims, name: 'a b' }, /not a principal_id/],
    [oidcRule('{name}'), { ...claims, name: '-a' }, /not a principal_id/],
    [oidcRule('{name}'), { ...claims, name: 'a'.repeat(129) }, /not a principal_id/],
    [oidcRule('{name}'), { ...claims, name: '\u212a' }, /not a principal_id/],
    [oidcRule('{name}'), { ...claims, name: '\u0130' }, /not a principal_id/],
    [oidcRule('{name}'), { ...claims, name: 'a\n' }, /not a principal_id/],
    [oidcRule('x-{name}'), { ...claims, name: '' }, /names name, which/],
    [oidcRule('x-{name}'), claims, /names name, which/],
    [oidcRule('x-{toString}'), claims, /names toString, which/],
    [oidcRule('x-{name'), claims, /malformed/],
    [oidcRule('x-{run_id}}'), claims, /malformed/],
    [oidcRule('x-{}'), claims, /malformed/],
    [oidcRule('{name}'), { ...claims, name: '{run_id}' }, /not a principal_id/],
    [awsRule('aws-{account_id}-{role_name}'), identity, 'aws-123456789012-build-worker'],
    [awsRule('ec2-{session_name}', trusting), identity, 'ec2-i-0abc'],
    [awsRule('ec2-{session_name}'), identity, /does not trust/],
    [awsRule('{arn}'), identity, /not a principal_id/],
  ]
  for (const [rule, attributes, expected] of cases) {
    const rendered = renderPrincipalId(rule, attributes)
    t.match('reason' in rendered ? rendered.reason : rendered.principal_id, expected, rule.principal_id_template)
  }
})

t.test('where principals rejoin, two who differ never have one name', async (t) => {
  const rule = (template: string, more: Partial<OidcCondition> = {}) =>
    oidcRule(template, { rejoin: true, oidc: oidc(more) })
  const nameOf = (of: RuleConditions, attributes: Record<string, string>) => {
    const rendered = renderPrincipalId(of, { ...claims, ...attributes })
    return 'reason' in rendered ? undefined : rendered.principal_id
  }
  const free = rule('{namespace}-{name}')
  t.equal(nameOf(free, { namespace: 'x', name: 'y-z' }), 'x-y-z')
  t.equal(nameOf(free, { namespace: 'x-y', name: 'z' }), undefined)
  t.equal(
    nameOf({ ...free, rejoin: false }, { namespace: 'x-y', name: 'z' }),
    'x-y-z',
    'else the second is refused anyway',
  )
  t.equal(nameOf(rule('{namespace}.{name}'), { namespace: 'x-y', name: 'z.a' }), 'x-y.z.a')
  t.equal(nameOf(rule('{namespace}x{name}'), { namespace: 'X', name: 'z' }), undefined, 'in capitals too')
  const straddling = rule('w-{namespace}--{name}')
  t.equal(nameOf(straddling, { namespace: 'q', name: '-r' }), 'w-q---r')
  t.equal(nameOf(straddling, { namespace: 'q-', name: 'r' }), undefined, 'nor by a separator that begins in the value')
  t.equal(nameOf(rule('w-{namespace}.x.{name}'), { namespace: 'team.x', name: 'r' }), undefined)
  t.equal(nameOf(rule('x-{name}'), { name: 'Web' }), undefined, 'nor by capitals alone')
  t.equal(nameOf({ ...rule('x-{name}'), rejoin: false }, { name: 'Web' }), 'x-web')
  const fixed = rule('{namespace}-{name}', { claims: { namespace: { equals: 'x-y' } } })
  t.equal(
    nameOf(fixed, { namespace: 'x-y', name: 'z' }),
    'x-y-z',
    'a claim that can be one text only tells nobody apart',
  )
  t.equal(nameOf(rule('{repository_id}-{run_id}'), {}), '123456789-987')

  const role = (role_names: string[]) =>
    awsRule('{role_name}-{account_id}', { rejoin: true, aws_iam: aws({ role_names }) })
  t.match(renderPrincipalId(role(['build-worker']), identity), { principal_id: 'build-worker-123456789012' })
  t.match(renderPrincipalId(role(['build-*']), identity), { reason: /separates it/ })
  t.match(renderPrincipalId(role(['build-worker', 'build']), identity), { reason: /separates it/ })
})

t.test('the first rule that matches decides', async (t) => {
  const rule = (id: string, more: Partial<RuleConditions> = {}, enabled = true) => ({
    ...oidcRule(`${id}-{run_id}`, more),
    join_rule_id: id,
    enabled,
  })
  const evidence = { method: 'oidc' as const, attributes: claims, key_source: keySourceOf(oidc()) }
  const other = oidc({ claims: { repository_id: { equals: '5' } } })

  t.match(chooseRule([rule('a'), rule('b')], evidence), {
    rule: { join_rule_id: 'a' },
    principal_id: 'a-987',
    reasons: [],
  })
  t.match(chooseRule([rule('off', {}, false), rule('no', { oidc: other }), rule('yes')], evidence), {
    principal_id: 'yes-987',
    reasons: [
      { join_rule_id: 'off', reason: 'the rule is not enabled' },
      { join_rule_id: 'no', reason: 'repository_id is another' },
    ],
  })
  const failing = chooseRule([rule('bad', { principal_id_template: 'x-{missing}' }), rule('good')], evidence)
  t.equal(failing.rule?.join_rule_id, 'bad', 'one that matches and then fails does not fall through')
  t.notOk('principal_id' in failing)
  t.match(failing.reasons, [{ join_rule_id: 'bad', reason: /names missing/ }])
  t.same(chooseRule([], evidence), { reasons: [] })
  t.match(chooseRule([{ ...awsRule('x'), join_rule_id: 'aws', enabled: true }], evidence).reasons, [
    { reason: 'the rule is for aws_iam' },
  ])

  const otherKeys = rule('keys', { oidc: oidc({ jwks_url: 'https://other.example/keys' }) })
  t.match(chooseRule([otherKeys], evidence).reasons, [{ reason: /another issuer or rule/ }], 'keys of another rule')
  t.match(chooseRule([rule('a')], { ...evidence, key_source: undefined }).reasons, [
    { reason: /another issuer or rule/ },
  ])
  const { iss: _, aud: __, ...bare } = claims
  t.match(chooseRule([otherKeys], { ...evidence, attributes: bare, key_source: 'rehearsal' }), {
    principal_id: 'keys-987',
  })
  const wrong = { ...evidence, attributes: { ...bare, iss: 'https://other.example' }, key_source: 'rehearsal' }
  t.notOk(chooseRule([otherKeys], wrong).rule, 'a rehearsal believes nothing that is said otherwise')
})

t.test('a rule that cannot be meant is refused at its creation', async (t) => {
  const { root_pem } = await makeAuthority()
  const trusting = { aws_iam: aws({ trust_session_name: true }) }
  const key = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }
  const withOidc = (more: Partial<OidcCondition>) => oidcRule('gha-{run_id}', { oidc: oidc(more) })
  const withAws = (more: Partial<AwsIamCondition>) => awsRule('aws-{role_name}', { aws_iam: aws(more) })
  const { aws_iam: _, ...noConditions } = awsRule('x')
  const good: [string, RuleConditions][] = [
    ['oidc', oidcRule('gha-{repository_id}-{run_id}')],
    ['aws_iam', awsRule('aws-{account_id}-{role_name}')],
    ['session names that are trusted', awsRule('ec2-{session_name}', trusting)],
    ['an issuer with a slash', withOidc({ issuer: 'https://tenant.example/' })],
    ['keys', withOidc({ jwks: { keys: [key] } })],
    ['a private root', withOidc({ jwks_url: 'https://issuer.example/keys?v=1', ca_pem: root_pem })],
    ['a role and any of its kin', withAws({ role_names: ['a+=,.@_-*'] })],
  ]
  for (const [name, rule] of good) t.same(faultsOfRule(rule), [], name)

  const bad: [name: string, rule: RuleConditions, pointers: string[]][] = [
    ['no exact claim', withOidc({ claims: { ref: { glob: 'refs/*' } } }), ['/oidc/claims']],
    ['no claim', withOidc({ claims: {} }), ['/oidc/claims']],
    ['an empty exact claim', withOidc({ claims: { ref: { equals: '' } } }), ['/oidc/claims']],
    ['a claim that says nothing', withOidc({ claims: { iss: { equals: 'https://x.example' } } }), ['/oidc/claims/iss']],
    ['** in a claim', withOidc({ claims: { a: { equals: 'x' }, 'b/c': { glob: '**' } } }), ['/oidc/claims/b~1c/glob']],
    ['an issuer without TLS', withOidc({ issuer: 'http://issuer.example' }), ['/oidc/issuer']],
    ['an issuer with a password', withOidc({ issuer: 'https://a:b@issuer.example' }), ['/oidc/issuer']],
    ['an issuer with a query', withOidc({ issuer: 'https://issuer.example?x' }), ['/oidc/issuer']],
    ['an issuer with a fragment', withOidc({ issuer: 'https://issuer.example/#x' }), ['/oidc/issuer']],
    ['no issuer', withOidc({ issuer: '' }), ['/oidc/issuer']],
    ['no audience', withOidc({ audiences: [] }), ['/oidc/audiences']],
    ['an empty audience', withOidc({ audiences: [''] }), ['/oidc/audiences']],
    ['keys and where they are', withOidc({ jwks: { keys: [key] }, jwks_url: 'https://x.example' }), ['/oidc/jwks']],
    ['no keys', withOidc({ jwks: { keys: [] } }), ['/oidc/jwks/keys']],
    ['a private key', withOidc({ jwks: { keys: [{ ...key, d: 'd' }] } }), ['/oidc/jwks/keys/0']],
    ['a shared secret', withOidc({ jwks: { keys: [{ kty: 'oct', k: 'k' }] } }), ['/oidc/jwks/keys/0']],
    ['keys without TLS', withOidc({ jwks_url: 'http://x.example' }), ['/oidc/jwks_url']],
    ['no root', withOidc({ ca_pem: ' ' }), ['/oidc/ca_pem']],
    ['a root that is none', withOidc({ ca_pem: root_pem.replaceAll('CERTIFICATE', 'PRIVATE KEY') }), ['/oidc/ca_pem']],
    ['an account of 11 digits', withAws({ account_ids: ['12345678901'] }), ['/aws_iam/account_ids/0']],
    ['any account', withAws({ account_ids: ['*'] }), ['/aws_iam/account_ids/0']],
    ['no account', withAws({ account_ids: [] }), ['/aws_iam/account_ids']],
    ['no role', withAws({ role_names: [] }), ['/aws_iam/role_names']],
    ['a role with its path', withAws({ role_names: ['team/build'] }), ['/aws_iam/role_names/0']],
    ['the ARN of a role', withAws({ role_names: ['arn:aws:iam::123456789012:role/x'] }), ['/aws_iam/role_names/0']],
    ['**', withAws({ role_names: ['**'] }), ['/aws_iam/role_names/0']],
    ['a session name that nobody vouches for', awsRule('ec2-{session_name}'), ['/principal_id_template']],
    [
      'to rejoin by session name',
      awsRule('x-{session_name}', { ...trusting, rejoin: true }),
      ['/principal_id_template'],
    ],
    ['an attribute that AWS does not give', awsRule('x-{region}'), ['/principal_id_template']],
    ['an ARN as a name', awsRule('{arn}'), ['/principal_id_template']],
    ['braces that do not pair', oidcRule('x-{run_id'), ['/principal_id_template']],
    ['a template that gives no id', oidcRule('-{run_id}'), ['/principal_id_template']],
    ['a template with a slash', oidcRule('a/{run_id}'), ['/principal_id_template']],
    ['two names that touch, to rejoin', oidcRule('{a}{b}', { rejoin: true }), ['/principal_id_template']],
    ['no conditions', noConditions, ['/aws_iam']],
    ['conditions of both', oidcRule('x', { aws_iam: aws() }), ['/aws_iam']],
  ]
  for (const [name, rule, pointers] of bad)
    t.same(
      faultsOfRule(rule).map(({ pointer }) => pointer),
      pointers,
      name,
    )
})

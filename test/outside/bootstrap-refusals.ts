import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DescribeSecretCommand, PutSecretValueCommand } from '@aws-sdk/client-secrets-manager'
import { DeleteParameterCommand, PutParameterCommand } from '@aws-sdk/client-ssm'
import t from 'tap'
import { createRoot } from '../../src/pki/ca.ts'
import { generateKeyPair, privateKeyPem } from '../../src/pki/keys.ts'
import { makeLocalSigner } from '../../src/pki/local-signer.ts'
import type { AwsDeployment } from '../support/aws-deployment.ts'
import { type OnCall, passOn } from '../support/aws-spy.ts'
import { startAwsWorld, undisturbed } from '../support/aws-world.ts'
import type { CliOptions } from '../support/cli.ts'
import { missingTools } from '../support/tools.ts'
import { fill, matches, readTranscript, runCommand, type Words } from '../support/transcript.ts'

const skip = missingTools('ministack')
if (skip !== false) {
  t.plan(0, skip)
  process.exit(0)
}
t.setTimeout(140_000)
const { newDeployment, noteKeys, noKeyWasSaid } = await startAwsWorld(t)

t.test('what stands in the way is never replaced', async (t) => {
  const foreignKey = generateKeyPair().privateKey
  const foreign = await createRoot({ signer: makeLocalSigner(foreignKey), common_name: 'somebody', now: Date.now() })
  const put = (deployment: AwsDeployment, name: string, Value: string) =>
    deployment.ssm.send(new PutParameterCommand({ Name: `${deployment.prefix}/${name}`, Value, Overwrite: true }))
  const putSecret = (deployment: AwsDeployment, name: string, SecretString: string) =>
    deployment.secretsManager.send(
      new PutSecretValueCommand({ SecretId: `${deployment.prefix}/${name}`, SecretString }),
    )
  const cases: [string, 'before' | 'after', (deployment: AwsDeployment) => Promise<unknown>, RegExp, number][] = [
    [
      'a root without its key',
      'before',
      (d) => put(d, 'ca-cert', foreign.pem),
      /ca-cert holds a root whose key is not in/,
      6,
    ],
    [
      'a root of somebody else',
      'after',
      (d) => put(d, 'ca-cert', foreign.pem),
      /the parameter ca-cert holds something/,
      6,
    ],
    [
      'one root more',
      'after',
      async (d) => put(d, 'ca-cert', `${(await d.parameters())['ca-cert']}${foreign.pem}`),
      /the parameter ca-cert holds something that bootstrap did not put there: the root sha256:[0-9a-f]{64}\n/,
      6,
    ],
    [
      'a server certificate of somebody else',
      'after',
      (d) => put(d, 'server-cert', foreign.pem),
      /server-cert is of another authority/,
      6,
    ],
    ['a server key that is none', 'after', (d) => put(d, 'server-key', 'hello'), /server-key holds no private key/, 6],
    ['garbage for an issuer', 'after', (d) => put(d, 'issuer-cert', 'hello'), /issuer-cert holds something/, 6],
    [
      'another issuer’s key',
      'after',
      (d) => putSecret(d, 'issuer-key', privateKeyPem(foreignKey)),
      /issuer-key holds something/,
      6,
    ],
    ['something else than keys', 'before', (d) => putSecret(d, 'ca-key', 'hello'), /ca-key holds something else/, 6],
    [
      'no parameter',
      'before',
      (d) => d.ssm.send(new DeleteParameterCommand({ Name: `${d.prefix}/server-cert` })),
      /there is no parameter \/airunner\/e\w+\/server-cert/,
      5,
    ],
    [
      'a key in a parameter that everybody reads',
      'before',
      async (d) => {
        await d.ssm.send(new DeleteParameterCommand({ Name: `${d.prefix}/server-key` }))
        await d.ssm.send(
          new PutParameterCommand({ Name: `${d.prefix}/server-key`, Value: 'placeholder', Type: 'String' }),
        )
      },
      /server-key is a String, expected a SecureString/,
      6,
    ],
  ]
  for (const [name, when, change, message, code] of cases) {
    const deployment = await newDeployment(t)
    if (when === 'after') t.equal((await deployment.run()).code, 0)
    await change(deployment)
    const before = await deployment.snapshot()
    const answer = await deployment.run()
    t.equal(answer.code, code, `${name}: ${answer.stderr}`)
    t.match(answer.stderr, message, name)
    t.match(answer.stderr, /\nNext: /, `${name}: and says what to do`)
    t.same(await deployment.snapshot(), before, `${name}: nothing has changed`)
    await noteKeys(deployment)
  }

  // The key of the root was lost from its secret: only a new beginning helps, and it is said so.
  const lost = await newDeployment(t)
  t.equal((await lost.run()).code, 0)
  const { VersionIdsToStages = {} } = await lost.secretsManager.send(
    new DescribeSecretCommand({ SecretId: `${lost.prefix}/ca-key` }),
  )
  await noteKeys(lost)
  lost.spies.aws.onCall = async (operation, forward) => {
    await forward()
    return operation === 'secretsmanager:GetSecretValue'
      ? { status: 400, type: 'ResourceNotFoundException', message: 'no such version' }
      : undefined
  }
  const gone = await lost.run()
  t.equal(gone.code, 6)
  t.match(gone.stderr, /no longer holds the root that this deployment was made with/)
  t.ok(Object.keys(VersionIdsToStages).some((version) => gone.stderr.includes(version.slice(0, 12))))
})

t.test('wrong inputs and a world that is not ready', async (t) => {
  const deployment = await newDeployment(t)
  const denied: OnCall = async () => ({
    status: 400,
    type: 'AccessDeniedException',
    message:
      'User: arn:aws:sts::000000000000:assumed-role/dev/ops is not authorized to perform: secretsmanager:DescribeSecret on resource: ca-key',
  })
  const only =
    (operation: string, instead: OnCall): OnCall =>
    (each, forward) =>
      (each === operation ? instead : passOn)(each, forward)
  const cases: [string, string[], Record<string, string>, number, RegExp, OnCall?][] = [
    ['an environment that AWS would not take', ['--environment', 'Prod_1'], {}, 2, /2 to 12 lower-case letters/],
    ['a domain that is none', ['--domain', 'exa mple'], {}, 2, /lower-case host name/],
    ['a region that is none', ['--aws-region', 'mars'], {}, 2, /a region such as/],
    ['half of a service', ['--ecs-cluster', 'main'], {}, 2, /go together/],
    ['another environment', ['--environment', 'other'], {}, 5, /there is no table airunner_other_principals/],
    ['another table', ['--control-table', 'nowhere'], {}, 5, /there is no table nowhere/],
    [
      'nobody listens',
      [],
      { AWS_ENDPOINT_URL_SECRETS_MANAGER: 'http://127.0.0.1:1' },
      7,
      /cannot look at the secret .*ca-key/,
    ],
    ['no store', [], { AWS_ENDPOINT_URL_DYNAMODB: 'http://127.0.0.1:1' }, 7, /cannot use the tables/],
    ['no such host', [], { AWS_ENDPOINT_URL_SSM: 'http://nowhere.invalid' }, 7, /right region/],
    ['no credentials', [], { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' }, 3, /Give credentials/],
    [
      'denied',
      [],
      {},
      4,
      /secretsmanager:DescribeSecret.*\n.*admin_role_arn/,
      only('secretsmanager:DescribeSecret', denied),
    ],
  ]
  const before = await deployment.snapshot()
  for (const [name, flags, env, code, message, onCall] of cases) {
    if (onCall !== undefined) deployment.spies.aws.onCall = onCall
    const answer = await deployment.run(flags, env)
    undisturbed(deployment)
    t.equal(answer.code, code, `${name}: ${answer.stderr}`)
    t.match(answer.stderr, message, name)
    t.equal(answer.stdout, '', name)
  }
  t.same(await deployment.snapshot(), before, 'nothing was made')

  // Where others can read, no key is put.
  const open = join(deployment.home, 'open')
  mkdirSync(open, { mode: 0o755 })
  chmodSync(open, 0o755)
  const refused = await deployment.run(['--output-dir', open])
  t.equal(refused.code, 6, refused.stderr)
  t.match(refused.stderr, /others than its owner can read it/)
  t.match(refused.stderr, /chmod go= /)
  const otherPlane = join(deployment.home, 'other')
  mkdirSync(otherPlane, { mode: 0o700 })
  const root = await createRoot({
    signer: makeLocalSigner(generateKeyPair().privateKey),
    common_name: 'x',
    now: Date.now(),
  })
  writeFileSync(join(otherPlane, 'ca-cert.pem'), root.pem)
  const foreign = await deployment.run(['--output-dir', otherPlane])
  t.equal(foreign.code, 6, foreign.stderr)
  t.match(foreign.stderr, /it is the root of another plane/)
  rmSync(otherPlane, { recursive: true })
  await noteKeys(deployment)
})

/** What paints is not text. */
const escapes = /\p{Cc}\[[0-9;]*m/gu

t.test('transcript', async (t) => {
  const deployment = await newDeployment(t)
  const words: Words = new Map([['environment', deployment.environment]])
  const shell = {
    env: { ...deployment.env },
    directory: deployment.home,
    airunner: (argv: string[], options: CliOptions) =>
      deployment.airunner(
        argv.map((word) => word.replace(/^\.\//, `${deployment.home}/`)),
        { ...options, env: {} },
      ),
  }
  const file = join(import.meta.dirname, 'transcripts/bootstrap.txt')
  for (const exchange of readTranscript(readFileSync(file, 'utf8'))) {
    const answer = await runCommand(
      shell,
      fill(exchange.command, words),
      exchange.typed.map((line) => fill(line, words)),
    )
    const [stdout, stderr] = [answer.stdout, answer.stderr].map((text) =>
      text.replaceAll(deployment.home, '~').replace(escapes, ''),
    ) as [string, string]
    const good =
      answer.code === exchange.code &&
      matches(exchange.stdout, stdout, words) &&
      matches(exchange.stderr, stderr, words)
    const actual = `${stdout}${stderr.replace(/^(?=.)/gm, '! ')}? ${answer.code}`
    t.ok(good, `bootstrap.txt:${exchange.line} ${exchange.command}`, good ? {} : { actual })
  }
  await noteKeys(deployment)
})

t.test('no key was said', async (t) => noKeyWasSaid(t, 20))

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import {
  CreateClusterCommand,
  CreateServiceCommand,
  ECSClient,
  RegisterTaskDefinitionCommand,
} from '@aws-sdk/client-ecs'
import { CreateAliasCommand, CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import { DescribeParametersCommand } from '@aws-sdk/client-ssm'
import t from 'tap'
import { readVault } from '../../src/authority/bootstrap/vault.ts'
import { filesIn } from '../support/aws-deployment.ts'
import { rows, startAwsWorld } from '../support/aws-world.ts'
import { missingTools } from '../support/tools.ts'

const skip = missingTools('ministack')
if (skip !== false) {
  t.plan(0, skip)
  process.exit(0)
}
t.setTimeout(140_000)
const { aws, callsSoFar, newDeployment, noteKeys, noKeyWasSaid, whoamiOf } = await startAwsWorld(t)

t.test('from what Terraform leaves to an admin that is let in; a second run changes nothing', async (t) => {
  const deployment = await newDeployment(t)
  const first = await deployment.run(['-o', 'json'])
  t.equal(first.code, 0, first.stderr)
  const context = `airunner-${deployment.environment}`
  t.equal(
    first.stderr,
    `[1/6] root and issuers: made
[2/6] server certificate: made
[3/6] admin principal admin-bootstrap: made
[4/6] admin certificate, registered: made
[5/6] upload: made (issuer-key, ca-cert, issuer-cert, server-key, server-cert)
[6/6] verification: passed
Added the context ${context}; it is the current one.
Ready: https://localhost
`,
  )
  await noteKeys(deployment)
  const read = await deployment.parameters()
  const result = JSON.parse(first.stdout)
  const root = new X509Certificate(read['ca-cert'] ?? '')
  t.match(result, {
    hostname: 'localhost',
    changed: true,
    ca_fingerprint: `sha256:${root.fingerprint256.replaceAll(':', '').toLowerCase()}`,
    admin_id: 'admin-bootstrap',
    admin_cert: join(deployment.outputDir, 'admin-cert.pem'),
  })

  t.equal(statSync(deployment.outputDir).mode & 0o777, 0o700)
  const files = filesIn(deployment.outputDir)
  t.same(Object.keys(files), ['admin-cert.pem', 'admin-key.pem', 'ca-cert.pem'], 'no key of an authority or server')
  for (const [name, { mode }] of Object.entries(files)) t.equal(mode, '600', name)

  const vault = readVault((await deployment.secret('ca-key')) ?? '')
  const issuerKey = (await deployment.secret('issuer-key')) ?? ''
  t.ok(vault.root?.certificate.raw.equals(root.raw))
  t.ok(new X509Certificate(read['issuer-cert'] ?? '').checkPrivateKey(createPrivateKey(issuerKey)))
  t.notOk(createPrivateKey(issuerKey).equals(vault.rootKey), 'the servers hold no key of the root')
  const { Parameters = [] } = await deployment.ssm.send(
    new DescribeParametersCommand({
      ParameterFilters: [{ Key: 'Name', Option: 'Equals', Values: [`${deployment.prefix}/server-key`] }],
    }),
  )
  t.match(Parameters[0], { Type: 'SecureString', KeyId: `alias/airunner-${deployment.environment}-secrets` })

  t.equal(await whoamiOf(t, deployment), 'admin-bootstrap')

  const before = await deployment.snapshot()
  const second = await deployment.run()
  t.equal(second.code, 0, second.stderr)
  t.match(second.stderr, /\[5\/6\] upload: found\n\[6\/6\] verification: passed\nNothing changed: everything was there/)
  t.same(await deployment.snapshot(), before, 'every byte and version')

  // Another administrator, or a machine of a pipeline: it is found, and nothing is issued.
  const elsewhere = await deployment.run(['--output-dir', join(deployment.home, 'elsewhere')])
  t.equal(elsewhere.code, 0, elsewhere.stderr)
  t.match(
    elsewhere.stderr,
    /\[4\/6\] admin certificate, registered: found \(of admin-bootstrap, whose files are not in/,
  )
  t.equal((await rows(deployment, 'certificates')).length, 1)
})

t.test('the issuer’s key stays in KMS', async (t) => {
  const kms = new KMSClient({ endpoint: aws.endpoint, region: aws.region, credentials: aws.credentials })
  t.teardown(() => kms.destroy())
  const newKey = async () => {
    const { KeyMetadata } = await kms.send(new CreateKeyCommand({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' }))
    return { id: KeyMetadata?.KeyId as string, arn: KeyMetadata?.Arn as string }
  }
  const [key, other] = [await newKey(), await newKey()]
  const deployment = await newDeployment(t)
  const alias = `alias/airunner-${deployment.environment}-issuer`
  await kms.send(new CreateAliasCommand({ AliasName: alias, TargetKeyId: key.id }))
  const unsaid = await deployment.run()
  t.equal(unsaid.code, 6, unsaid.stderr)
  t.match(unsaid.stderr, /a KMS key waits for the issuer .*\nNext: Give --kms-issuer-key alias.*none/)
  t.equal(await deployment.secret('ca-key'), undefined, 'nothing was made')
  const first = await deployment.run(['--kms-issuer-key', alias, '-o', 'json'])
  t.equal(first.code, 0, first.stderr)
  t.equal(JSON.parse(first.stdout).kms_issuer_key, key.arn)
  t.equal(await deployment.secret('issuer-key'), undefined, 'the secret of the issuer stays empty')
  t.equal(readVault((await deployment.secret('ca-key')) ?? '').issuer?.key, undefined)
  t.equal(await whoamiOf(t, deployment), 'admin-bootstrap')

  const before = await deployment.snapshot()
  for (const flags of [[], ['--kms-issuer-key', key.id], ['--kms-issuer-key', alias]]) {
    const again = await deployment.run(flags)
    t.match(again.stderr, /Nothing changed/, flags.join(' '))
  }
  const wrong = await deployment.run(['--kms-issuer-key', other.id])
  t.equal(wrong.code, 6, wrong.stderr)
  t.match(wrong.stderr, /the issuer of this deployment has another key than/)
  t.same(await deployment.snapshot(), before)

  const local = await newDeployment(t)
  t.equal((await local.run()).code, 0)
  const moved = await local.run(['--kms-issuer-key', key.id])
  t.equal(moved.code, 6, moved.stderr)
  t.match(moved.stderr, /has its key in Secrets Manager, and --kms-issuer-key names another/)
  const { KeyMetadata: rsa } = await kms.send(new CreateKeyCommand({ KeySpec: 'RSA_2048', KeyUsage: 'SIGN_VERIFY' }))
  const unfit = await (await newDeployment(t)).run(['--kms-issuer-key', rsa?.KeyId as string])
  t.equal(unfit.code, 6, unfit.stderr)
  t.match(unfit.stderr, /cannot be the key of an issuer: found a KMS key RSA_2048/)
  const missing = await (await newDeployment(t)).run(['--kms-issuer-key', 'alias/not-there'])
  t.equal(missing.code, 1, missing.stderr)
  t.match(missing.stderr, /cannot use the KMS key of the issuer/)
  await noteKeys(local)
  await noteKeys(deployment)
})

t.test('the service is started when its secrets are there, and waited for', async (t) => {
  const ecs = new ECSClient({ endpoint: aws.endpoint, region: aws.region, credentials: aws.credentials })
  t.teardown(() => ecs.destroy())
  const deployment = await newDeployment(t)
  const cluster = `airunner-${deployment.environment}`
  await ecs.send(new CreateClusterCommand({ clusterName: cluster }))
  await ecs.send(
    new RegisterTaskDefinitionCommand({
      family: cluster,
      containerDefinitions: [{ name: 'server', image: 'example', memory: 128 }],
    }),
  )
  await ecs.send(
    new CreateServiceCommand({ cluster, serviceName: 'rpc-server', taskDefinition: cluster, desiredCount: 0 }),
  )
  const flags = ['--ecs-cluster', cluster, '--ecs-service', 'rpc-server', '--wait', '30s']
  const first = await deployment.run([...flags, '-o', 'json'])
  t.equal(first.code, 0, first.stderr)
  t.match(
    first.stderr,
    /Starting 2 tasks of rpc-server; waiting for their health\.\n(.*\n)*rpc-server: 2 of 2 tasks running/,
  )
  t.equal(JSON.parse(first.stdout).running_tasks, 2)
  const second = await deployment.run([...flags, '--desired-count', '5'])
  t.match(second.stderr, /rpc-server: 2 of 2 tasks running.*\nNothing changed/, 'what runs keeps its number')
  const wrong = await deployment.run(['--ecs-cluster', cluster, '--ecs-service', 'nobody'])
  t.equal(wrong.code, 5, wrong.stderr)
  t.match(wrong.stderr, /there is no ECS service nobody/)

  // Tasks that do not stay: the reason of the last one is said.
  const stopped = { taskArn: 'arn', stoppedAt: 1, stoppedReason: 'Essential container in task exited' }
  const deployments = [{ id: 'one', status: 'PRIMARY', rolloutState: 'FAILED' }]
  const answers: Record<string, object> = {
    'ecs:DescribeServices': { services: [{ status: 'ACTIVE', desiredCount: 2, runningCount: 1, deployments }] },
    'ecs:UpdateService': { service: { status: 'ACTIVE', desiredCount: 2, runningCount: 1, deployments } },
    'ecs:ListTasks': { taskArns: ['arn'] },
    'ecs:DescribeTasks': { tasks: [{ ...stopped, containers: [{ name: 'server', exitCode: 2, reason: 'no table' }] }] },
  }
  deployment.spies.aws.onCall = async (operation, forward) => {
    const body = answers[operation]
    if (body !== undefined) return { body }
    await forward()
    return undefined
  }
  const failed = await deployment.run(flags)
  t.equal(failed.code, 8, failed.stderr)
  t.match(
    failed.stderr,
    /Error: the deployment of rpc-server has failed\nWhy: .*Essential container.*server exit 2 no table/,
  )
  answers['ecs:DescribeServices'] = {
    services: [{ status: 'ACTIVE', desiredCount: 2, runningCount: 0, deployments: [] }],
  }
  const late = await deployment.run([...flags, '--wait', '1s'])
  t.equal(late.code, 8, late.stderr)
  t.match(late.stderr, /rpc-server is not healthy yet: 0 of 2 tasks running/)
  await noteKeys(deployment)
})

t.test('every call of AWS is one that docs/bootstrap.md asks to be allowed', async (t) => {
  const page =
    readFileSync(join(import.meta.dirname, '../../docs/bootstrap.md'), 'utf8').split('Of other commands')[0] ?? ''
  const allowed = new Set(
    [...page.matchAll(/`((?:ssm|secretsmanager|dynamodb|kms|ecs):\w+)`/g)].map(([, action]) => action),
  )
  // A transaction is allowed by what is in it.
  const called = new Set(callsSoFar().filter((call) => call !== 'dynamodb:TransactWriteItems'))
  t.same(
    [...called].filter((call) => !allowed.has(call)),
    [],
    'nothing else is called',
  )
  const unseen = [...allowed].filter((action) => !called.has(action ?? ''))
  t.same(
    unseen.sort(),
    ['kms:Decrypt', 'kms:Encrypt', 'kms:GenerateDataKey'],
    'what AWS itself does with the key, in the name of the caller',
  )
})

t.test('no key was said', async (t) => noKeyWasSaid(t, 10))

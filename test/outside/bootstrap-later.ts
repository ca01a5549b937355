import { join } from 'node:path'
import { DescribeSecretCommand, PutSecretValueCommand } from '@aws-sdk/client-secrets-manager'
import { PutParameterCommand } from '@aws-sdk/client-ssm'
import { UpdateCommand } from '@aws-sdk/lib-dynamodb'
import t from 'tap'
import { readVault } from '../../src/authority/bootstrap/vault.ts'
import { createRoot } from '../../src/pki/ca.ts'
import { generateKeyPair, privateKeyPem } from '../../src/pki/keys.ts'
import { makeLocalSigner } from '../../src/pki/local-signer.ts'
import { onWrites, rows, startAwsWorld, undisturbed } from '../support/aws-world.ts'
import { missingTools } from '../support/tools.ts'

const skip = missingTools('ministack')
if (skip !== false) {
  t.plan(0, skip)
  process.exit(0)
}
t.setTimeout(140_000)
const { newDeployment, noteKeys, noKeyWasSaid, whoamiOf } = await startAwsWorld(t)

t.test('the server certificate is rotated when told, and brought to its end when that was cut off', async (t) => {
  const deployment = await newDeployment(t)
  t.equal((await deployment.run()).code, 0)
  const before = await deployment.parameters()
  const unasked = await deployment.run(['--rotate-server-cert'])
  t.equal(unasked.code, 2, 'there is no terminal to ask at')
  t.match(unasked.stderr, /--yes/)
  const rotated = await deployment.run(['--rotate-server-cert', '-y'])
  t.equal(rotated.code, 0, rotated.stderr)
  t.match(rotated.stderr, /is good until .*\n\[2\/6\] server certificate: replaced/)
  const after = await deployment.parameters()
  t.same(
    Object.keys(before)
      .filter((name) => before[name] !== after[name])
      .sort(),
    ['server-cert', 'server-key'],
  )
  t.equal(await whoamiOf(t, deployment), 'admin-bootstrap')

  // Killed between key and certificate.
  const run = deployment.start(['--rotate-server-cert', '-y'])
  let puts = 0
  deployment.spies.aws.onCall = async (operation, forward) => {
    if (operation === 'ssm:PutParameter' && ++puts === 2) run.kill('SIGKILL')
    else await forward()
    return undefined
  }
  await run.ended
  undisturbed(deployment)
  await deployment.forgetLease()
  const torn = await deployment.parameters()
  t.not(torn['server-key'], after['server-key'])
  t.equal(torn['server-cert'], after['server-cert'])
  const mended = await deployment.run()
  t.equal(mended.code, 0, mended.stderr)
  t.match(mended.stderr, /server certificate: renewed \(the one before did not belong to the key that was there\)/)
  t.not((await deployment.parameters())['server-key'], torn['server-key'], 'a key that was found is never certified')
  t.equal(await whoamiOf(t, deployment), 'admin-bootstrap')
  await noteKeys(deployment)
})

t.test('a server key that was encrypted with a key of somebody else gives way to one that is not', async (t) => {
  const deployment = await newDeployment(t)
  t.equal((await deployment.run()).code, 0)
  const before = await deployment.parameters()
  const Name = `${deployment.prefix}/server-key`
  const put = {
    Name,
    Value: before['server-key'],
    Type: 'SecureString',
    KeyId: 'alias/aws/ssm',
    Overwrite: true,
  } as const
  await deployment.ssm.send(new PutParameterCommand(put))
  const mended = await deployment.run()
  t.equal(mended.code, 0, mended.stderr)
  t.match(mended.stderr, /renewed \(server-key was encrypted with another KMS key: alias\/aws\/ssm\)/)
  const after = await deployment.parameters()
  t.not(after['server-key'], before['server-key'])
  t.not(after['server-cert'], before['server-cert'])
  t.match((await deployment.run()).stderr, /Nothing changed/)
  t.equal(await whoamiOf(t, deployment), 'admin-bootstrap')
  await noteKeys(deployment)
})

t.test('an admin is recovered when none is left, and not before', async (t) => {
  const deployment = await newDeployment(t)
  t.equal((await deployment.run()).code, 0)
  const flags = ['--recover-admin']
  const recover = (directory: string) => deployment.run([...flags, '--output-dir', join(deployment.home, directory)])
  const refused = await recover('recovered')
  t.equal(refused.code, 6, refused.stderr)
  t.match(refused.stderr, /Error: an admin is left: admin-bootstrap, with the certificate [0-9a-f]{32} until/)

  // What the refusal says: by hand, as data.md has it for an emergency.
  const [row] = await rows(deployment, 'certificates')
  await deployment.store.documents.send(
    new UpdateCommand({
      TableName: deployment.tables.certificates,
      Key: { serial_number: row?.['serial_number'] },
      UpdateExpression: 'SET revoked = :yes',
      ExpressionAttributeValues: { ':yes': true },
    }),
  )
  const plain = await deployment.run()
  t.equal(plain.code, 6, plain.stderr)
  t.match(plain.stderr, /no admin is left who can get in/)
  t.match(plain.stderr, /--recover-admin/)
  const server = (await deployment.parameters())['server-cert']
  const rotated = await deployment.run(['--rotate-server-cert', '-y'])
  t.equal(rotated.code, 6, rotated.stderr)
  t.match(rotated.stderr, /admin certificate: missing\n\[5\/6\] upload: made \(server-key, server-cert\)/)
  t.not((await deployment.parameters())['server-cert'], server, 'servers get what they need all the same')

  await deployment.store.documents.send(
    new UpdateCommand({
      TableName: deployment.tables.principals,
      Key: { principal_id: 'admin-bootstrap' },
      UpdateExpression: 'SET #status = :status',
      ExpressionAttributeNames: { '#status': 'status' },
      ExpressionAttributeValues: { ':status': 'suspended' },
    }),
  )
  const suspended = await recover('suspended')
  t.equal(suspended.code, 6, suspended.stderr)
  t.match(suspended.stderr, /the principal admin-bootstrap is suspended\nNext: Choose another id: --admin-id/)

  flags.push('--admin-id', 'admin-second')
  // Killed behind the transaction that registers the certificate: it is the one that is handed over in the end.
  const directory = join(deployment.home, 'recovered')
  const run = deployment.start([...flags, '--output-dir', directory])
  let transactions = 0
  deployment.spies.tables.onCall = async (operation, forward) => {
    await forward()
    if (operation === 'dynamodb:TransactWriteItems' && ++transactions === 2) {
      run.kill('SIGKILL')
      await run.ended
    }
    return undefined
  }
  await run.ended
  undisturbed(deployment)
  await deployment.forgetLease()
  const recovered = await recover('recovered')
  t.equal(recovered.code, 0, recovered.stderr)
  t.equal((await rows(deployment, 'certificates')).length, 2)
  t.match(recovered.stderr, /The context .* says something else, and was left as it is/)
  await deployment.airunner(['context', 'remove', `airunner-${deployment.environment}`])
  t.equal((await recover('recovered')).code, 6, 'and now there is one again')
  t.match((await deployment.run(['--output-dir', directory])).stderr, /Added the context/)
  t.equal(await whoamiOf(t, deployment), 'admin-second')
  await noteKeys(deployment)
})

t.test('a new CA ends the old one; cut off, it is brought to its end without being told again', async (t) => {
  const deployment = await newDeployment(t)
  t.equal((await deployment.run()).code, 0)
  await noteKeys(deployment)
  const old = { parameters: await deployment.parameters(), vault: await deployment.secret('ca-key') }
  t.equal((await deployment.run(['--force-new-ca'])).code, 2, 'there is no terminal to ask at')

  const writes: string[] = []
  const run = deployment.start(['--force-new-ca', '-y'])
  onWrites(deployment, async (_, operation, forward) => {
    writes.push(operation)
    await forward()
    // Right behind the moment from which the new root is the one.
    if (operation === 'dynamodb:PutItem') {
      run.kill('SIGKILL')
      await run.ended
    }
    return undefined
  })
  const { stderr } = await run.ended
  t.match(stderr, /every certificate issued so far is refused/)
  undisturbed(deployment)
  await deployment.forgetLease()
  t.same(await deployment.parameters(), old.parameters, 'nothing was uploaded')
  const again = await deployment.run()
  t.equal(again.code, 0, again.stderr)
  t.match(again.stderr, /upload: made \(issuer-key, ca-cert, issuer-cert, server-key, server-cert\)/)
  const now = await deployment.parameters()
  for (const name of Object.keys(now)) t.not(now[name], old.parameters[name], name)
  t.equal(await whoamiOf(t, deployment), 'admin-bootstrap')
  t.match((await deployment.run()).stderr, /Nothing changed/)

  // The old keys are not gone.
  const { VersionIdsToStages = {} } = await deployment.secretsManager.send(
    new DescribeSecretCommand({ SecretId: `${deployment.prefix}/ca-key` }),
  )
  const previous = Object.entries(VersionIdsToStages).find(([, labels]) => labels.includes('AWSPREVIOUS'))?.[0]
  t.equal(await deployment.secret('ca-key', previous), old.vault)
  await noteKeys(deployment)
})

t.test('a root’s key that the administrator put there is taken', async (t) => {
  const deployment = await newDeployment(t)
  const { privateKey } = generateKeyPair()
  const root = await createRoot({ signer: makeLocalSigner(privateKey), common_name: 'our own root', now: Date.now() })
  await deployment.secretsManager.send(
    new PutSecretValueCommand({ SecretId: `${deployment.prefix}/ca-key`, SecretString: privateKeyPem(privateKey) }),
  )
  await deployment.ssm.send(
    new PutParameterCommand({ Name: `${deployment.prefix}/ca-cert`, Value: root.pem, Overwrite: true }),
  )
  const answer = await deployment.run()
  t.equal(answer.code, 0, answer.stderr)
  t.equal((await deployment.parameters())['ca-cert'], root.pem)
  t.ok(readVault((await deployment.secret('ca-key')) ?? '').root?.certificate.raw.equals(root.der))
  t.equal(await whoamiOf(t, deployment), 'admin-bootstrap')
  await noteKeys(deployment)
})

t.test('no key was said', async (t) => noKeyWasSaid(t, 20))

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import { DescribeParametersCommand, GetParametersByPathCommand, SSMClient } from '@aws-sdk/client-ssm'
import t from 'tap'
import { makeCliHome, runCli } from '../support/cli.ts'
import { startMinistack } from '../support/ministack.ts'
import { startPlane } from '../support/plane.ts'
import { missingTools } from '../support/tools.ts'

const skip = missingTools('ministack')

t.test('a machine’s pair in an emulated Parameter Store, under a KMS key, and replaced', { skip }, async (t) => {
  const aws = await startMinistack()
  t.teardown(aws.stop)
  const before = { ...process.env }
  t.teardown(() => {
    process.env = before
  })
  Object.assign(process.env, aws.env)
  const plane = await startPlane(t)
  const { identity } = await plane.enrol('ops', 'admin')
  const { env } = await makeCliHome(t, plane, identity)
  await plane.admin.post('/v1/principals', { principal_id: 'build-7', type: 'worker' })
  const kms = new KMSClient(aws)
  const { KeyMetadata } = await kms.send(new CreateKeyCommand({}))
  const KeyId = KeyMetadata?.KeyId as string
  const ssm = new SSMClient(aws)
  t.teardown(() => [kms, ssm].forEach((client) => void client.destroy()))

  const generate = (...more: string[]) =>
    runCli(
      ['certificate', 'generate', 'build-7', '--to-ssm', '/airunner/prod/clients/build-7/', '-o', 'name', ...more],
      { env },
    )
  const stored = async () => {
    const Path = '/airunner/prod/clients/build-7'
    const { Parameters = [] } = await ssm.send(new GetParametersByPathCommand({ Path, WithDecryption: true }))
    const { Parameters: described = [] } = await ssm.send(
      new DescribeParametersCommand({
        ParameterFilters: [{ Key: 'Name', Option: 'Equals', Values: [`${Path}/private-key`] }],
      }),
    )
    const values = Object.fromEntries(Parameters.map(({ Name = '', Value }) => [Name.split('/').at(-1), Value ?? '']))
    t.same(Object.keys(values).sort(), ['ca-cert', 'certificate', 'private-key'])
    t.match(described, [{ Type: 'SecureString', KeyId }])
    const certificate = new X509Certificate(values['certificate'] ?? '')
    t.ok(certificate.checkPrivateKey(createPrivateKey(values['private-key'] ?? '')))
    return certificate.serialNumber.toLowerCase().padStart(32, '0')
  }
  const made = await generate('--ssm-kms-key', KeyId)
  t.equal(made.code, 0, made.stderr)
  t.equal(await stored(), made.stdout.trim())
  t.equal((await generate()).code, 6)
  const replaced = await generate('--force')
  t.equal(replaced.code, 0, replaced.stderr)
  t.equal(await stored(), replaced.stdout.trim())
  t.not(replaced.stdout, made.stdout)
})

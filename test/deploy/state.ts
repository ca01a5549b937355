/** setup.sh up to its plan, in an account in which there is not even a place for Terraform's state. */
import t from 'tap'
import { makeAws, say } from '../support/deployed/run.ts'
import { copyInfra, noTerraform } from '../support/deployed/terraform.ts'
import { startEmulator } from '../support/emulator/start.ts'
import { missingTools } from '../support/tools.ts'

const minute = 60_000
const scratch = t.testdir()
const missing = missingTools('ministack', 'aws') || (await noTerraform())
if (missing !== undefined) {
  console.error(`SKIPPED: setup.sh from nothing: ${missing}`)
  t.plan(0, missing)
  process.exit()
}
const emulator = await startEmulator()
t.teardown(emulator.stop)
const aws = makeAws(emulator.env)
const { setup } = copyInfra(scratch, 'sit', emulator.env)
const role = `arn:aws:iam::${emulator.account}:role/airunner-admin`
const good = {
  '--environment': 'sit',
  '--domain': 'example.com',
  '--region': emulator.region,
  '--admin-role-arn': role,
  '--var': 'autoscaling_enabled=false',
}
const flags = (
  more: Partial<Record<keyof typeof good | '--size' | '--zone-id' | '--alarm-email', string>>,
): string[] => [...Object.entries({ ...good, ...more }).flat(), '--plan-only', '--yes']

t.test('a wrong answer is refused before anything is made, with what to write instead', async (t) => {
  const refused: [Parameters<typeof flags>[0], RegExp, number][] = [
    [{ '--environment': 'Prod' }, /--environment is Prod\n {2}next: Write 2 to 12 lower-case/, 2],
    [{ '--environment': '' }, /--environment is missing/, 2],
    [{ '--domain': 'example' }, /--domain is example\n {2}next: Write a lower-case domain/, 2],
    [{ '--domain': 'https://example.com' }, /--domain is https/, 2],
    [{ '--region': 'us-east-1a' }, /--region is us-east-1a/, 2],
    [{ '--admin-role-arn': 'airunner-admin' }, /--admin-role-arn is airunner-admin\n {2}next: Write arn:aws:iam/, 2],
    [{ '--admin-role-arn': 'arn:aws:iam::999999999999:role/x' }, /is of another account/, 1],
    [{ '--admin-role-arn': role }, /there is no role airunner-admin/, 1],
    [{ '--zone-id': 'example.com' }, /--zone-id is example.com/, 2],
    [{ '--alarm-email': 'oncall' }, /--alarm-email is oncall/, 2],
    [{ '--size': 'huge' }, /--size is huge\n {2}next: Write dev, sit or prod/, 2],
  ]
  for (const [more, message, code] of refused) {
    const answer = await setup(flags(more), minute)
    t.match(answer.stderr, message)
    t.equal(answer.code, code, JSON.stringify(more))
  }
  t.strictSame((await aws('s3api', 'list-buckets')).Buckets, [])
})

t.test(
  'the bucket of the state is made once, closed and versioned, and the plan is kept in nobody’s way',
  async (t) => {
    const trust = {
      Effect: 'Allow',
      Principal: { AWS: `arn:aws:iam::${emulator.account}:root` },
      Action: 'sts:AssumeRole',
    }
    await aws(
      ...['iam', 'create-role', '--role-name', 'airunner-admin'],
      ...['--assume-role-policy-document', JSON.stringify({ Version: '2012-10-17', Statement: [trust] })],
    )
    say('setup.sh makes the bucket of the state, and plans')
    const first = await setup(flags({}), 6 * minute)
    t.equal(first.code, 0, `${first.stdout.slice(-3000)}${first.stderr}`)
    const bucket = `airunner-terraform-state-${emulator.account}`
    t.match(first.stdout, new RegExp(`${bucket} is made by infra/bootstrap`))
    t.match(first.stdout, /Plan: \d+ to add, 0 to change, 0 to destroy/)
    t.equal((await aws('s3api', 'get-bucket-versioning', '--bucket', bucket)).Status, 'Enabled')
    const { PublicAccessBlockConfiguration } = await aws('s3api', 'get-public-access-block', '--bucket', bucket)
    t.ok(Object.values(PublicAccessBlockConfiguration).every(Boolean))
    say('and finds it the second time')
    const second = await setup(flags({}), 3 * minute)
    t.equal(second.code, 0, `${second.stdout.slice(-3000)}${second.stderr}`)
    t.match(second.stdout, new RegExp(`${bucket} is there`))
  },
)

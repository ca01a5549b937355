import { join } from 'node:path'
import t from 'tap'
import type { AwsDeployment } from '../support/aws-deployment.ts'
import { onWrites, rows, startAwsWorld, undisturbed } from '../support/aws-world.ts'
import { missingTools } from '../support/tools.ts'

const skip = missingTools('ministack')
if (skip !== false) {
  t.plan(0, skip)
  process.exit(0)
}
t.setTimeout(140_000)
const { newDeployment, noteKeys, noKeyWasSaid } = await startAwsWorld(t)

t.test('a run that was killed stands in the way for some seconds only', async (t) => {
  const deployment = await newDeployment(t)
  const run = deployment.start()
  onWrites(deployment, async (count, _, forward) => {
    if (count === 3) run.kill('SIGKILL')
    else await forward()
    return undefined
  })
  await run.ended
  undisturbed(deployment)
  const again = await deployment.run()
  t.equal(again.code, 0, again.stderr)
  t.match(
    again.stderr,
    /^Another bootstrap of this deployment began and has not ended \(\S+@.*, process \d+\): watching it/,
  )
})

t.test('a run that was told to stop stops at its next write, and nobody has to wait', async (t) => {
  const deployment = await newDeployment(t)
  const run = deployment.start()
  deployment.spies.aws.onCall = async (operation, forward) => {
    if (operation === 'secretsmanager:PutSecretValue') run.kill('SIGINT')
    await forward()
    return undefined
  }
  const { code, stderr } = await run.ended
  t.equal(code, 130, stderr)
  undisturbed(deployment)
  const again = await deployment.run()
  t.equal(again.code, 0, again.stderr)
  t.notMatch(again.stderr, /Another bootstrap/)
})

/** Resolves when AWS was called so. */
const called = async ({ spies }: AwsDeployment, operation: string): Promise<void> => {
  while (!spies.aws.calls.includes(operation)) await new Promise((resolve) => setTimeout(resolve, 20))
}

t.test('two at once: one wins, and the other says so', async (t) => {
  const deployment = await newDeployment(t)
  // The first is held up in the middle of it, as by a slow network, and lives.
  const held = Promise.withResolvers<void>()
  deployment.spies.aws.onCall = async (operation, forward) => {
    if (operation === 'secretsmanager:PutSecretValue') await held.promise
    await forward()
    return undefined
  }
  const first = deployment.start()
  await called(deployment, 'secretsmanager:PutSecretValue')
  const second = await deployment.run(['--output-dir', join(deployment.home, 'second')])
  t.equal(second.code, 6, second.stderr)
  t.match(second.stderr, /Error: another bootstrap of this deployment is at work: .*process \d+/)
  held.resolve()
  t.equal((await first.ended).code, 0)
  undisturbed(deployment)

  // Begun in the same moment.
  const both = await newDeployment(t)
  const answers = await Promise.all([both.start().ended, both.start(['--output-dir', join(both.home, 'second')]).ended])
  const winners = answers.filter(({ stderr }) => /\[1\/6\] root and issuers: made/.test(stderr))
  t.equal(winners.length, 1, answers.map(({ stderr }) => stderr).join('\n'))
  for (const { code, stderr } of answers) t.ok(code === 0 || (code === 6 && /at work/.test(stderr)), stderr)
  t.equal((await rows(both, 'certificates')).length, 1)
  await noteKeys(both)
})

t.test('a run that stood still while another took over writes nothing more', async (t) => {
  const deployment = await newDeployment(t)
  const first = deployment.start()
  onWrites(deployment, async (count, _, forward) => {
    if (count === 2) first.kill('SIGSTOP')
    await forward()
    return undefined
  })
  await called(deployment, 'secretsmanager:PutSecretValue')
  undisturbed(deployment)
  const second = await deployment.run(['--output-dir', join(deployment.home, 'second')])
  t.equal(second.code, 0, second.stderr)
  const before = await deployment.snapshot()
  first.kill('SIGCONT')
  const { code, stderr } = await first.ended
  t.equal(code, 6, stderr)
  t.match(stderr, /another bootstrap of this deployment/)
  const after = await deployment.snapshot()
  for (const part of ['parameters', 'secrets', 'rows'] as const) t.same(after[part], before[part], part)
  t.match((await deployment.run(['--output-dir', join(deployment.home, 'second')])).stderr, /Nothing changed/)
  await noteKeys(deployment)
})

t.test('no key was said', async (t) => noKeyWasSaid(t, 5))

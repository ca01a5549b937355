import t from 'tap'
import { filesIn } from '../support/aws-deployment.ts'
import { onWrites, rows, startAwsWorld, undisturbed } from '../support/aws-world.ts'
import { missingTools } from '../support/tools.ts'

const skip = missingTools('ministack')
if (skip !== false) {
  t.plan(0, skip)
  process.exit(0)
}
t.setTimeout(140_000)
const { newDeployment, noteKeys, noKeyWasSaid } = await startAwsWorld(t)

t.test('killed before or behind any of its writes, and run again, it ends the same', async (t) => {
  const whole = await newDeployment(t)
  const writes: string[] = []
  onWrites(whole, async (_, operation, forward) => {
    writes.push(operation)
    await forward()
    return undefined
  })
  t.equal((await whole.run()).code, 0)
  t.ok(writes.length >= 12, writes.join(' '))

  // Behind one is before the next, but for the files that are written in between.
  const moments = writes.flatMap((operation, index) => [
    { operation, index, when: 'before' as const },
    ...(operation === 'dynamodb:TransactWriteItems' || index === writes.length - 1
      ? [{ operation, index, when: 'behind' as const }]
      : []),
  ])
  for (const { operation, index, when } of moments) {
    const deployment = await newDeployment(t)
    const run = deployment.start()
    onWrites(deployment, async (count, _, forward) => {
      if (count > index + 1) return undefined
      if (count < index + 1 || when === 'behind') await forward()
      if (count === index + 1) {
        run.kill('SIGKILL')
        await run.ended
      }
      return undefined
    })
    await run.ended
    undisturbed(deployment)
    await deployment.forgetLease()
    const name = `killed ${when} ${operation} (${index + 1})`
    const known = (await rows(deployment, 'control')).find(({ pk }) => pk === 'BOOTSTRAP')
    const issued = await rows(deployment, 'certificates')

    const again = await deployment.run()
    t.equal(again.code, 0, `${name}: ${again.stderr}`)
    const record = (await rows(deployment, 'control')).find(({ pk }) => pk === 'BOOTSTRAP')
    if (known !== undefined) t.same(record, known, `${name}: the root that was on record stays`)
    const after = await rows(deployment, 'certificates')
    t.equal(after.length, 1, `${name}: one certificate of one admin`)
    for (const row of issued) t.match(after[0], { serial_number: row['serial_number'] }, name)
    t.same(
      Object.keys(filesIn(deployment.outputDir)).filter((file) => !file.endsWith('.tmp')),
      ['admin-cert.pem', 'admin-key.pem', 'ca-cert.pem'],
      name,
    )
    const before = await deployment.snapshot()
    t.match((await deployment.run()).stderr, /Nothing changed/, name)
    t.same(await deployment.snapshot(), before, name)
    await noteKeys(deployment)
  }
})

t.test('no key was said', async (t) => noKeyWasSaid(t, 40))

import { globSync } from 'node:fs'
import type { Test } from 'tap'
import { copyForTerraform } from './terraform.ts'

/** Shows by terraform's own tests, whose runs are named as promises, that modules (`infra/modules/dns`) keep them. */
export const proveModules = async (t: Test, folders: string[]): Promise<void> => {
  t.setTimeout(290_000)
  const terraform = await copyForTerraform(t.testdir())
  if ('missing' in terraform) {
    console.error(`SKIPPED: terraform tests of infra/: ${terraform.missing}`)
    t.plan(0, terraform.missing)
    return
  }
  t.teardown(() => terraform.close())

  t.jobs = 2
  for (const folder of folders) {
    const files = globSync('tests/*.tftest.hcl', { cwd: folder })
    // A test loads and checks the whole module: what has tests is valid when they pass. All files in one process, since
    // each asks the provider for all that it knows, which takes longer than most runs.
    const command = files.length === 0 ? 'validate' : 'test'
    t.test(`${folder}: terraform ${command}`, { buffered: true }, async (t) => {
      const { code, output } = await terraform.run(folder, [command], 280_000)
      for (const file of files) t.match(output, `${file}... pass`)
      for (const [, promise = '', outcome] of output.matchAll(/^ {2}run "(\w+)"\.\.\. (\w+)$/gm))
        t.equal(outcome, 'pass', promise)
      t.equal(code, 0, code === 0 ? 'no complaint' : output)
    })
  }
}

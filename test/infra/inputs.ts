import { globSync, readFileSync } from 'node:fs'
import t from 'tap'
import { plainString, readHcl } from '../../scripts/generate/hcl.ts'
import { blocksOf, inputsOf, moduleFolders } from '../../scripts/generate/terraform-module.ts'

/** How often each variable is expected to fail by a module's tests. */
const expectedFailures = (folder: string): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const path of globSync(`${folder}/tests/*.tftest.hcl`))
    for (const { kind, attributes } of readHcl(readFileSync(path, 'utf8'), path))
      if (kind === 'run')
        for (const [, name = ''] of (attributes.get('expect_failures') ?? '').matchAll(/\bvar\.(\w+)/g))
          counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}

for (const folder of moduleFolders().filter((folder) => !folder.startsWith('infra/examples/')))
  t.test(`every input of ${folder} is refused when it is wrong, with a word on what to write`, async (t) => {
    const failures = expectedFailures(folder)
    for (const { name, type, validations } of inputsOf(folder)) {
      // There is no wrong bool: terraform refuses what is neither.
      t.ok(type === 'bool' || validations > 0, `${name} has a validation`)
      t.ok((failures.get(name) ?? 0) >= validations, `each validation of ${name} has a test that expects it to fail`)
    }
    for (const variable of blocksOf(folder).filter(({ kind }) => kind === 'variable'))
      for (const validation of variable.blocks.filter(({ kind }) => kind === 'validation')) {
        const message = validation.attributes.get('error_message') ?? ''
        t.match(plainString(message) ?? message, /\b[Ww]rite\b/, `${variable.labels[0]}: ${message}`)
      }
  })

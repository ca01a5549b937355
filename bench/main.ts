/**
 * Runs the benchmarks that lie beside this file: every module that exports `run`, which answers numbers by name and throws
 * when one of them is worse than it may be.
 *
 *     npm run bench               all of them
 *     npm run bench -- issue      those whose name holds "issue"
 */
import { globSync } from 'node:fs'
import { join } from 'node:path'

const wanted = process.argv.slice(2)
const files = globSync('*.ts', { cwd: import.meta.dirname })
  .filter((file) => file !== 'main.ts' && (wanted.length === 0 || wanted.some((word) => file.includes(word))))
  .sort()
let ran = 0
for (const file of files) {
  const module = (await import(join(import.meta.dirname, file))) as { run?: () => Promise<Record<string, number>> }
  if (module.run === undefined) continue
  ran += 1
  console.log(file)
  try {
    for (const [name, value] of Object.entries(await module.run()))
      console.log(`  ${name.padEnd(48)} ${value.toLocaleString('en', { maximumFractionDigits: 3 }).padStart(12)}`)
  } catch (error) {
    console.log(`  FAIL ${error instanceof Error ? error.message : error}`)
    process.exitCode = 1
  }
}
if (ran === 0) {
  console.error('no benchmark ran')
  process.exitCode = 1
}

/** Everything that can be said about the sources without running them; one line for each check, exit 1 when one fails. */
import { spawnSync } from 'node:child_process'
import { join, resolve } from 'node:path'
import { findForeignText } from './check/foreign-text.ts'
import { requireNode } from './require-node.ts'

requireNode()
const root = resolve(import.meta.dirname, '..')
const bin = (name: string) => join(root, 'node_modules/.bin', name)

/** What a program printed when it failed; nothing when it did not. */
const complaints = (command: string, ...args: string[]): string => {
  const { status, error, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8', timeout: 120_000 })
  return status === 0 ? '' : `${stdout ?? ''}${stderr ?? ''}${error ?? ''}` || `exit code ${status}`
}

const checks: [string, () => string][] = [
  ['format and lint', () => complaints(bin('biome'), 'check', '--error-on-warnings', '.')],
  ['types', () => complaints(bin('tsc'), '--noEmit', '-p', '.')],
  ['layers', () => complaints(process.execPath, 'test/layers.ts')],
  ['generated pages', () => complaints(process.execPath, 'scripts/generate.ts', '--check')],
  ['nothing of one machine', () => findForeignText(root).join('\n')],
]

let failed = 0
for (const [name, check] of checks) {
  const started = performance.now()
  const said = check()
  if (said !== '') failed += 1
  console.log(`${said === '' ? 'ok  ' : 'FAIL'} ${name}  ${((performance.now() - started) / 1000).toFixed(1)} s`)
  if (said !== '') console.log(said.trimEnd().replace(/^/gm, '  | '))
}
console.log(failed === 0 ? `\nall ${checks.length} checks pass` : `\n${failed} of ${checks.length} checks fail`)
process.exitCode = failed === 0 ? 0 : 1

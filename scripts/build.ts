/**
 * Compiles src into a fresh dist/, and makes the two programs executable. BUILD_WITHOUT_CHECK=1 takes the types for good:
 * for tests, which build the same sources again and again after `npm run check` has looked at them.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { requireNode } from './require-node.ts'

requireNode()
const root = resolve(import.meta.dirname, '..')
const dist = join(root, 'dist')
// Without this a module that was renamed lives on in the package.
rmSync(dist, { recursive: true, force: true })
const unchecked = process.env['BUILD_WITHOUT_CHECK'] === '1' ? ['--noCheck'] : []
const { status } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.build.json', ...unchecked], {
  cwd: root,
  stdio: 'inherit',
})
if (status !== 0) process.exit(status ?? 1)

const shebang = '#!/usr/bin/env node\n'
const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { bin: Record<string, string> }
for (const [name, program] of Object.entries(bin)) {
  const path = join(root, program)
  if (!existsSync(path)) {
    console.error(`${name}: ${program} was not built`)
    process.exit(1)
  }
  const text = readFileSync(path, 'utf8')
  if (!text.startsWith('#!')) writeFileSync(path, shebang + text)
  chmodSync(path, 0o755)
}
console.log(`built ${Object.keys(bin).join(', ')} into dist/`)

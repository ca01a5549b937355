/**
 * Writes the pages of docs/ that are made from the sources.
 *
 *     npm run generate             write those that have changed
 *     npm run generate -- --check  write nothing; exit 1 when one is not what the sources say
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { requireNode } from './require-node.ts'

requireNode()
const docs = resolve(import.meta.dirname, '../docs')
const check = process.argv.includes('--check')

const pages: Record<string, () => Promise<string>> = {
  'errors.md': async () => (await import('./generate/errors.ts')).errorsPage(),
  'permissions.md': async () => (await import('./generate/permissions.ts')).permissionsPage(),
  'openapi.json': async () => (await import('./generate/openapi.ts')).openApiText(),
  'api.md': async () => (await import('./generate/api.ts')).apiPage(),
  'configuration.md': async () => (await import('./generate/configuration.ts')).configurationPage(),
  'cli.md': async () => (await import('./generate/cli.ts')).cliPage(),
  'metrics.md': async () => (await import('./generate/metrics.ts')).metricsPage(),
}

const written = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

mkdirSync(docs, { recursive: true })
let failed = false
for (const [name, render] of Object.entries(pages)) {
  try {
    const [text, path] = [await render(), join(docs, name)]
    if (written(path) === text) continue
    if (check) console.log(`docs/${name} is not what the sources say: run \`npm run generate\``)
    else writeFileSync(path, text)
    if (check) failed = true
    else console.log(`docs/${name}`)
  } catch (error) {
    console.log(`docs/${name} cannot be made: ${error instanceof Error ? (error.stack ?? error.message) : error}`)
    failed = true
  }
}
// The metrics of a process watch its event loop for as long as it lives.
process.exit(failed ? 1 : 0)

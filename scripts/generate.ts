/**
 * Writes the pages that are made from the sources: those of docs/, and the inputs and outputs of Terraform's modules.
 *
 *     npm run generate             write those that have changed
 *     npm run generate -- --check  write nothing; exit 1 when one is not what the sources say
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { moduleReadme } from './generate/module-readme.ts'
import { moduleFolders } from './generate/terraform-module.ts'
import { requireNode } from './require-node.ts'

requireNode()
const root = resolve(import.meta.dirname, '..')
const check = process.argv.includes('--check')

const pages: Record<string, () => Promise<string>> = {
  'docs/errors.md': async () => (await import('./generate/errors.ts')).errorsPage(),
  'docs/permissions.md': async () => (await import('./generate/permissions.ts')).permissionsPage(),
  'docs/openapi.json': async () => (await import('./generate/openapi.ts')).openApiText(),
  'docs/api.md': async () => (await import('./generate/api.ts')).apiPage(),
  'docs/configuration.md': async () => (await import('./generate/configuration.ts')).configurationPage(),
  'docs/cli.md': async () => (await import('./generate/cli.ts')).cliPage(),
  'docs/metrics.md': async () => (await import('./generate/metrics.ts')).metricsPage(),
  ...Object.fromEntries(moduleFolders().map((folder) => [`${folder}/README.md`, async () => moduleReadme(folder)])),
}

const written = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

let failed = false
for (const [name, render] of Object.entries(pages)) {
  try {
    const [text, path] = [await render(), join(root, name)]
    if (written(path) === text) continue
    if (check) console.log(`${name} is not what the sources say: run \`npm run generate\``)
    else {
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, text)
    }
    if (check) failed = true
    else console.log(name)
  } catch (error) {
    console.log(`${name} cannot be made: ${error instanceof Error ? (error.stack ?? error.message) : error}`)
    failed = true
  }
}
// The metrics of a process watch its event loop for as long as it lives.
process.exit(failed ? 1 : 0)

import { readFile } from 'node:fs/promises'
import type { Verb } from '../noun.ts'
import type { Session } from '../session.ts'

/** From sources and from the build alike, package.json lies two directories above src/cli and dist/cli. */
const packageFile = new URL('../../../package.json', import.meta.url)

export const readVersion = async (): Promise<string> =>
  (JSON.parse(await readFile(packageFile, 'utf8')) as { version: string }).version

/** The release of this program. */
export const versionVerb = (session: Session): Verb => ({
  name: 'version',
  summary: 'show the version of this program',
  examples: ['airunner version', 'airunner version -o json'],
  run: async () => {
    const version = { version: await readVersion(), node: process.version }
    const { output } = session.globals()
    if (output === 'table') return void session.io.stdout.write(`airunner ${version.version}\n`)
    await session.print().record({ name: () => version.version }, version)
  },
})

/** Every case that is measured. */
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { enrol } from './cases/enrol.ts'
import { firstHandshake, handshake } from './cases/handshake.ts'
import { issue } from './cases/issue.ts'
import { keepAlive } from './cases/keep-alive.ts'
import { renewFresh, renewKept } from './cases/renew.ts'
import { revoke } from './cases/revoke.ts'
import type { PathCase } from './support/path.ts'
import { collect } from './support/results.ts'
import type { Scene } from './support/scene.ts'

/** Requests on one server, measured by turns. */
export const allPaths: PathCase[] = [handshake, firstHandshake, keepAlive, issue, renewKept, renewFresh, enrol, revoke]

/** What a module of cases/ may export instead of a scene: numbers by name, measured in this process or by itself. */
type Simple = (how: { quick: boolean }) => Promise<Record<string, number>>

/** Every module of cases/ that exports a `scene`, or a `run` of the simple kind, by name. */
export const findScenes = async (): Promise<Scene[]> => {
  const folder = join(import.meta.dirname, 'cases')
  const scenes: Scene[] = []
  for (const file of globSync('*.ts', { cwd: folder }).sort()) {
    const { scene, run } = (await import(join(folder, file))) as { scene?: Scene; run?: Simple }
    if (scene !== undefined) scenes.push(scene)
    else if (run !== undefined)
      scenes.push({
        name: file.replace(/\.ts$/, ''),
        what: `bench/cases/${file} says`,
        run: async ({ runs, quick }) => {
          const records: Record<string, number>[] = []
          for (let turn = 0; turn < runs; turn++) records.push(await run({ quick }))
          return collect(records)
        },
      })
  }
  return scenes
}

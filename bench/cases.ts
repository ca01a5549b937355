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
import type { Scene } from './support/scene.ts'

/** Requests on one server, measured by turns. */
export const allPaths: PathCase[] = [handshake, firstHandshake, keepAlive, issue, renewKept, renewFresh, enrol, revoke]

/** The `scene` of every module of cases/ that exports one, in the order of the files. */
export const findScenes = async (): Promise<Scene[]> => {
  const folder = join(import.meta.dirname, 'cases')
  const scenes: Scene[] = []
  for (const file of globSync('*.ts', { cwd: folder }).sort()) {
    const { scene } = (await import(join(folder, file))) as { scene?: Scene }
    if (scene !== undefined) scenes.push(scene)
  }
  return scenes
}

import type { Generator } from '../load/start.ts'
import type { Figures } from './results.ts'

export interface SceneOptions {
  quick: boolean
  runs: number
  generator: Generator
  /** How many certificates a large registry has, and where its file is kept for another time. */
  rows: number
  data: string | undefined
}

/** Something that happens to a server, and is more than one request. */
export interface Scene {
  name: string
  /** What is measured, one line. */
  what: string
  /** One value of each figure for each run. Throws when it does not come out as promised. */
  run(options: SceneOptions): Promise<Figures>
}

import type { Generator } from '../load/start.ts'
import { measure, type PathCase, type Sample } from './path.ts'
import { type CaseResult, collect, figuresOf } from './results.ts'
import { layStage } from './stage.ts'

export interface PathOptions {
  quick: boolean
  runs: number
  generator: Generator
  tell: (text: string) => void
  /** Told of a path that could not be measured; the others go on. */
  failed: (name: string, error: unknown) => void
}

/** Measures requests on one server, by turns, so that a busy moment of the machine does not meet one of them alone. */
export const runPaths = async (
  cases: PathCase[],
  { quick, runs, generator, tell, failed }: PathOptions,
): Promise<Record<string, CaseResult>> => {
  const stage = await layStage()
  const broken = new Set<PathCase>()
  const attempt = async (path: PathCase, work: () => Promise<void>) => {
    if (broken.has(path)) return
    try {
      await work()
    } catch (error) {
      broken.add(path)
      failed(path.name, error)
    }
  }
  try {
    const open: { path: PathCase; samples: Sample[]; plans: Awaited<ReturnType<PathCase['prepare']>> }[] = []
    for (const path of cases) {
      tell(`preparing ${path.name}`)
      await attempt(path, async () => {
        const plans = await path.prepare(stage, path.size[quick ? 'quick' : 'full'], runs)
        open.push({ path, samples: [], plans })
      })
    }
    const server = await stage.start()
    for (const { path, plans } of open) {
      tell(`warming up ${path.name}`)
      await attempt(path, async () => void (await measure(generator, server.pid, plans.warmUp(server))))
    }
    for (let run = 0; run < runs; run++)
      for (const { path, plans, samples } of open) {
        tell(`measuring ${path.name}, ${run + 1} of ${runs}`)
        const plan = plans.runs[run]?.(server)
        if (plan !== undefined)
          await attempt(path, async () => void samples.push(await measure(generator, server.pid, plan)))
      }
    await server.end()
    const measured = open.filter(({ path }) => !broken.has(path))
    return Object.fromEntries(
      measured.map(({ path, samples }) => {
        const { n, warmUp, inFlight } = path.size[quick ? 'quick' : 'full']
        const figures = figuresOf(collect(samples))
        return [path.name, { what: path.what, runs, n, warm_up: warmUp, in_flight: inFlight, figures }]
      }),
    )
  } finally {
    await stage.end()
  }
}

import type { Generator } from '../load/start.ts'
import { measure, type PathCase, type Sample } from './path.ts'
import { type CaseResult, collect, figuresOf } from './results.ts'
import { layStage } from './stage.ts'

export interface PathOptions {
  quick: boolean
  runs: number
  generator: Generator
  tell: (text: string) => void
}

/** Measures requests on one server, by turns, so that a busy moment of the machine does not meet one of them alone. */
export const runPaths = async (
  cases: PathCase[],
  { quick, runs, generator, tell }: PathOptions,
): Promise<Record<string, CaseResult>> => {
  const stage = await layStage()
  try {
    const open = []
    for (const path of cases) {
      tell(`preparing ${path.name}`)
      const size = path.size[quick ? 'quick' : 'full']
      open.push({ path, size, samples: [] as Sample[], plans: await path.prepare(stage, size, runs) })
    }
    const server = await stage.start()
    for (const { path, plans } of open) {
      tell(`warming up ${path.name}`)
      await measure(generator, server.pid, plans.warmUp(server))
    }
    for (let run = 0; run < runs; run++)
      for (const { path, plans, samples } of open) {
        tell(`measuring ${path.name}, ${run + 1} of ${runs}`)
        const plan = plans.runs[run]?.(server)
        if (plan !== undefined) samples.push(await measure(generator, server.pid, plan))
      }
    await server.end()
    return Object.fromEntries(
      open.map(({ path, size, samples }) => [
        path.name,
        {
          what: path.what,
          runs,
          n: size.n,
          warm_up: size.warmUp,
          in_flight: size.inFlight,
          figures: figuresOf(collect(samples)),
        },
      ]),
    )
  } finally {
    await stage.end()
  }
}

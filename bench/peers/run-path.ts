import { measure, type Sample } from '../support/path.ts'
import { type CaseResult, collect, figuresOf } from '../support/results.ts'
import { type Bout, type Contender, type PathName, paths } from './contender.ts'

/** Measures one path of everybody who has it, by turns. Who fails is told of, and has no result. */
export const runPath = async (
  path: PathName,
  contenders: Contender[],
  { generator, runs }: Bout,
  failed: (what: string, error: unknown) => void,
): Promise<Record<string, CaseResult>> => {
  const able = contenders.flatMap(({ name, pid, plans }) => {
    const plan = plans[path]
    return plan === undefined ? [] : [{ name, pid, plan, samples: [] as Sample[], broken: false }]
  })
  for (let run = -1; run < runs; run++)
    for (const one of able) {
      const plan = run < 0 ? one.plan.warmUp : one.plan.runs[run]
      if (one.broken || plan === undefined) continue
      try {
        const sample = await measure(generator, one.pid, plan)
        if (run >= 0) one.samples.push(sample)
      } catch (error) {
        one.broken = true
        failed(`${path}: ${one.name}`, error)
      }
    }
  return Object.fromEntries(
    able
      .filter(({ broken }) => !broken)
      .map(({ name, plan, samples }) => [
        `${path}: ${name}`,
        {
          what: paths[path],
          runs,
          n: plan.runs[0]?.jobs.length ?? 0,
          warm_up: plan.warmUp.jobs.length,
          in_flight: plan.warmUp.inFlight,
          figures: figuresOf(collect(samples)),
        },
      ]),
  )
}

import type { Run } from './run-file.ts'

/** More files than this that fail at the first try are no bad luck. */
const mostUnstable = 3

/** What a file has come to. */
export interface Outcome {
  file: string
  /** The last one. */
  run: Run
  /** Of a file that failed beside others and passes alone: what was seen first. */
  unstable?: Run
}

export interface Tries {
  files: string[]
  /** How many at once. */
  jobs: number
  run(file: string): Promise<Run>
  /** Told of every run as it ends. `again`: it failed, and is tried once more when the rest is done. */
  ended(file: string, run: Run, again: boolean): void
  /** Whether a file that failed is run again, alone, after all the rest. */
  secondTry: boolean
}

/** Whether anything of a file has failed. */
const hasFailed = (run: Run): boolean => run.failed > 0 || run.faults.length > 0

/**
 * Runs files beside each other, and those that failed once more, alone: a machine that has other work is no fault of a
 * change. One that fails twice has failed, and so have all when more than three failed at first.
 */
export const runAll = async ({ files, jobs, run, ended, secondTry }: Tries): Promise<Outcome[]> => {
  const waiting = [...files]
  const outcomes: Outcome[] = []
  const worker = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const first = await run(file)
      outcomes.push({ file, run: first })
      ended(file, first, secondTry && hasFailed(first))
    }
  }
  await Promise.all(Array.from({ length: jobs }, worker))

  const failed = outcomes.filter((outcome) => hasFailed(outcome.run))
  if (!secondTry || failed.length > mostUnstable) return outcomes
  for (const outcome of failed) {
    const first = outcome.run
    const second = await run(outcome.file)
    outcome.run = second
    if (!hasFailed(second)) outcome.unstable = first
    ended(outcome.file, second, false)
  }
  return outcomes
}

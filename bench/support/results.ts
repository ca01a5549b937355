import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'
import { dirname, resolve } from 'node:path'
import { type Figure, figureOf } from './statistics.ts'

/** Values by name, one for each run. A name ends in its unit; what ends in `_per_second` is better when it is more. */
export type Figures = Record<string, number[]>

export interface CaseResult {
  what: string
  runs: number
  /** Operations of one run, and before the first; absent where a case has its own way to count. */
  n?: number
  warm_up?: number
  in_flight?: number
  /** That it took in all; absent where cases took turns. */
  seconds?: number
  figures: Record<string, Figure>
}

export interface Machine {
  cpu: string
  cores: number
  memory_gb: number
  system: string
}

/** What a run of the bench leaves. */
export interface Results {
  format: 'airunner-bench/1'
  at: string
  commit: string
  quick: boolean
  machine: Machine
  versions: Record<string, string>
  /** One, five and fifteen minutes, before it began: on a busy machine every figure is worse. */
  load_average: number[]
  /** That all of it took. */
  seconds?: number
  cases: Record<string, CaseResult>
}

const commitHere = (): string => {
  try {
    const git = (...args: string[]) => execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8' }).trim()
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '-uno') === '' ? '' : '+')
  } catch {
    return 'unknown'
  }
}

export const startResults = (quick: boolean, versions: Record<string, string> = {}): Results => ({
  format: 'airunner-bench/1',
  at: new Date().toISOString(),
  commit: commitHere(),
  quick,
  machine: {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memory_gb: Math.round(totalmem() / 1e9),
    system: `${process.platform} ${release()} ${process.arch}`,
  },
  versions: { node: process.versions.node, openssl: process.versions.openssl, ...versions },
  load_average: loadavg().map((load) => Math.round(load * 10) / 10),
  cases: {},
})

export const figuresOf = (figures: Figures): Record<string, Figure> =>
  Object.fromEntries(Object.entries(figures).map(([name, values]) => [name, figureOf(values)]))

/** One record of numbers per run, as lists by name. */
export const collect = (samples: object[]): Figures => {
  const figures: Figures = {}
  for (const sample of samples)
    for (const [name, value] of Object.entries(sample as Record<string, number>)) {
      figures[name] ??= []
      figures[name].push(value)
    }
  return figures
}

/** Leaves them in a file; answers where it is. */
export const writeResults = (path: string, results: Results): string => {
  const file = resolve(path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`)
  return file
}

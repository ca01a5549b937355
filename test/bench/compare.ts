import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import type { CaseResult, Results } from '../../bench/support/results.ts'
import type { Figure } from '../../bench/support/statistics.ts'

const [program, baseline] = ['compare.ts', 'baseline.json'].map((name) =>
  resolve(import.meta.dirname, '../../bench', name),
) as [string, string]

/** A result with one case, whose runs gave these values. */
const resultsWith = (figures: Record<string, [min: number, median: number, max: number]>): Results => ({
  format: 'airunner-bench/1',
  at: '2026-11-21T12:00:00.000Z',
  commit: 'abc1234',
  quick: false,
  machine: { cpu: 'some', cores: 2, memory_gb: 8, system: 'linux 6 x64' },
  versions: { node: '24.21.0' },
  load_average: [0, 0, 0],
  cases: {
    issue: {
      what: 'issue',
      runs: 3,
      figures: Object.fromEntries(
        Object.entries(figures).map(([name, [min, median, max]]) => [name, { min, median, max }]),
      ),
    },
  },
})

const compared = (t: Pick<Test, 'teardown'>, before: unknown, after: unknown) => {
  const folder = mkdtempSync(join(tmpdir(), 'compare-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const files = [before, after].map((results, index) => {
    const file = join(folder, `${index}.json`)
    writeFileSync(file, JSON.stringify(results))
    return file
  })
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...files], { encoding: 'utf8' })
  return { status, stdout, stderr }
}

type Runs = [number, number, number]
const table: [string, string, Runs, Runs, number, RegExp][] = [
  [
    'more CPU beyond the spread of both is worse',
    'server_cpu_ms',
    [0.9, 1, 1.1],
    [1.2, 1.3, 1.4],
    1,
    /worse.*issue.*1\.30/,
  ],
  ['less CPU beyond the spread of both is better', 'server_cpu_ms', [1.2, 1.3, 1.4], [0.9, 1, 1.1], 0, /^\| better/m],
  ['spreads that meet are noise', 'server_cpu_ms', [0.9, 1, 1.25], [1.2, 1.3, 1.4], 0, /0 worse, 0 better, 1 within/],
  ['a tenth is noise, however small the spread', 'server_cpu_ms', [1, 1, 1], [1.1, 1.1, 1.1], 0, /1 within/],
  ['a third of a time is noise', 'p50_ms', [30, 30, 30], [40, 40, 40], 0, /1 within/],
  ['half as much again is not', 'p50_ms', [30, 30, 30], [45, 45, 45], 1, /1 worse/],
  ['the slowest of many may take twice as long', 'p99_ms', [30, 30, 30], [60, 60, 60], 0, /1 within/],
  ['and no longer', 'p99_ms', [30, 30, 30], [61, 61, 61], 1, /1 worse/],
  ['no wait is known to a tenth of a millisecond', 'p50_ms', [0.01, 0.01, 0.01], [0.1, 0.1, 0.1], 0, /1 within/],
  ['fewer per second is worse', 'operations_per_second', [900, 1000, 1100], [600, 700, 800], 1, /1 worse/],
  ['more per second is better', 'operations_per_second', [600, 700, 800], [900, 1000, 1100], 0, /1 better/],
  ['what the load generator used is no verdict', 'generator_cores', [0.1, 0.1, 0.1], [0.9, 0.9, 0.9], 0, /0 worse/],
]

for (const [promise, figure, before, after, code, says] of table)
  t.test(promise, async (t) => {
    const { status, stdout } = compared(t, resultsWith({ [figure]: before }), resultsWith({ [figure]: after }))
    t.equal(status, code, stdout)
    t.match(stdout, says)
  })

t.test('one run knows nothing of its spread: a third is noise, a half is not', async (t) => {
  const once = (median: number) => {
    const results = resultsWith({ server_cpu_ms: [median, median, median] })
    for (const figure of Object.values(results.cases['issue']?.figures ?? {})) figure.runs = 1
    return results
  }
  t.equal(compared(t, once(30), once(40)).status, 0)
  const { status, stdout } = compared(t, once(30), once(45))
  t.equal(status, 1)
  t.match(stdout, /worse.*issue.*server_cpu_ms.*1\.50/)
})

t.test('CPU below what is accounted for is noise', async (t) => {
  const [before, after] = [0.001, 0.003].map((cpu) => resultsWith({ store_cpu_ms: [cpu, cpu, cpu] }))
  t.equal(compared(t, before, after).status, 0)
})

t.test('a whole result with one case slowed by 30 % names that case alone', async (t) => {
  const before = JSON.parse(readFileSync(baseline, 'utf8')) as Results
  t.equal(compared(t, before, before).status, 0)
  const after = structuredClone(before)
  // The one that is known best: with a spread of its own of 30 % nobody could tell.
  const spreadOf = ({ figures }: CaseResult) => {
    const { min = 0, max = Number.POSITIVE_INFINITY } = figures['server_cpu_ms'] ?? {}
    return max / min
  }
  const [name = '', slowed] = Object.entries(after.cases).sort(([, a], [, b]) => spreadOf(a) - spreadOf(b))[0] ?? []
  for (const figure of ['min', 'median', 'max'] as const) (slowed?.figures['server_cpu_ms'] as Figure)[figure] *= 1.3
  const { status, stdout } = compared(t, before, after)
  t.equal(status, 1)
  t.match(stdout, new RegExp(`^\\| worse \\| ${name} \\| server_cpu_ms .*× 1\\.30`, 'm'))
  t.match(stdout, /1 worse, 0 better/)
})

t.test('another machine or size is said, and what only one of them measured', async (t) => {
  const sized = (name: string, warm_up: number, other: string): Results => {
    const results = resultsWith({ server_cpu_ms: [1, 1, 1], [`${name}_ms`]: [1, 1, 1] })
    Object.assign(results.cases['issue'] as CaseResult, { n: 5, warm_up, in_flight: 1 })
    results.cases[other] = results.cases['issue'] as CaseResult
    return results
  }
  const [before, after] = [sized('gone', 1, 'old'), sized('new', 2, 'enrol')]
  after.machine.cores = 8
  const { status, stdout } = compared(t, before, after)
  t.equal(status, 0)
  t.match(stdout, /WARNING {2}another cores: 2, 8/)
  t.match(stdout, /WARNING {2}issue was measured otherwise: 5 after 1, 1 at once; 5 after 2, 1 at once/)
  for (const what of ['again: old', 'again: issue, gone_ms', 'before: enrol', 'before: issue, new_ms'])
    t.match(stdout, `not measured ${what}\n`)
})

t.test('what is no result of the bench is refused', async (t) => {
  for (const other of [{}, { format: 'airunner-bench/2' }, 7]) {
    const { status, stderr } = compared(t, other, other)
    t.equal(status, 2)
    t.match(stderr, /no result of the bench/)
  }
})

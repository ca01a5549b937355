import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import type { Results } from '../../bench/support/results.ts'

const program = resolve(import.meta.dirname, '../../bench/compare.ts')

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
  ['a twentieth is noise, however small the spread', 'server_cpu_ms', [1, 1, 1], [1.04, 1.04, 1.04], 0, /1 within/],
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

t.test('another machine is said, and a case that is missing', async (t) => {
  const before = resultsWith({ server_cpu_ms: [1, 1, 1] })
  const after = { ...before, machine: { ...before.machine, cores: 8 }, cases: {} }
  const { status, stdout } = compared(t, before, after)
  t.equal(status, 0)
  t.match(stdout, /WARNING {2}another cores: 2, 8/)
  t.match(stdout, /not measured again: issue/)
})

t.test('what is no result of the bench is refused', async (t) => {
  for (const other of [{}, { format: 'airunner-bench/2' }, 7]) {
    const { status, stderr } = compared(t, other, other)
    t.equal(status, 2)
    t.match(stderr, /no result of the bench/)
  }
})

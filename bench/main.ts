/**
 * Measures the plane on this machine: what requests cost a server, and what happens to it when much happens at once.
 *
 *     npm run bench                            everything, less than 10 minutes on two quiet cores
 *     npm run bench -- --quick                 small numbers, less than 2 minutes
 *     npm run bench -- issue renew             the cases whose name holds one of these words
 *     npm run bench -- --list                  what cases there are
 *     npm run bench -- --runs 5                runs of each case, 3 unless said
 *     npm run bench -- --json FILE             where the figures go; bench/results/latest.json unless said
 *     npm run bench -- --write                 all of it, and into docs/performance.md unless a case fails
 *     npm run bench -- rows --rows 1000000 --data DIR     a large registry, its file kept in DIR for another time; with
 *                                              --write into its own section of the page
 *     BENCH_PROFILE=DIR npm run bench -- issue            a CPU profile of each server that was measured
 *     REVOKED=1000000 npm run bench -- crl, EVENTS=1000000 npm run bench -- audit     other sizes
 *
 * Exit code 1: a case could not be measured. 2: it was called wrongly. That a goal does not hold is no failure.
 */
import { join } from 'node:path'
import { requireNode } from '../scripts/require-node.ts'
import { allPaths, findScenes } from './cases.ts'
import { goalsAlone } from './goals.ts'
import { startGenerator } from './load/start.ts'
import './support/leavings.ts'
import { goalTable } from './support/goal-table.ts'
import { countOf, readOptions, refuse, requireLinux } from './support/options.ts'
import { writeSection } from './support/page.ts'
import { figuresOf, startResults, writeResults } from './support/results.ts'
import { runPaths } from './support/run-paths.ts'
import { heading, otherTable, pathTable } from './support/table.ts'
import { startTelling } from './support/tell.ts'

requireNode()
const { values, positionals } = readOptions(
  import.meta.filename,
  {
    quick: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    json: { type: 'string', default: join(import.meta.dirname, 'results/latest.json') },
    runs: { type: 'string' },
    rows: { type: 'string' },
    data: { type: 'string' },
  },
  true,
)
requireLinux()
const { quick } = values
const runs = countOf('runs', values.runs ?? '3')
const rows = countOf('rows', values.rows ?? (quick ? '2000' : '50000'))
const scenes = await findScenes()
const all = [...allPaths, ...scenes]
if (values.list) {
  for (const { name, what } of all) console.log(`${name.padEnd(18)} ${what}`)
  process.exit(0)
}
const unknown = positionals.find((word) => !all.some(({ name }) => name.includes(word)))
if (unknown !== undefined) refuse(`no case is named ${unknown}; --list says what there is`)
const onlyRows = positionals.join() === 'rows' && values.rows !== undefined
if (values.write && quick) refuse('small numbers are for no page: --write goes without --quick')
if (values.write && positionals.length > 0 && !onlyRows)
  refuse('the page holds all cases of one run: --write goes with none named, or with rows --rows N')
const wanted = ({ name }: { name: string }) =>
  positionals.length === 0 || positionals.some((word) => name.includes(word))
const [paths, others] = [allPaths.filter(wanted), scenes.filter(wanted)]

const { tell, seconds } = startTelling()
const results = startResults(quick)
const generator = startGenerator()
const failures: string[] = []
const failed = (name: string, error: unknown): void => {
  failures.push(`${name}: ${error instanceof Error ? (error.stack ?? error.message) : error}`)
  tell(`${name} FAILED`)
}

if (paths.length > 0)
  await runPaths(paths, { quick, runs, generator, tell, failed }).then(
    (cases) => Object.assign(results.cases, cases),
    (error) => failed('requests', error),
  )
// What takes long is shown once where little time is to be taken.
const runsOfScenes = quick && values.runs === undefined ? 1 : runs
for (const { name, what, run } of others) {
  tell(name)
  const before = seconds()
  try {
    const figures = await run({ quick, runs: runsOfScenes, generator, rows, data: values.data })
    const most = Math.max(...Object.values(figures).map((values) => values.length))
    results.cases[name] = { what, runs: most, seconds: seconds() - before, figures: figuresOf(figures) }
  } catch (error) {
    failed(name, error)
  }
}
generator.stop()
results.seconds = seconds()

const isPath = ([, { n }]: [string, { n?: number }]) => n !== undefined
const entries = Object.entries(results.cases)
const [requests, rest] = [entries.filter(isPath), entries.filter((entry) => !isPath(entry))]
const goals = goalsAlone.filter((goal) => wanted({ name: goal.case }))
const text = [
  heading(results),
  ...(goals.length > 0 ? [goalTable(goals, results.cases)] : []),
  ...(requests.length > 0 ? [pathTable(requests)] : []),
  ...(rest.length > 0 ? [otherTable(rest)] : []),
  entries.map(([name, { what }]) => `- \`${name}\`: ${what}`).join('\n'),
].join('\n\n')
console.log(text)
const file = writeResults(values.json, results)
if (values.write && failures.length === 0) writeSection(onlyRows ? 'rows' : 'bench', text)
tell(`done; figures in ${file}`)
for (const failure of failures) console.error(`FAILED ${failure}`)
process.exit(failures.length === 0 ? 0 : 1)

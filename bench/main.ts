/**
 * Measures the plane on this machine: what requests cost a server, and what happens to it when much happens at once.
 *
 *     npm run bench                            everything, less than 10 minutes on two quiet cores
 *     npm run bench -- --quick                 small numbers, less than 2 minutes
 *     npm run bench -- issue renew             the cases whose name holds one of these words
 *     npm run bench -- --json FILE             where the figures go; bench/results/latest.json unless said
 *     npm run bench -- --write                 and into docs/performance.md
 *     npm run bench -- rows --rows 1000000 --data DIR     a large registry, its file kept in DIR for another time
 *     BENCH_PROFILE=DIR npm run bench -- issue            a CPU profile of each server that was measured
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { requireNode } from '../scripts/require-node.ts'
import { allPaths, findScenes } from './cases.ts'
import { startGenerator } from './load/start.ts'
import './support/leavings.ts'
import { writeSection } from './support/page.ts'
import { figuresOf, startResults } from './support/results.ts'
import { runPaths } from './support/run-paths.ts'
import { heading, otherTable, pathTable } from './support/table.ts'

requireNode()
if (process.platform !== 'linux') {
  console.error('the bench reads what processes cost from /proc: it needs Linux')
  process.exit(2)
}
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    json: { type: 'string', default: join(import.meta.dirname, 'results/latest.json') },
    runs: { type: 'string', default: '3' },
    rows: { type: 'string' },
    data: { type: 'string' },
  },
})
const { quick } = values
if (quick && values.write) {
  console.error('small numbers are for no page: --write goes without --quick')
  process.exit(2)
}
const scenes = await findScenes()
const wanted = ({ name }: { name: string }) =>
  positionals.length === 0 || positionals.some((word) => name.includes(word))
const [paths, others] = [allPaths.filter(wanted), scenes.filter(wanted)]
if (values.list || paths.length + others.length === 0) {
  for (const { name, what } of [...allPaths, ...scenes]) console.log(`${name.padEnd(18)} ${what}`)
  process.exit(values.list ? 0 : 2)
}

const started = performance.now()
const tell = (text: string) =>
  console.error(`${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s  ${text}`)
const results = startResults(quick)
const generator = startGenerator()
const failures: string[] = []
const attempt = async (name: string, work: () => Promise<void>) => {
  try {
    await work()
  } catch (error) {
    failures.push(`${name}: ${error instanceof Error ? (error.stack ?? error.message) : error}`)
    tell(`${name} FAILED`)
  }
}

const runs = Number(values.runs)
if (paths.length > 0)
  await attempt(paths.map(({ name }) => name).join(', '), async () => {
    Object.assign(results.cases, await runPaths(paths, { quick, runs, generator, tell }))
  })
// What takes long is shown once where little time is to be taken.
const runsOfScenes = quick ? 1 : runs
const rows = Number(values.rows ?? (quick ? 2000 : 100_000))
for (const { name, what, run } of others) {
  tell(name)
  await attempt(name, async () => {
    const figures = await run({ quick, runs: runsOfScenes, generator, rows, data: values.data })
    const counted = Math.max(...Object.values(figures).map((values) => values.length))
    results.cases[name] = { what, runs: counted, figures: figuresOf(figures) }
  })
}
generator.stop()

const isPath = ([, { n }]: [string, { n?: number }]) => n !== undefined
const entries = Object.entries(results.cases)
const [requests, rest] = [entries.filter(isPath), entries.filter((entry) => !isPath(entry))]
const tables = [
  ...(requests.length > 0 ? [pathTable(requests)] : []),
  ...(rest.length > 0 ? [otherTable(rest)] : []),
  entries.map(([name, { what }]) => `- \`${name}\`: ${what}`).join('\n'),
]
const text = `${heading(results)}\n\n${tables.join('\n\n')}`
console.log(text)
const file = resolve(values.json)
mkdirSync(dirname(file), { recursive: true })
writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`)
if (values.write) writeSection(values.rows === undefined ? 'bench' : 'rows', text)
tell(`done; figures in ${file}`)
for (const failure of failures) console.error(`FAILED ${failure}`)
process.exit(failures.length === 0 ? 0 : 1)

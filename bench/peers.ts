/**
 * Measures what a user could pick instead, with the same load generator, on the same machine, by turns with ours.
 *
 *     npm run bench:peers                      less than 10 minutes on two quiet cores
 *     npm run bench:peers -- --quick           small numbers
 *     npm run bench:peers -- --write           the results go into docs/performance.md
 *
 * step-ca: go install github.com/smallstep/certificates/cmd/step-ca@latest; nginx: Debian's. Who is not installed is left out.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { requireNode } from '../scripts/require-node.ts'
import { startGenerator } from './load/start.ts'
import { airunner, airunnerFull, ourPaths } from './peers/airunner.ts'
import { type Bout, type Contender, type PathName, type Peer, paths } from './peers/contender.ts'
import { nginx } from './peers/nginx.ts'
import { nodeHttps } from './peers/node-https.ts'
import { ratioTable } from './peers/ratios.ts'
import { stepCa, stepCaWithCrl } from './peers/step-ca.ts'
import './support/leavings.ts'
import { writeSection } from './support/page.ts'
import { measure, type Sample, type Size } from './support/path.ts'
import { collect, figuresOf, startResults } from './support/results.ts'
import { layStage } from './support/stage.ts'
import { heading, pathTable } from './support/table.ts'

requireNode()
if (process.platform !== 'linux') {
  console.error('the bench reads what processes cost from /proc: it needs Linux')
  process.exit(2)
}
const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    json: { type: 'string', default: join(import.meta.dirname, 'results/peers.json') },
    runs: { type: 'string', default: '3' },
  },
})
const { quick } = values
if (quick && values.write) {
  console.error('small numbers are for no page: --write goes without --quick')
  process.exit(2)
}
const runs = Number(values.runs)
const started = performance.now()
const tell = (text: string) =>
  console.error(`${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s  ${text}`)

const few: Size = quick ? { n: 20, warmUp: 50, inFlight: 4 } : { n: 50, warmUp: 100, inFlight: 4 }
const sizes = {
  ...(Object.fromEntries(
    Object.entries(ourPaths).map(([name, { size }]) => [name, size[quick ? 'quick' : 'full']]),
  ) as Record<keyof typeof ourPaths, Size>),
  'revoke-many': few,
}
const peers: Peer[] = [airunner, nodeHttps, nginx, stepCa, stepCaWithCrl, airunnerFull]
const skipped = peers.filter((peer) => peer.version() === undefined)
for (const { name } of skipped) console.error(`SKIPPED   ${name}: it is not installed here`)
const there = peers.filter((peer) => !skipped.includes(peer))

const stage = await layStage()
const generator = startGenerator()
const bout: Bout = {
  stage,
  generator,
  sizes,
  runs,
  revoked: { ours: quick ? 2000 : 100_000, theirs: quick ? 200 : 2000 },
}
const contenders: Contender[] = []
for (const peer of there) {
  tell(`preparing ${peer.name}`)
  contenders.push(await peer.start(bout))
}
await stage.settle()
const versions = Object.fromEntries(there.map((peer) => [peer.name, peer.version() ?? '']))
const results = startResults(quick, versions)
for (const path of Object.keys(paths) as PathName[]) {
  tell(path)
  const able = contenders.filter(({ plans }) => plans[path] !== undefined)
  const samples = new Map<string, Sample[]>(able.map(({ name }) => [name, []]))
  for (const { pid, plans } of able) if (plans[path]) await measure(generator, pid, plans[path].warmUp)
  for (let run = 0; run < runs; run++)
    for (const { name, pid, plans } of able) {
      const plan = plans[path]?.runs[run]
      if (plan !== undefined) samples.get(name)?.push(await measure(generator, pid, plan))
    }
  const { n, warmUp, inFlight } = sizes[path]
  for (const [name, list] of samples)
    results.cases[`${path}: ${name}`] = {
      what: paths[path],
      runs,
      n,
      warm_up: warmUp,
      in_flight: inFlight,
      figures: figuresOf(collect(list)),
    }
}
const notes = contenders.flatMap((contender) => contender.notes ?? [])
for (const contender of contenders) await contender.end()
await stage.end()
generator.stop()

const text = [
  heading(results),
  ratioTable(results.cases),
  pathTable(Object.entries(results.cases)),
  [...notes, ...skipped.map(({ name }) => `${name}: not installed, left out`)].map((note) => `- ${note}`).join('\n'),
].join('\n\n')
console.log(text)
const file = resolve(values.json)
mkdirSync(dirname(file), { recursive: true })
writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`)
if (values.write) writeSection('peers', text)
tell(`done; figures in ${file}`)
process.exit(0)

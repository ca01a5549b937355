/**
 * Measures what a user could pick instead, with the same load generator, on the same machine, by turns with ours.
 *
 *     npm run bench:peers                      less than 10 minutes on two quiet cores
 *     npm run bench:peers -- --quick           small numbers
 *     npm run bench:peers -- --runs 5          runs of each path, 3 unless said
 *     npm run bench:peers -- --json FILE       where the figures go; bench/results/peers.json unless said
 *     npm run bench:peers -- --write           the results go into docs/performance.md unless somebody fails
 *
 * step-ca: go install github.com/smallstep/certificates/cmd/step-ca@latest; nginx: Debian's. Who is not installed is left out.
 * Exit code 1: somebody who is installed could not be measured. 2: it was called wrongly.
 */
import { join } from 'node:path'
import { requireNode } from '../scripts/require-node.ts'
import { goalsBesideOthers } from './goals.ts'
import { startGenerator } from './load/start.ts'
import { airunner, airunnerFull, ourPaths } from './peers/airunner.ts'
import { type Bout, type Contender, type PathName, type Peer, paths } from './peers/contender.ts'
import { nginx } from './peers/nginx.ts'
import { nodeHttps } from './peers/node-https.ts'
import { runPath } from './peers/run-path.ts'
import { stepCa, stepCaWithCrl } from './peers/step-ca.ts'
import './support/leavings.ts'
import { goalTable } from './support/goal-table.ts'
import { countOf, readOptions, refuse, requireLinux } from './support/options.ts'
import { writeSection } from './support/page.ts'
import type { Size } from './support/path.ts'
import { startResults, writeResults } from './support/results.ts'
import { layStage } from './support/stage.ts'
import { heading, pathTable } from './support/table.ts'
import { startTelling } from './support/tell.ts'

requireNode()
const { values } = readOptions(import.meta.filename, {
  quick: { type: 'boolean', default: false },
  write: { type: 'boolean', default: false },
  json: { type: 'string', default: join(import.meta.dirname, 'results/peers.json') },
  runs: { type: 'string', default: '3' },
})
requireLinux()
const { quick } = values
const runs = countOf('runs', values.runs)
if (quick && values.write) refuse('small numbers are for no page: --write goes without --quick')
const { tell, seconds } = startTelling()

const sizes = Object.fromEntries(
  Object.entries(ourPaths).map(([name, { size }]) => [name, size[quick ? 'quick' : 'full']]),
) as Record<keyof typeof ourPaths, Size>
const peers: Peer[] = [airunner, nodeHttps, nginx, stepCa, stepCaWithCrl, airunnerFull]
const skipped = peers.filter((peer) => peer.version() === undefined)
for (const { name } of skipped) console.error(`SKIPPED   ${name}: it is not installed here`)
const there = peers.filter((peer) => !skipped.includes(peer))
const failures: string[] = []
const failed = (what: string, error: unknown): void => {
  failures.push(`${what}: ${error instanceof Error ? (error.stack ?? error.message) : error}`)
  tell(`${what} FAILED`)
}

const stage = await layStage()
const generator = startGenerator()
const bout: Bout = {
  stage,
  generator,
  sizes,
  runs,
  revoked: { ours: quick ? 2000 : 100_000, theirs: quick ? 200 : 2000 },
}
const versions = Object.fromEntries(there.map((peer) => [peer.name, peer.version() ?? '']))
const results = startResults(quick, versions)
const contenders: Contender[] = []
for (const peer of there) {
  tell(`preparing ${peer.name}`)
  await peer.start(bout).then(
    (contender) => contenders.push(contender),
    (error) => failed(peer.name, error),
  )
}
await stage.settle()
for (const path of Object.keys(paths) as PathName[]) {
  tell(path)
  Object.assign(results.cases, await runPath(path, contenders, bout, failed))
}
const notes = contenders.flatMap((contender) => contender.notes ?? [])
for (const contender of contenders) await contender.end()
await stage.end()
generator.stop()
results.seconds = seconds()

const text = [
  heading(results),
  goalTable(goalsBesideOthers, results.cases),
  pathTable(Object.entries(results.cases)),
  [...notes, ...skipped.map(({ name }) => `${name}: not installed, left out`)].map((note) => `- ${note}`).join('\n'),
].join('\n\n')
console.log(text)
const file = writeResults(values.json, results)
if (values.write && failures.length === 0) writeSection('peers', text)
tell(`done; figures in ${file}`)
for (const failure of failures) console.error(`FAILED ${failure}`)
process.exit(failures.length === 0 ? 0 : 1)

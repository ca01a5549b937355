/**
 * Holds two results of the bench against each other: which figure moved beyond the noise of both.
 *
 *     node_modules/.bin/node bench/compare.ts bench/baseline.json bench/results/latest.json
 *
 * Exit code 1 when one became worse beyond the noise, 2 when they cannot be compared.
 */
import { readFileSync } from 'node:fs'
import { compare, doubts, type Move } from './comparison.ts'
import type { Results } from './support/results.ts'
import { markdownTable, withSpread } from './support/table.ts'

const read = (path: string | undefined): Results => {
  try {
    const results = JSON.parse(readFileSync(path ?? '', 'utf8')) as Results
    if (results.format !== 'airunner-bench/1') throw new Error(`${path} is no result of the bench`)
    return results
  } catch (error) {
    console.error(`usage: compare.ts BEFORE.json AFTER.json\n${error instanceof Error ? error.message : error}`)
    process.exit(2)
  }
}

const [before, after] = [read(process.argv[2]), read(process.argv[3])]
for (const doubt of doubts(before, after)) console.log(`WARNING  ${doubt}`)
const { moves, missing } = compare(before, after)
const moved = moves.filter(({ verdict }) => verdict !== 'same')
const row = (move: Move) => [
  move.verdict,
  move.case,
  move.figure,
  withSpread(move.before),
  withSpread(move.after),
  `× ${move.ratio.toFixed(2)}`,
]
if (moved.length > 0) console.log(markdownTable(['', 'case', 'figure', 'before', 'after', 'ratio'], moved.map(row)))
for (const name of missing) console.log(`not measured again: ${name}`)
const count = (verdict: Move['verdict']) => moves.filter((move) => move.verdict === verdict).length
console.log(`${count('worse')} worse, ${count('better')} better, ${count('same')} within the noise`)
process.exit(count('worse') > 0 ? 1 : 0)

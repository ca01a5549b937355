/**
 * Holds two results of the bench against each other: which figure moved beyond the noise of both.
 *
 *     node_modules/.bin/node bench/compare.ts BEFORE.json AFTER.json
 *     node_modules/.bin/node bench/compare.ts bench/baseline.json bench/results/latest.json
 *
 * Beyond the noise: no run of one came out where a run of the other did, and the medians are apart by more than 5 %, or by
 * more than 25 % where fewer than three runs were made. Exit code 1 when a figure became worse by that, 2 when they cannot be
 * compared.
 */
import { readFileSync } from 'node:fs'
import { compare, doubts, type Move } from './comparison.ts'
import { readOptions, refuse } from './support/options.ts'
import type { Results } from './support/results.ts'
import { markdownTable, withSpread } from './support/table.ts'

const read = (path: string): Results => {
  try {
    const results = JSON.parse(readFileSync(path, 'utf8')) as Results
    if (results.format !== 'airunner-bench/1') throw new Error(`${path} is no result of the bench`)
    return results
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error))
  }
}

const { positionals } = readOptions(import.meta.filename, {}, true)
const [first, second] = positionals
if (first === undefined || second === undefined || positionals.length > 2)
  refuse('two results are wanted: compare.ts BEFORE.json AFTER.json')
const [before, after] = [read(first), read(second)]
for (const doubt of doubts(before, after)) console.log(`WARNING  ${doubt}`)
const { moves, onlyBefore, onlyAfter } = compare(before, after)
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
for (const name of onlyBefore) console.log(`not measured again: ${name}`)
for (const name of onlyAfter) console.log(`not measured before: ${name}`)
const count = (verdict: Move['verdict']) => moves.filter((move) => move.verdict === verdict).length
console.log(`${count('worse')} worse, ${count('better')} better, ${count('same')} within the noise`)
process.exit(count('worse') > 0 ? 1 : 0)

import type { Goal } from '../goals.ts'
import type { CaseResult } from './results.ts'
import type { Figure } from './statistics.ts'
import { markdownTable, shown, withSpread } from './table.ts'

type Cases = Record<string, CaseResult>

/** The figures of a case that a goal speaks of: several where one case measures several sizes. */
const figuresFor = (cases: Cases, { case: name, figure }: Goal): [string, Figure][] =>
  Object.entries(cases[name]?.figures ?? {}).filter(([each]) =>
    typeof figure === 'string' ? each === figure : figure.test(each),
  )

const limitOf = ({ atMost, atLeast, unit, over }: Goal): string =>
  `${atLeast === undefined ? '≤' : '≥'} ${(atMost ?? atLeast)?.toLocaleString('en')} ${over === undefined ? unit : `× ${over.name}`}`

const holds = ({ atMost = Number.POSITIVE_INFINITY, atLeast = Number.NEGATIVE_INFINITY }: Goal, value: number) =>
  value <= atMost && value >= atLeast ? 'yes' : 'no'

/** Ours divided by theirs, with the least and the most that the spread of both allows. */
const ratioOf = (ours: Figure, theirs: Figure): Figure => ({
  median: ours.median / theirs.median,
  min: ours.min / theirs.max,
  max: ours.max / theirs.min,
  runs: Math.min(ours.runs ?? 1, theirs.runs ?? 1),
})

const rowsOf = (cases: Cases, goal: Goal): string[][] => {
  const { path, figure, unit, over } = goal
  const found = figuresFor(cases, goal)
  if (found.length === 0) return [[path, limitOf(goal), '–', '–', '–', 'not measured']]
  return found.map(([name, ours]) => {
    const row = [typeof figure === 'string' ? path : `${path} (${name})`, limitOf(goal), `${withSpread(ours)} ${unit}`]
    if (over === undefined) return [...row, '–', '–', holds(goal, ours.median)]
    const theirs = cases[over.case]?.figures[name]
    if (theirs === undefined) return [...row, '–', '–', 'not measured']
    const ratio = ratioOf(ours, theirs)
    return [...row, `${shown(theirs.median)} ${unit}`, withSpread(ratio), holds(goal, ratio.median)]
  })
}

/** Each goal beside what was measured. A goal holds when the median does. */
export const goalTable = (goals: Goal[], cases: Cases): string =>
  markdownTable(
    ['path', 'goal', 'ours', 'theirs', 'ratio', 'holds'],
    goals.flatMap((goal) => rowsOf(cases, goal)),
  )

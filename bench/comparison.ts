import type { Results } from './support/results.ts'
import type { Figure } from './support/statistics.ts'

/** How one figure moved from one result to another. */
export interface Move {
  case: string
  figure: string
  before: Figure
  after: Figure
  /** The later median divided by the earlier one. */
  ratio: number
  verdict: 'better' | 'worse' | 'same'
}

/** What is counted, or says how the load was made: it is neither good nor bad. */
const neutral = /^(agents|streams|revocations|retried|generator_cores|refused_|.*generator_cores$|auto_share)/
const moreIsBetter = /(_per_second|times_one_measured|times_one_with_cores_for_themselves)$/
/** A median that moved by less is the same, however small the spread: three runs know no better. */
const least = 0.05

/** Beyond the noise: no run of one was where a run of the other was, and the medians are apart by more than `least`. */
const verdictOf = (figure: string, before: Figure, after: Figure): Move['verdict'] => {
  const apart = after.min > before.max || after.max < before.min
  if (!apart || Math.abs(after.median - before.median) <= least * Math.abs(before.median)) return 'same'
  return after.median > before.median === moreIsBetter.test(figure) ? 'better' : 'worse'
}

/** Every figure that both have, and the cases that the later one lacks. */
export const compare = (before: Results, after: Results): { moves: Move[]; missing: string[] } => {
  const moves: Move[] = []
  for (const [name, { figures }] of Object.entries(before.cases))
    for (const [figure, earlier] of Object.entries(figures)) {
      const later = after.cases[name]?.figures[figure]
      if (later === undefined || neutral.test(figure)) continue
      const ratio = later.median / earlier.median
      moves.push({
        case: name,
        figure,
        before: earlier,
        after: later,
        ratio,
        verdict: verdictOf(figure, earlier, later),
      })
    }
  return { moves, missing: Object.keys(before.cases).filter((name) => after.cases[name] === undefined) }
}

/** Why the two should not be held against each other; empty when they may. */
export const doubts = (before: Results, after: Results): string[] => {
  const reasons: string[] = []
  for (const what of ['cpu', 'cores', 'system'] as const)
    if (before.machine[what] !== after.machine[what])
      reasons.push(`another ${what}: ${before.machine[what]}, ${after.machine[what]}`)
  if (before.versions['node'] !== after.versions['node'])
    reasons.push(`another Node: ${before.versions['node']}, ${after.versions['node']}`)
  if (before.quick !== after.quick) reasons.push('one of them was quick')
  return reasons
}

import type { CaseResult, Results } from './support/results.ts'
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
const neutral =
  /^(agents|streams|revocations|events|checkpoints|export_mb|rss_before_mb|retried|refused_|.*generator_cores$|auto_share)|revoked: (entries|octets)/
const moreIsBetter = /(_per_second|times_one_measured|times_one_with_cores_for_themselves)$/
/**
 * What a median may move by between two runs of the same code, as a share of the smaller one: a machine that others use too
 * is faster on one day than on another. Two whole runs, a quarter of an hour apart, moved so: CPU and memory up to 0.14,
 * times up to 0.31, the slowest of many requests up to 0.9.
 */
const drift = [
  { figure: /(p99|longest)/, share: 1 },
  { figure: /cpu|_kb$|_mb$| are times |times_one_with/, share: 0.15 },
  { figure: /./, share: 0.4 },
]
/** Fewer than three runs know nothing of their spread. */
const driftOfFew = 0.4
const few = 3
/** CPU is accounted for no finer over a run, and no wait is known better. Milliseconds. */
const grains = [
  { figure: /cpu_ms$/, milliseconds: 0.003 },
  { figure: /ms$/, milliseconds: 0.1 },
]

/** Beyond the noise: no run of one was where a run of the other was, and the medians are further apart than the machine drifts. */
const verdictOf = (figure: string, before: Figure, after: Figure): Move['verdict'] => {
  const [low, high] = [before.median, after.median].sort((a, b) => a - b) as [number, number]
  const isFew = Math.min(before.runs ?? few, after.runs ?? few) < few
  const share = drift.find((each) => each.figure.test(figure))?.share ?? 0
  const grain = grains.find((each) => each.figure.test(figure))?.milliseconds ?? 0
  const apart = after.min > before.max || after.max < before.min
  if (!apart || high - low <= Math.max(grain, low * Math.max(share, isFew ? driftOfFew : 0))) return 'same'
  return after.median > before.median === moreIsBetter.test(figure) ? 'better' : 'worse'
}

/** Names of cases, and of figures of cases that both have, that only the first one has. */
const onlyIn = (one: Results, other: Results): string[] =>
  Object.entries(one.cases).flatMap(([name, { figures }]) => {
    const others = other.cases[name]?.figures
    if (others === undefined) return [name]
    return Object.keys(figures)
      .filter((figure) => others[figure] === undefined)
      .map((figure) => `${name}, ${figure}`)
  })

export interface Comparison {
  /** Of every figure that both have. */
  moves: Move[]
  /** What only one of them measured. */
  onlyBefore: string[]
  onlyAfter: string[]
}

export const compare = (before: Results, after: Results): Comparison => {
  const moves: Move[] = []
  for (const [name, { figures }] of Object.entries(before.cases))
    for (const [figure, earlier] of Object.entries(figures)) {
      const later = after.cases[name]?.figures[figure]
      if (later === undefined || neutral.test(figure)) continue
      moves.push({
        case: name,
        figure,
        before: earlier,
        after: later,
        ratio: later.median / earlier.median,
        verdict: verdictOf(figure, earlier, later),
      })
    }
  return { moves, onlyBefore: onlyIn(before, after), onlyAfter: onlyIn(after, before) }
}

const sizeOf = ({ n, warm_up, in_flight }: CaseResult): string => `${n} after ${warm_up}, ${in_flight} at once`

/** Why the two should not be held against each other; empty when they may. */
export const doubts = (before: Results, after: Results): string[] => {
  const reasons: string[] = []
  for (const what of ['cpu', 'cores', 'system'] as const)
    if (before.machine[what] !== after.machine[what])
      reasons.push(`another ${what}: ${before.machine[what]}, ${after.machine[what]}`)
  if (before.versions['node'] !== after.versions['node'])
    reasons.push(`another Node: ${before.versions['node']}, ${after.versions['node']}`)
  if (before.quick !== after.quick) reasons.push('one of them was quick')
  for (const [name, earlier] of Object.entries(before.cases)) {
    const later = after.cases[name]
    if (later?.n !== undefined && earlier.n !== undefined && sizeOf(later) !== sizeOf(earlier))
      reasons.push(`${name} was measured otherwise: ${sizeOf(earlier)}; ${sizeOf(later)}`)
  }
  return reasons
}

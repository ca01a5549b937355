import t from 'tap'
import { allPaths, findScenes } from '../../bench/cases.ts'
import { type Goal, goalsAlone, goalsBesideOthers } from '../../bench/goals.ts'
import { paths } from '../../bench/peers/contender.ts'
import { goalTable } from '../../bench/support/goal-table.ts'
import type { CaseResult } from '../../bench/support/results.ts'
import { figureOf } from '../../bench/support/statistics.ts'

const caseOf = (figures: Record<string, number[]>): CaseResult => ({
  what: 'some',
  runs: 3,
  figures: Object.fromEntries(Object.entries(figures).map(([name, values]) => [name, figureOf(values)])),
})
const cases = {
  'issue: airunner': caseOf({ server_cpu_ms: [0.5, 0.6, 0.7] }),
  'issue: step-ca': caseOf({ server_cpu_ms: [0.9, 1, 1.1] }),
  rows: caseOf({ 'issue: 100000 rows are times 100': [1.1, 1.15, 1.3], 'issue, 100 rows: server_cpu_ms': [1, 1, 1] }),
}
const beside: Goal = {
  path: 'issue',
  case: 'issue: airunner',
  figure: 'server_cpu_ms',
  unit: 'ms of CPU',
  over: { case: 'issue: step-ca', name: 'step-ca' },
  atMost: 0.6,
}
const rows = { path: 'issue', case: 'rows', figure: /^issue: /, unit: '×', atMost: 1.2 }
const { atMost: _, ...atLeast } = { ...rows, atLeast: 1.7 }
const shown: [string, Goal, (string | RegExp)[]][] = [
  ['a ratio that holds', beside, ['≤ 0.6 × step-ca', '0.600 (0.500–0.700) ms of CPU', '1.00 ms of CPU', 'yes']],
  ['a ratio that does not', { ...beside, atMost: 0.35 }, ['≤ 0.35 × step-ca', '0.600 (0.455–0.778)', 'no']],
  [
    'a limit, and which size',
    rows,
    ['issue (issue: 100000 rows are times 100)', '≤ 1.2 ×', '1.15 (1.10–1.30) ×', 'yes'],
  ],
  ['what must not be less', atLeast, ['≥ 1.7 ×', 'no']],
  ['who was not there', { ...beside, over: { case: 'issue: nobody', name: 'nobody' } }, ['× nobody', 'not measured']],
  ['a case that failed', { ...rows, case: 'other' }, ['not measured']],
]

for (const [what, goal, cells] of shown)
  t.test(`the table of goals shows ${what}`, async (t) => {
    const lines = goalTable([goal], cases).split('\n')
    t.equal(lines.length, 3)
    for (const cell of cells) t.match(lines[2], cell)
  })

t.test('every goal speaks of a case that is measured', async (t) => {
  const names = [...allPaths, ...(await findScenes())].map(({ name }) => name)
  for (const goal of goalsAlone) t.ok(names.includes(goal.case), goal.path)
  for (const { case: name, over } of goalsBesideOthers)
    for (const each of [name, over?.case ?? '']) t.ok(Object.keys(paths).includes(each.split(':')[0] ?? ''), each)
  for (const { path, atMost, atLeast } of [...goalsAlone, ...goalsBesideOthers])
    t.not(atMost === undefined, atLeast === undefined, path)
})

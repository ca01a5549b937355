import type { CaseResult } from '../support/results.ts'
import { markdownTable, shown } from '../support/table.ts'
import type { PathName } from './contender.ts'

/** What we want of the server's CPU per operation, as a share of somebody else's in the same run. */
const goals: [PathName, string, number][] = [
  ['handshake', 'node:https', 1.25],
  ['keep-alive', 'node:https', 2.5],
  ['issue', 'step-ca', 0.6],
  ['renew-kept', 'step-ca', 1],
  ['renew-fresh', 'step-ca', 1],
  ['revoke', 'step-ca', 0.7],
  ['revoke-many', 'step-ca with CRL', 0.7],
]

/** Ours divided by theirs, with the least and the most that the spread of both allows. */
export const ratioTable = (cases: Record<string, CaseResult>): string =>
  markdownTable(
    ['path', 'ours, ms of CPU', 'theirs', 'ratio', 'goal', 'holds'],
    goals.map(([path, peer, goal]) => {
      const [ours, theirs] = [`${path}: airunner`, `${path}: ${peer}`].map(
        (name) => cases[name]?.figures['server_cpu_ms'],
      )
      const cell = (figure: typeof ours) => (figure === undefined ? '–' : shown(figure.median))
      const row = [path, cell(ours), `${cell(theirs)} ${peer}`]
      if (ours === undefined || theirs === undefined) return [...row, '–', `≤ ${goal}`, 'not measured']
      const ratio = ours.median / theirs.median
      const spread = `(${shown(ours.min / theirs.max)}–${shown(ours.max / theirs.min)})`
      return [...row, `${shown(ratio)} ${spread}`, `≤ ${goal}`, ratio <= goal ? 'yes' : 'no']
    }),
  )

import type { ProblemDocument } from '../../client/problem.ts'
import type { Straggler } from '../../wire/stragglers.ts'
import { CliError } from '../errors.ts'
import { oneLine } from '../text.ts'

/** So many are told one by one; the rest by their number. */
const shown = 20

export const stragglerLine = ({ kind, id, detail }: Straggler): string => oneLine(`${kind} ${id}: ${detail}`)

export const stragglerLines = (stragglers: readonly Straggler[], total = stragglers.length): string[] => {
  const lines = stragglers.slice(0, shown).map(stragglerLine)
  return total > lines.length ? [...lines, `and ${total - lines.length} more`] : lines
}

const waysOf = {
  server: {
    activate: 'Servers: put its key where they read it, and restart them or send SIGHUP.',
    other: 'Servers: update and restart them.',
  },
  agent: {
    activate: 'Agents: `airunner agent command ID reload-trust --wait`, or wait until they are gone for 24 h.',
    other:
      'Holders: `airunner agent command ID renew --wait`, issue them another certificate, or revoke the one they have.',
  },
} as const

const nextOf = (stragglers: readonly Straggler[], step: string, id: string): string => {
  const kinds = [...new Set(stragglers.map(({ kind }) => kind))]
  const ways = kinds.map((kind) => waysOf[kind][step === 'activate' ? 'activate' : 'other'])
  return [
    ...ways,
    `${ways.length === 0 ? 'Run' : 'Then run'} it again; \`airunner ca ${step} ${id} --force --reason TEXT\` goes ahead all the same.`,
  ].join(' ')
}

/** A refusal because somebody is not ready, with who it is, one line each. */
export const withStragglers = (error: unknown, step: string, id: string): unknown => {
  if (!(error instanceof CliError) || error.code !== 'rotation_not_ready' || error.problem === undefined) return error
  const { stragglers = [], detail } = error.problem as ProblemDocument & { stragglers?: Straggler[] }
  const why = [...(detail === undefined ? [] : [detail]), ...stragglerLines(stragglers)].join('\n')
  return new CliError(error.exitCode, error.message, {
    code: 'rotation_not_ready',
    problem: error.problem,
    why,
    next: nextOf(stragglers, step, id),
    cause: error,
  })
}

import type { CaseResult, Results } from './results.ts'
import type { Figure } from './statistics.ts'

/** Three digits that count. */
export const shown = (value: number): string => {
  const size = Math.abs(value)
  if (size >= 100) return Math.round(value).toLocaleString('en')
  return value.toFixed(size >= 10 ? 1 : size >= 1 ? 2 : 3)
}

/** The median, and between which values all runs were. */
export const withSpread = ({ median, min, max }: Figure): string =>
  min === max ? shown(median) : `${shown(median)} (${shown(min)}–${shown(max)})`

/** A table for the terminal and for a page at once. */
export const markdownTable = (head: string[], rows: string[][]): string => {
  const widths = head.map((cell, column) => Math.max(cell.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: string[]) => `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)].join('\n')
}

export const pathTable = (cases: [string, CaseResult][]): string =>
  markdownTable(
    [
      'case',
      'n × runs',
      'at once',
      'per second',
      'server CPU, ms',
      'store CPU, ms',
      'p50, ms',
      'p99, ms',
      'RSS, MB',
      'generator, cores',
    ],
    cases.map(([name, { n = 0, warm_up = 0, runs, in_flight = 0, figures }]) => {
      const cell = (figure: string) => withSpread(figures[figure] as Figure)
      return [
        name,
        `${n} × ${runs} after ${warm_up}`,
        String(in_flight),
        cell('operations_per_second'),
        cell('server_cpu_ms'),
        shown(figures['store_cpu_ms']?.median ?? 0),
        cell('p50_ms'),
        cell('p99_ms'),
        shown(figures['rss_mb']?.median ?? 0),
        shown(figures['generator_cores']?.median ?? 0),
      ]
    }),
  )

export const otherTable = (cases: [string, CaseResult][]): string =>
  markdownTable(
    ['case', 'figure', 'median (least–most)', 'runs'],
    cases.flatMap(([name, { figures }]) =>
      Object.entries(figures).map(([figure, value]) => [
        name,
        figure.replaceAll('_', ' '),
        withSpread(value),
        String(value.runs),
      ]),
    ),
  )

/** Where and when. */
export const heading = ({ at, commit, machine, versions, load_average, quick, seconds }: Results): string =>
  `${at.slice(0, 10)}, commit ${commit}${quick ? ', quick' : ''}; ${machine.cores} cores of ${machine.cpu}, ` +
  `${machine.memory_gb} GB, ${machine.system}; ${Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ')}; load average before ${load_average.join(' ')}${
    seconds === undefined ? '' : `; took ${Math.round(seconds)} s`
  }.`

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const page = join(import.meta.dirname, '../../docs/performance.md')

/** Puts what was measured between the two marks of its section of docs/performance.md. The rest is written by people. */
export const writeSection = (section: 'bench' | 'peers' | 'rows', text: string, file = page): void => {
  const [begin, end] = [`<!-- measured: ${section} -->`, `<!-- end of ${section} -->`]
  const before = readFileSync(file, 'utf8')
  const [from, to] = [before.indexOf(begin), before.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`${file} has no ${begin} … ${end}`)
  writeFileSync(file, `${before.slice(0, from + begin.length)}\n\n${text}\n\n${before.slice(to)}`)
}

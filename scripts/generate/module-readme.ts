import { readFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { code, table } from './markdown.ts'
import { inputsOf, outputsOf } from './terraform-module.ts'

const root = resolve(import.meta.dirname, '../..')
const begin = '<!-- Inputs and outputs: written by `npm run generate` from the *.tf files. Edit those, not this. -->'
const end = '<!-- End of inputs and outputs. -->'

/** On one line, as terraform would take it. */
const oneLine = (expression: string): string =>
  expression
    .replaceAll(/\s*\n\s*/g, ', ')
    .replaceAll(/([{[(]),/g, '$1')
    .replaceAll(/,,+/g, ',')
    .replaceAll(/, ([}\])])/g, ' $1')
    .replaceAll(/ +/g, ' ')

const tablesOf = (folder: string): string =>
  [
    [
      '## Inputs',
      ['input', 'type', 'default', 'means'],
      inputsOf(folder).map((input) => [
        code(input.name),
        code(oneLine(input.type)),
        input.default === undefined ? 'required' : code(oneLine(input.default)),
        input.description,
      ]),
    ] as const,
    [
      '## Outputs',
      ['output', 'is'],
      outputsOf(folder).map(({ name, description }) => [code(name), description]),
    ] as const,
  ]
    .filter(([, , rows]) => rows.length > 0)
    .map(([title, head, rows]) => `${title}\n\n${table([...head], rows)}`)
    .join('\n\n')

const written = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** README.md of a module: what a person has written there, with its inputs and outputs between the two marks. */
export const moduleReadme = (folder: string): string => {
  const text = written(join(root, folder, 'README.md')) ?? `# ${basename(folder)}\n\n${begin}\n${end}\n`
  const [before, rest, ...more] = text.split(begin)
  const [, after, ...evenMore] = rest?.split(end) ?? []
  if (after === undefined || more.length + evenMore.length > 0)
    throw new Error(`write these two lines once where the tables shall stand:\n${begin}\n${end}`)
  return `${before}${begin}\n\n${tablesOf(folder)}\n\n${end}${after}`
}

import { execFile } from 'node:child_process'
import type { CliAnswer, CliOptions } from './cli.ts'

/**
 * A session at the shell, as text:
 *
 *     # a note                         $ command            < a line typed at a terminal
 *     expected stdout                  ! expected stderr    ? exit code, 0 when absent
 *
 * In expected lines `{name}` matches one word, the same one wherever it stands again, and fills it into commands;
 * `{*}` matches anything within a line, and `...` any number of lines. `airunner` runs in this process, every other
 * command in bash. `$ export NAME=value` and `$ unset NAME` change the environment of what follows.
 */
export interface Exchange {
  line: number
  command: string
  typed: string[]
  stdout: string[]
  stderr: string[]
  code: number
}

export const readTranscript = (text: string): Exchange[] => {
  const exchanges: Exchange[] = []
  for (const [index, line] of text.split('\n').entries()) {
    const exchange = exchanges.at(-1)
    if (line.startsWith('$ '))
      exchanges.push({ line: index + 1, command: line.slice(2), typed: [], stdout: [], stderr: [], code: 0 })
    else if (line.startsWith('#') || line === '') continue
    else if (exchange === undefined) throw new Error(`line ${index + 1} stands before the first command`)
    else if (line.startsWith('! ')) exchange.stderr.push(line.slice(2))
    else if (line.startsWith('< ')) exchange.typed.push(line.slice(2))
    else if (line.startsWith('? ')) exchange.code = Number(line.slice(2))
    else exchange.stdout.push(line)
  }
  return exchanges
}

export type Words = Map<string, string>

export const fill = (text: string, words: Words): string =>
  text.replace(/\{([a-z_0-9]+)\}/g, (whole, name: string) => words.get(name) ?? whole)

/** The line as an expression, and the names it catches. */
const expressionOf = (line: string, words: Words): { expression: RegExp; names: string[] } => {
  const names: string[] = []
  const source = line
    .split(/(\{\*\}|\{[a-z_0-9]+\})/)
    .map((part) => {
      if (part === '{*}') return '.*'
      const name = /^\{([a-z_0-9]+)\}$/.exec(part)?.[1]
      if (name === undefined) return part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
      const known = words.get(name)
      if (known !== undefined) return known.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
      if (names.includes(name)) return `\\${names.indexOf(name) + 1}`
      names.push(name)
      return '(\\S+)'
    })
    .join('')
  return { expression: new RegExp(`^${source}$`, 'u'), names }
}

const matchLine = (expected: string, actual: string, words: Words): boolean => {
  const { expression, names } = expressionOf(expected, words)
  const match = expression.exec(actual)
  if (match) for (const [index, name] of names.entries()) words.set(name, match[index + 1] as string)
  return match !== null
}

/** True when the text is as expected; catches the words of the lines that match. */
export const matches = (expected: string[], text: string, words: Words): boolean => {
  const actual = text.split('\n').map((line) => line.trimEnd())
  while (actual.at(-1) === '') actual.pop()
  const lines = actual.filter((line) => line !== '')
  const from = (at: number, index: number): boolean => {
    if (at === expected.length) return index === lines.length
    if (expected[at] === '...') {
      for (let next = index; next <= lines.length; next++) if (from(at + 1, next)) return true
      return false
    }
    const line = lines[index]
    return line !== undefined && matchLine((expected[at] as string).trimEnd(), line, words) && from(at + 1, index + 1)
  }
  return from(0, 0)
}

/** Words of a command line: quotes group, nothing expands. */
export const splitWords = (command: string): string[] =>
  [...command.matchAll(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g)].map(([word]) => word.replace(/"([^"]*)"|'([^']*)'/g, '$1$2'))

export interface Shell {
  env: Record<string, string | undefined>
  directory: string
  airunner(argv: string[], options: CliOptions): Promise<CliAnswer>
}

/** Runs one command of a transcript. */
export const runCommand = async (shell: Shell, command: string, typed: string[]): Promise<CliAnswer> => {
  const [word, ...rest] = splitWords(command)
  if (word === 'airunner') {
    const stdin = typed.map((line) => `${line}\n`).join('')
    return shell.airunner(rest, { env: shell.env, stdin, terminal: typed.length > 0 })
  }
  if (word === 'export' || word === 'unset') {
    const [name = '', ...value] = (rest[0] ?? '').split('=')
    if (word === 'unset') delete shell.env[name]
    else shell.env[name] = value.join('=')
    return { code: 0, stdout: '', stderr: '' }
  }
  return new Promise((resolve) => {
    const env = { ...process.env, ...shell.env }
    execFile('bash', ['-c', command], { cwd: shell.directory, env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr })
    })
  })
}

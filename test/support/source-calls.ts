import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '../..')

/** Every source file that a program can reach by its imports, those that it loads when it needs them included. */
export const filesOf = (entry: string, except: string[] = []): string[] => {
  const found = new Set<string>()
  const visit = (path: string): void => {
    if (found.has(path) || except.includes(path)) return
    found.add(path)
    const source = readFileSync(join(root, path), 'utf8')
    // Types are gone when the program runs.
    for (const [, specifier = ''] of source
      .replace(/\bimport type [\s\S]*?from '[^']*'/g, '')
      .matchAll(/(?:\bfrom|\bimport\(|\bimport)\s*'(\.[^']*)'/g)) {
      const imported = relative(root, resolve(root, dirname(path), specifier))
      if (existsSync(join(root, imported))) visit(imported)
    }
  }
  visit(entry)
  return [...found].sort()
}

export const sourceOf = (path: string): string => readFileSync(join(root, path), 'utf8')

/**
 * Calls of AWS that a file makes: commands of the SDK, by name without `Command`, and operations that it sends by a
 * transport of our own (`call('GetItem', …)`).
 */
export const commandsIn = (path: string): string[] => {
  const source = sourceOf(path)
  const commands = [...source.matchAll(/\bnew (?:\w+\.)?([A-Z]\w*)Command\(/g)].map(([, name]) => String(name))
  const operations = [...source.matchAll(/\bcall\(\s*'([A-Z]\w*)'/g)].map(([, name]) => String(name))
  return [...new Set([...commands, ...operations])]
}

/** Kinds of items in transactions that a file builds. */
export const transactionItemsIn = (path: string): string[] => [
  ...new Set(
    [...sourceOf(path).matchAll(/\b(Put|Update|Delete|ConditionCheck): ?[\w{]/g)].map(([, kind]) => String(kind)),
  ),
]

/** Names that reach an object's prototype in careless code; none of our fields and labels needs them. */
const poisonous = new Set(['__proto__', 'constructor', 'prototype'])

/** The index of the quote that ends the string literal opened at `start`. */
const endOfString = (text: string, start: number): number => {
  let end = text.indexOf('"', start + 1)
  while (isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end
}

const isEscaped = (text: string, at: number): boolean => {
  let backslashes = 0
  while (text[at - 1 - backslashes] === '\\') backslashes += 1
  return backslashes % 2 === 1
}

/**
 * Says what JSON.parse is silent about, of a text that it has accepted: nesting beyond `maxDepth`, a name given twice
 * in one object, names that poison prototypes, and escapes that are no characters. Undefined when there is nothing.
 */
export const faultOfJson = (text: string, maxDepth: number): string | undefined => {
  // One entry per open container: the names seen in an object, or undefined for an array.
  const open: (Set<string> | undefined)[] = []
  let atName = false
  for (let at = 0; at < text.length; at += 1) {
    switch (text[at]) {
      case '{':
      case '[':
        if (open.length === maxDepth) return `is nested more than ${maxDepth} levels deep`
        atName = text[at] === '{'
        open.push(atName ? new Set() : undefined)
        break
      case '}':
      case ']':
        open.pop()
        atName = false
        break
      case ',':
        atName = open.at(-1) !== undefined
        break
      case '"': {
        const end = endOfString(text, at)
        const raw = text.slice(at + 1, end)
        const value: string = raw.includes('\\') ? JSON.parse(`"${raw}"`) : raw
        if (!value.isWellFormed()) return 'holds half of a surrogate pair'
        if (atName) {
          const names = open.at(-1) as Set<string>
          if (names.has(value)) return 'holds the same name twice'
          if (poisonous.has(value)) return `holds the name ${value}`
          names.add(value)
          atName = false
        }
        at = end
        break
      }
    }
  }
  return undefined
}

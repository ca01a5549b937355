import { JoinRefused } from './proof.ts'

const maximumAttributes = 256
const maximumDepth = 5
/** Characters. */
const longestName = 256
const longestValue = 1024

/** Text that an attribute can be; undefined for what cannot be compared without loss. */
const textOf = (value: unknown): string | undefined => {
  if (typeof value === 'string') return value.length <= longestValue ? value : undefined
  if (typeof value === 'boolean') return String(value)
  // Larger ones have lost digits on the way: two ids would be one.
  return Number.isSafeInteger(value) ? String(value) : undefined
}

/**
 * The claims as attributes: strings, whole numbers and booleans by their names, those of nested objects by names joined with
 * dots (`kubernetes.io.serviceaccount.name`); lists and nulls are none. Throws JoinRefused when two get the same name.
 */
export const attributesOf = (claims: Record<string, unknown>): Record<string, string> => {
  const attributes = new Map<string, string>()
  const add = (prefix: string, value: unknown, depth: number): void => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      if (depth === maximumDepth) return
      for (const [name, inner] of Object.entries(value))
        add(prefix === '' ? name : `${prefix}.${name}`, inner, depth + 1)
      return
    }
    const text = textOf(value)
    if (text === undefined || prefix.length > longestName) return
    if (attributes.has(prefix)) throw new JoinRefused('two claims of the token have the same name')
    if (attributes.size === maximumAttributes) throw new JoinRefused('the token has too many claims')
    attributes.set(prefix, text)
  }
  add('', claims, 0)
  return Object.fromEntries(attributes)
}

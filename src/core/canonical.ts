const inOrder = (value: unknown): boolean => {
  if (value === null || typeof value !== 'object') return true
  if (Array.isArray(value)) return value.every(inOrder)
  let before: string | undefined
  for (const key in value) {
    if (before !== undefined && key < before) return false
    if (!inOrder((value as Record<string, unknown>)[key])) return false
    before = key
  }
  return true
}

/** Whether `text`, of which `value` was parsed, is its canonical form. Quick where it is. */
export const isCanonical = (text: string, value: unknown): boolean =>
  (JSON.stringify(value) === text && inOrder(value) && !text.includes('\\ud')) || canonicalJson(value) === text

/**
 * JSON with one text for one value: keys sorted by UTF-16 code units, no white space, strings and numbers as ECMAScript
 * writes them, fields that are undefined left out. Halves of surrogate pairs become U+FFFD, as in UTF-8. @see RFC 8785
 */
export const canonicalJson = (value: unknown): string => {
  if (typeof value === 'string') return JSON.stringify(value.isWellFormed() ? value : value.toWellFormed())
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null'
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  let text = ''
  for (const key of Object.keys(value).sort()) {
    const field = (value as Record<string, unknown>)[key]
    if (field === undefined) continue
    text += `${text === '' ? '' : ','}${canonicalJson(key)}:${canonicalJson(field)}`
  }
  return `{${text}}`
}

/** Whether `text`, a part without `/` and `:`, is `pattern`, in which each `*` stands for any characters, or none. */
const partMatches = (pattern: string, text: string): boolean => {
  const pieces = pattern.split('*')
  const [first = '', last = ''] = [pieces[0], pieces.at(-1)]
  if (pieces.length === 1) return pattern === text
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false
  const end = text.length - last.length
  let at = first.length
  for (const piece of pieces.slice(1, -1)) {
    // The first place is as good as any: what follows has the more room.
    const found = text.indexOf(piece, at)
    if (found < 0 || found + piece.length > end) return false
    at = found + piece.length
  }
  return true
}

/** Whether `text` is `pattern`, in which `*` stands for any characters but `/` and `:`. No other character is special. */
export const globMatches = (pattern: string, text: string): boolean => {
  const [patterns, texts] = [pattern, text].map((each) => each.split(/([/:])/)) as [string[], string[]]
  return (
    patterns.length === texts.length &&
    patterns.every((part, index) =>
      index % 2 === 1 ? part === texts[index] : partMatches(part, texts[index] as string),
    )
  )
}

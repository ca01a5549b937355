/** A block of Terraform's language: `variable "cidr" { … }` has the kind `variable` and the label `cidr`. */
export interface Block {
  kind: string
  labels: string[]
  /** The text after each `=`, as it stands. */
  attributes: Map<string, string>
  blocks: Block[]
}

/**
 * Reads the blocks and attributes of a *.tf file and leaves expressions as text: enough to list variables and outputs, and to
 * compare tables, where terraform itself is not installed. What it does not know, it refuses.
 * @throws Error naming `path` and the line
 */
export const readHcl = (text: string, path: string): Block[] => {
  let at = 0

  const fail = (what: string): never => {
    throw new Error(`${path}:${text.slice(0, at).split('\n').length}: ${what}`)
  }
  /** What `pattern` (sticky) matches here, taken. */
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at
    const found = pattern.exec(text)?.[0]
    at += found?.length ?? 0
    return found
  }
  const takeSpace = () => take(/(?:\s|(?:#|\/\/).*|\/\*[\s\S]*?\*\/)*/y)
  const takeHeredoc = (): boolean => {
    const tag = take(/<<-?\w+\n/y)?.match(/\w+/)?.[0]
    if (tag === undefined) return false
    const end = new RegExp(`^[ \\t]*${tag}$`, 'gm')
    end.lastIndex = at
    if (end.exec(text) === null) fail(`text without its end ${tag}`)
    at = end.lastIndex
    return true
  }

  /** A string with its `${…}`, in which further strings may stand. */
  const takeString = () => {
    for (at += 1; text[at] !== '"'; ) {
      if (at >= text.length || text[at] === '\n') fail('string without its end')
      if (take(/\\.|\$\$\{|%%\{/y) !== undefined) continue
      if (take(/[$%]\{/y) !== undefined) takeNested('}')
      else at += 1
    }
    at += 1
  }
  /** Up to the bracket that closes what is open. */
  const takeNested = (closing: string) => {
    while (text[at] !== closing) {
      if (at >= text.length) fail(`${closing} is missing`)
      takePiece()
    }
    at += 1
  }
  /** The next bracket with all in it, string, heredoc or comment; else one character. */
  const takePiece = () => {
    const closing = { '(': ')', '[': ']', '{': '}' }[text[at] ?? '']
    if (text[at] === '"') takeString()
    else if (closing !== undefined) {
      at += 1
      takeNested(closing)
    } else if (take(/(?:#|\/\/).*|\/\*[\s\S]*?\*\//y) === undefined && !takeHeredoc()) at += 1
  }
  const takeExpression = (): string => {
    const from = at
    // A line ends an expression, unless a bracket is open.
    while (at < text.length && text[at] !== '\n' && text[at] !== '}') takePiece()
    return text.slice(from, at).trim() || fail('an expression is missing')
  }

  const takeBody = (block: Pick<Block, 'attributes' | 'blocks'>, closing: '}' | undefined) => {
    for (takeSpace(); at < text.length && text[at] !== closing; takeSpace()) {
      const name = take(/[A-Za-z_][\w-]*/y) ?? fail(`${JSON.stringify(text[at])} where a name should be`)
      if (take(/[ \t]*=(?!=)[ \t]*/y) !== undefined) {
        if (block.attributes.has(name)) fail(`${name} is there twice`)
        block.attributes.set(name, takeExpression())
        continue
      }
      const inner: Block = { kind: name, labels: [], attributes: new Map(), blocks: [] }
      for (let label = take(/[ \t]+"[^"\n]*"/y); label !== undefined; label = take(/[ \t]+"[^"\n]*"/y))
        inner.labels.push(label.trim().slice(1, -1))
      if (take(/[ \t]*\{/y) === undefined) fail(`neither = nor { after ${name}`)
      takeBody(inner, '}')
      block.blocks.push(inner)
    }
    if (closing !== undefined && text[at] !== closing) fail(`${closing} is missing`)
    at += 1
  }

  const file: Pick<Block, 'attributes' | 'blocks'> = { attributes: new Map(), blocks: [] }
  takeBody(file, undefined)
  if (file.attributes.size > 0) throw new Error(`${path}: an attribute outside of any block`)
  return file.blocks
}

/** The value of an expression that is a plain string; undefined of any other. */
export const plainString = (expression: string | undefined): string | undefined =>
  expression !== undefined && /^"(?:[^"\\$%]|\\["\\]|\$(?!\{)|%(?!\{))*"$/.test(expression)
    ? expression.slice(1, -1).replaceAll(/\\(["\\])/g, '$1')
    : undefined

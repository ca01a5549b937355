import { readFileSync } from 'node:fs'

/** One instruction, its lines joined: `RUN npm ci` is `{ name: 'RUN', text: 'npm ci' }`. */
export interface Instruction {
  name: string
  text: string
}

/** What one FROM begins. */
export interface Stage {
  base: string
  name: string
  instructions: Instruction[]
}

export interface Dockerfile {
  /** Values of ARG before the first FROM. */
  args: Record<string, string>
  stages: Stage[]
}

/** Text with `${NAME}` replaced. */
export const expand = (text: string, values: Record<string, string>): string =>
  text.replace(/\$\{(\w+)\}/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`Dockerfile: ${name} has no value`)
    return value
  })

/** `A=b C="d e"` as an object. */
export const pairsOf = (text: string): Record<string, string> =>
  Object.fromEntries(
    [...text.matchAll(/([\w.]+)=(?:"([^"]*)"|(\S+))/g)].map(([, name = '', quoted, plain]) => [
      name,
      quoted ?? plain ?? '',
    ]),
  )

/** Reads the part of the language that ours is written in: no heredocs, no escape directive. */
export const readDockerfile = (path: string): Dockerfile => {
  const logical = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => !/^\s*(#|$)/.test(line))
    .join('\n')
    .replace(/\\\n\s*/g, '')
  const args: Record<string, string> = {}
  const stages: Stage[] = []
  for (const line of logical.split('\n')) {
    const [, name = '', text = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? []
    const stage = stages.at(-1)
    if (name === 'FROM') {
      const [, base = '', as = ''] = /^(\S+)(?: AS (\S+))?$/.exec(text) ?? []
      stages.push({ base: expand(base, args), name: as, instructions: [] })
    } else if (stage !== undefined && name !== '') stage.instructions.push({ name, text })
    else if (name === 'ARG') Object.assign(args, pairsOf(text))
    else throw new Error(`Dockerfile: ${line}`)
  }
  return { args, stages }
}

/** What a program of the bench was asked to do. */
import { readFileSync } from 'node:fs'
import { type ParseArgsConfig, parseArgs } from 'node:util'

/** One line and exit code 2. */
export const refuse: (why: string) => never = (why) => {
  console.error(why)
  process.exit(2)
}

/** The comment at the head of a program: what it does and how it is called. */
export const usageOf = (source: string): string =>
  source
    .slice(source.indexOf('/**') + 3, source.indexOf('*/'))
    .split('\n')
    .map((line) => line.replace(/^ \* ?/, '').trimEnd())
    .join('\n')
    .trim()

const help = { help: { type: 'boolean', short: 'h', default: false } } as const

/** Reads the arguments of a program; `--help` prints its head comment and ends it, as do flags that it does not have. */
export const readOptions = <const O extends NonNullable<ParseArgsConfig['options']>>(
  program: string,
  options: O,
  allowPositionals = false,
) => {
  const read = () => parseArgs({ allowPositionals, options: { ...options, ...help } })
  let parsed: ReturnType<typeof read>
  try {
    parsed = read()
  } catch (error) {
    return refuse(`${(error as Error).message.split('. ')[0]}; --help says what there is`)
  }
  if ((parsed.values as { help: boolean }).help) {
    console.log(usageOf(readFileSync(program, 'utf8')))
    process.exit(0)
  }
  return parsed
}

/** A whole number from 1 on, as a flag says it. */
export const countOf = (flag: string, text: string): number =>
  /^[1-9]\d{0,8}$/.test(text) ? Number(text) : refuse(`--${flag} is a whole number from 1 on, not ${text}`)

/** The bench reads what processes cost from /proc. */
export const requireLinux = (): void => {
  if (process.platform !== 'linux') refuse('the bench reads what processes cost from /proc: it needs Linux')
}

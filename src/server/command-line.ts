import { parseArgs } from 'node:util'
import { type OptionName, options, type Switch, switches } from './options.ts'
import { mismatch, type Problem, quoted } from './problems.ts'

export interface CommandLine {
  command: 'serve' | 'dev'
  /** Texts of the flags that were given. */
  flags: Partial<Record<OptionName, string>>
  switches: Set<Switch>
  problems: Problem[]
}

const nameByFlag = new Map(Object.entries(options).map(([name, { flag }]) => [flag, name as OptionName]))

/** A flag whose value was left out would otherwise take the next flag for it, and hide what is wrong with that. */
const withEmptyValues = (args: string[]): string[] =>
  args.map((arg, index) => {
    const lacksValue =
      arg.startsWith('--') && nameByFlag.has(arg.slice(2)) && (args[index + 1] ?? '--').startsWith('--')
    return lacksValue ? `${arg}=` : arg
  })

/** Reads the arguments behind the program's name; faults are gathered, not thrown. */
export const readCommandLine = (args: string[]): CommandLine => {
  const line: CommandLine = { command: 'serve', flags: {}, switches: new Set(), problems: [] }
  const { tokens } = parseArgs({
    args: withEmptyValues(args),
    strict: false,
    tokens: true,
    options: Object.fromEntries([
      ...Object.values(options).map(({ flag }) => [flag, { type: 'string' as const }]),
      ...Object.keys(switches).map((name) => [name, { type: 'boolean' as const }]),
      ['help', { type: 'boolean' as const, short: 'h' }],
    ]),
  })
  const positionals: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind !== 'option') continue
    const name = nameByFlag.get(token.name)
    if (Object.hasOwn(switches, token.name)) {
      if (token.value === undefined) line.switches.add(token.name as Switch)
      else line.problems.push(mismatch(token.rawName, 'a value', 'none'))
    } else if (name === undefined) {
      line.problems.push(mismatch(quoted(token.rawName), 'an unknown flag', 'one of those in rpc-server --help'))
    } else if (token.value === undefined || token.value === '') {
      line.problems.push(mismatch(token.rawName, 'no value', options[name].kind.expected))
    } else {
      line.flags[name] = token.value
    }
  }
  const [command, ...others] = positionals
  if (command === 'dev') line.command = 'dev'
  const unknown = command === undefined || command === 'dev' ? others : positionals
  for (const word of unknown) {
    line.problems.push(mismatch(quoted(word), 'an unknown argument', 'flags, or the command dev'))
  }
  return line
}

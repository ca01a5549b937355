import type { Argument, Command, Option } from 'commander'

/** What a noun's file gives to the program: its verbs, each doing one thing. */
export interface Verb {
  name: string
  summary: string
  /** More than the summary, for `--help` and docs/cli.md. */
  description?: string
  arguments?: Argument[]
  options?: Option[]
  /** Lines that can be typed as they are. */
  examples: string[]
  run(call: VerbCall): Promise<void>
}

/** A call of a verb: arguments in their order, and flags by their camel-case names. */
export interface VerbCall {
  arguments: (string | undefined)[]
  // biome-ignore lint/suspicious/noExplicitAny: commander's options are as typed as their parsers; each verb states its own.
  options: any
}

const examples = new WeakMap<Command, string[]>()

/** The examples of a command, for docs/cli.md. */
export const examplesOf = (command: Command): string[] => examples.get(command) ?? []

/** Hangs a verb under a noun, or under the program itself. */
export const addVerb = (parent: Command, verb: Verb): Command => {
  const command = parent.command(verb.name).summary(verb.summary)
  command.description(verb.description === undefined ? verb.summary : `${verb.summary}\n\n${verb.description}`)
  for (const argument of verb.arguments ?? []) command.addArgument(argument)
  for (const option of verb.options ?? []) command.addOption(option)
  examples.set(command, verb.examples)
  command.addHelpText('after', `\nExamples:\n${verb.examples.map((line) => `  ${line}`).join('\n')}`)
  command.action(() => verb.run({ arguments: command.processedArgs, options: command.opts() }))
  return command
}

/** A noun with its verbs. */
export const addNoun = (program: Command, names: [string, ...string[]], summary: string, verbs: Verb[]): Command => {
  const [name, ...aliases] = names
  const noun = program.command(name).aliases(aliases).summary(summary).description(summary)
  for (const verb of verbs) addVerb(noun, verb)
  return noun
}

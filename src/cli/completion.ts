import type { Command, Option } from 'commander'

export type Shell = 'bash' | 'zsh' | 'fish'

/** One place on the command line: what can be typed after these words. */
interface Place {
  /** The words that lead here, aliases resolved by `aliases`. */
  path: string
  words: { word: string; about: string }[]
  options: Option[]
  /** Choices of the first argument. */
  choices: string[]
}

const visible = (command: Command): Command[] => command.commands.filter((child) => child.name() !== 'help')

const placesOf = (program: Command): Place[] => {
  const places: Place[] = []
  const visit = (command: Command, path: string): void => {
    places.push({
      path,
      words: visible(command).map((child) => ({ word: child.name(), about: child.summary() })),
      options: [...command.options, ...(command === program ? [] : program.options)],
      choices: command.registeredArguments[0]?.argChoices ?? [],
    })
    for (const child of visible(command)) visit(child, path === '' ? child.name() : `${path} ${child.name()}`)
  }
  visit(program, '')
  return places
}

const flagsOf = (option: Option): string[] => [option.short, option.long].filter((flag) => flag !== undefined)

/** Every alias with the name it stands for. */
const aliasesOf = (program: Command): [string, string][] =>
  program.commands.flatMap((noun) => noun.aliases().map((alias): [string, string] => [alias, noun.name()]))

const takesFile = (option: Option): boolean => /<(file|directory)>/.test(option.flags)

const allOptions = (places: Place[]): Option[] => {
  const found = new Map<string, Option>()
  for (const { options } of places) for (const option of options) found.set(option.flags, option)
  return [...found.values()]
}

/** `case` arms of the flags that take a value, place by place: their choices, or files, or whatever. */
const valueArms = (places: Place[]): string[] =>
  places.flatMap(({ path, options }) =>
    options
      .filter((option) => option.required)
      .map((option) => {
        const patterns = flagsOf(option).map((flag) => JSON.stringify(`${path}|${flag}`))
        const offer = option.argChoices ? `-W "${option.argChoices.join(' ')}"` : takesFile(option) ? '-f' : ''
        const action = offer === '' ? 'return' : `COMPREPLY=($(compgen ${offer} -- "$current")); return`
        return `    ${patterns.join('|')}) ${action} ;;`
      }),
  )

const bash = (program: Command): string => {
  const places = placesOf(program)
  const withValue = allOptions(places)
    .filter((option) => option.required)
    .flatMap(flagsOf)
  const arms = places.map(({ path, words, options, choices }) => {
    const list = [...words.map(({ word }) => word), ...choices, ...options.flatMap(flagsOf), '--help']
    return `    ${JSON.stringify(path)}) words="${list.join(' ')}" ;;`
  })
  return `# bash completion of airunner; load it with: source <(airunner completion bash)
_airunner() {
  local current previous path word words skip index
  current="\${COMP_WORDS[COMP_CWORD]}"
  previous="\${COMP_WORDS[COMP_CWORD-1]}"
  path="" skip=""
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${COMP_WORDS[index]}"
    if [[ -n "$skip" ]]; then skip=""; continue; fi
    case "$word" in
    ${withValue.join('|')}) skip=1; continue ;;
    -*) continue ;;
${aliasesOf(program)
  .map(([alias, name]) => `    ${alias}) word=${name} ;;`)
  .join('\n')}
    esac
    case "\${path:+$path }$word" in
    ${places
      .filter(({ path }) => path !== '')
      .map(({ path }) => JSON.stringify(path))
      .join('|')}) path="\${path:+$path }$word" ;;
    esac
  done
  case "$path|$previous" in
${valueArms(places).join('\n')}
  esac
  words=""
  case "$path" in
${arms.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [[ \${#COMPREPLY[@]} -eq 0 && "$current" != -* ]]; then COMPREPLY=($(compgen -f -- "$current")); fi
}
complete -o filenames -F _airunner airunner
`
}

/** zsh runs the bash function through its own emulation: one description of the words serves both. */
const zsh = (program: Command): string => `#compdef airunner
# zsh completion of airunner; write it to a directory of $fpath as _airunner
autoload -U +X bashcompinit && bashcompinit
${bash(program)}`

const quoteFish = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`

const fish = (program: Command): string => {
  const lines = ['# fish completion of airunner', 'complete -c airunner -f']
  const optionLine = (option: Option, condition: string): string =>
    [
      'complete -c airunner',
      condition,
      option.short ? `-s ${option.short.slice(1)}` : '',
      option.long ? `-l ${option.long.slice(2)}` : '',
      option.required
        ? option.argChoices
          ? `-xa ${quoteFish(option.argChoices.join(' '))}`
          : takesFile(option)
            ? '-rF'
            : '-x'
        : '',
      `-d ${quoteFish(option.description)}`,
    ]
      .filter((part) => part !== '')
      .join(' ')
  for (const option of program.options) lines.push(optionLine(option, ''))
  for (const noun of visible(program)) {
    const names = [noun.name(), ...noun.aliases()].join(' ')
    const seen = `__fish_seen_subcommand_from ${names}`
    lines.push(`complete -c airunner -n __fish_use_subcommand -a ${noun.name()} -d ${quoteFish(noun.summary())}`)
    const verbs = visible(noun)
    const verbNames = verbs.map((verb) => verb.name()).join(' ')
    for (const choice of noun.registeredArguments[0]?.argChoices ?? [])
      lines.push(`complete -c airunner -n ${quoteFish(seen)} -a ${choice}`)
    for (const option of noun.options) lines.push(optionLine(option, `-n ${quoteFish(seen)}`))
    for (const verb of verbs) {
      const before = `${seen}; and not __fish_seen_subcommand_from ${verbNames}`
      lines.push(`complete -c airunner -n ${quoteFish(before)} -a ${verb.name()} -d ${quoteFish(verb.summary())}`)
      const after = `${seen}; and __fish_seen_subcommand_from ${verb.name()}`
      for (const option of verb.options) lines.push(optionLine(option, `-n ${quoteFish(after)}`))
    }
  }
  return `${lines.join('\n')}\n`
}

/** A completion script, written from the tree of commands, so that it cannot name what is not there. */
export const completionScript = (program: Command, shell: Shell): string =>
  shell === 'bash' ? bash(program) : shell === 'zsh' ? zsh(program) : fish(program)

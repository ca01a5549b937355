import { PassThrough } from 'node:stream'
import type { Command, Option } from 'commander'
import { examplesOf } from './noun.ts'
import { makeProgram } from './program.ts'

const exitCodes: [string, string][] = [
  ['0', 'ok'],
  ['1', 'failed'],
  ['2', 'usage: an unknown flag, a missing argument, a confirmation without a terminal'],
  ['3', 'configuration or context: no server, a file that is missing or cannot be read'],
  ['4', 'not let in: TLS, 401, 403'],
  ['5', 'not found'],
  ['6', 'conflict or precondition: 409, 412, 422, a file that exists'],
  ['7', 'unreachable or timed out'],
  ['8', 'throttled or unavailable: 429, 502, 503, 504'],
  ['9', 'cancelled at a prompt'],
  ['130, 143', 'ended by SIGINT, SIGTERM'],
]

const escapeCell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')

const optionRow = (option: Option): string => {
  const notes = [
    option.description,
    option.argChoices ? `one of ${option.argChoices.map((choice) => `\`${choice}\``).join(', ')}` : '',
    option.defaultValue === undefined ? '' : `default \`${option.defaultValueDescription ?? option.defaultValue}\``,
    option.mandatory ? 'required' : '',
  ].filter((note) => note !== '')
  return `| \`${escapeCell(option.flags)}\` | ${escapeCell(notes.join('; '))} |`
}

const optionTable = (options: readonly Option[]): string[] =>
  options.length === 0 ? [] : ['', '| flag | meaning |', '|---|---|', ...options.map(optionRow)]

const usageOf = (command: Command, path: string): string => {
  const words = command.registeredArguments.map((argument) =>
    argument.required ? `<${argument.name()}>` : `[${argument.name()}]`,
  )
  return [`airunner ${path}`, ...words, ...(command.options.length > 0 ? ['[flags]'] : [])].join(' ')
}

const commandSection = (command: Command, path: string, level: string): string[] => {
  const examples = examplesOf(command)
  return [
    '',
    `${level} airunner ${path}`,
    '',
    command.description(),
    '',
    '```',
    usageOf(command, path),
    '```',
    ...command.registeredArguments.flatMap((argument) => [
      '',
      `\`${argument.name()}\`: ${argument.description}${argument.argChoices ? ` (${argument.argChoices.join(', ')})` : ''}`,
    ]),
    ...optionTable(command.options),
    ...(examples.length === 0 ? [] : ['', '```sh', ...examples, '```']),
  ]
}

/** docs/cli.md, from the tree of commands itself. The same text for the same tree, whatever the machine. */
export const renderCliReference = (): string => {
  const silent = new PassThrough()
  const { command: program } = makeProgram({
    stdin: silent,
    stdout: silent,
    stderr: silent,
    env: {},
    now: () => 0,
    signal: new AbortController().signal,
  })
  const nouns = program.commands.filter((command) => command.name() !== 'help')
  const lines = [
    '<!-- Generated from src/cli by `npm run generate`; edit the commands, not this page. -->',
    '# airunner',
    '',
    program.description(),
    '',
    'Grammar: `airunner <noun> <verb> [id] [flags]`. Nouns may be said in the plural, and `cert` is `certificate`. Data goes to stdout, everything else to stderr.',
    '',
    '## Flags of every command',
    '',
    'They may stand before or after the verb. Each setting of the connection is taken from its flag, else from the context that `--context` names, else from its environment variable, else from the current context.',
    ...optionTable(program.options),
    '',
    '`table` shows times as they are from now, `wide` shows them exactly and adds columns. `json` and `yaml` are the wire record, a listing `{items: […]}` with the records of all pages; `jsonl` is a record on each line, as it comes; `name` is the id alone. Colours only on a terminal, and never with `NO_COLOR`.',
    '',
    '## Contexts',
    '',
    'Kept in `airunner/config.yaml` under `$XDG_CONFIG_HOME`, or else under `~/.config`; mode 0600:',
    '',
    '```yaml',
    'current_context: prod',
    'contexts:',
    '  prod:',
    '    server: https://airunner-prod.example.com',
    '    cacert: /home/ops/prod/ca.pem',
    '    client_cert: /home/ops/prod/cert.pem',
    '    client_key: /home/ops/prod/key.pem',
    '```',
    '',
    '## Exit codes',
    '',
    '| code | means |',
    '|---|---|',
    ...exitCodes.map(([code, meaning]) => `| ${code} | ${meaning} |`),
    '',
    'A refusal says what happened, why, what to do next, and the `request_id` for the server’s log; with `-o json` it is the problem document, on stderr. Refusals that the program makes itself have the same form, without `status` and `request_id`.',
    '',
    '## Lost answers',
    '',
    'Every POST carries an `Idempotency-Key`. A request whose connection breaks, or that is answered 503 or 429 with `Retry-After`, is sent again with the same key: up to three times within 10 s. `PATCH` with `--if-match` is not repeated.',
  ]
  for (const noun of nouns) {
    const verbs = noun.commands.filter((command) => command.name() !== 'help')
    if (verbs.length === 0) {
      lines.push(...commandSection(noun, noun.name(), '##'))
      continue
    }
    const aliases = noun.aliases().map((alias) => `\`${alias}\``)
    lines.push('', `## airunner ${noun.name()}`, '', `${noun.description()}.`)
    if (aliases.length > 0) lines.push('', `Also: ${aliases.join(', ')}.`)
    for (const verb of verbs) lines.push(...commandSection(verb, `${noun.name()} ${verb.name()}`, '###'))
  }
  return `${lines.join('\n')}\n`
}

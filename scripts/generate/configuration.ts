import { type Option, options, switches, type Variable, variables } from '../../src/server/options.ts'
import { code, page, sentence, table } from './markdown.ts'

const flags: Option<unknown>[] = Object.values(options)
const settings: Variable[] = Object.values(variables)

const rowOf = ({ flag, env, kind, description, ...defaults }: Option<unknown>): string[] => [
  code(`--${flag}`),
  code(env),
  defaults.default === undefined ? 'required' : code(defaults.default),
  `${sentence(description)} ${sentence(kind.expected)}`,
]

/** docs/configuration.md: every flag and variable of rpc-server. */
export const configurationPage = (): string =>
  page(
    'Configuration of rpc-server',
    'src/server/options.ts',
    `A flag wins over the environment, the environment over the default. All problems are reported together, one line each, and end the
start with exit code 2 before any port is opened. \`--check-config\` does only that, and prints the effective configuration without secrets.`,
    '## Flags',
    table(
      ['flag', 'environment', 'default', 'means'],
      flags.filter(({ developmentOnly }) => !developmentOnly).map(rowOf),
    ),
    table(
      ['switch', 'does'],
      Object.entries(switches).map(([name, does]) => [code(`--${name}`), sentence(does)]),
    ),
    '## Environment',
    `Where a file is possible, the variable ending in \`_FILE\` names one that is read instead, and read again on SIGHUP.`,
    table(
      ['variable', 'or as a file', 'holds'],
      settings.map(({ env, pem, description }) => [code(env), pem ? code(`${env}_FILE`) : '–', sentence(description)]),
    ),
    'Region, credentials and endpoints of AWS come from its own variables, such as `AWS_REGION`, and for an emulator\n' +
      '`AWS_ENDPOINT_URL_DYNAMODB`, `AWS_ENDPOINT_URL_KMS`, `AWS_ENDPOINT_URL_SSM`. What is done with KMS and the Parameter Store: [aws.md](aws.md).\n' +
      '`AWS_ENDPOINT_URL_STS` is where machines that join by an AWS identity are asked about, for an emulator or a VPC endpoint: whoever\n' +
      'answers there decides who may join, so it is said in the log at each start. Never give it `http:` in production.',
    '## Development mode',
    '`npm run dev` (`rpc-server dev`) needs none of the above. What differs there:',
    table(
      ['flag', 'default', 'means'],
      flags
        .filter(({ developmentOnly, developmentDefault }) => developmentOnly || developmentDefault !== undefined)
        .map(({ flag, description, ...defaults }) => [
          code(`--${flag}`),
          code(defaults.developmentDefault ?? defaults.default ?? ''),
          sentence(description),
        ]),
    ),
  )

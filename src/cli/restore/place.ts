import { resolve } from 'node:path'
import { InvalidArgumentError, Option } from 'commander'
import { configurationError, usageError } from '../errors.ts'

export interface PlaceFlags {
  application: string
  environment?: string
  awsRegion?: string
  principalTable?: string
  certTable?: string
  controlTable?: string
  storeEpochFile?: string
  storeEpochParameter?: string
}

const readName = (text: string): string => {
  if (!/^[a-z][a-z0-9-]{1,20}$/.test(text)) throw new InvalidArgumentError('Expected lower-case letters and digits.')
  return text
}
const readTable = (text: string): string => {
  if (!/^[a-zA-Z0-9_.-]{3,255}$/.test(text)) throw new InvalidArgumentError('Expected the name of a DynamoDB table.')
  return text
}
const readParameter = (text: string): string => {
  if (text !== 'none' && !/^(\/[A-Za-z0-9_.-]+){1,15}$/.test(text))
    throw new InvalidArgumentError(
      'Expected the full name of a parameter, such as /airunner/prod/store-epoch, or none.',
    )
  return text
}

/** Where the deployment keeps what it knows; the servers' own variables say so as well. */
export const placeOptions = (): Option[] => [
  new Option(
    '--environment <name>',
    'such as prod: tables APPLICATION_ENVIRONMENT_…, parameter /APPLICATION/ENVIRONMENT/store-epoch',
  ).argParser(readName),
  new Option('--application <name>', 'first part of these names').default('airunner').argParser(readName),
  new Option('--aws-region <region>', 'where the deployment is (AWS_REGION)'),
  new Option('--principal-table <name>', 'table of principals (AIRUNNER_PRINCIPAL_TABLE)').argParser(readTable),
  new Option('--cert-table <name>', 'table of certificates (AIRUNNER_CERT_TABLE)').argParser(readTable),
  new Option('--control-table <name>', 'table of everything else (AIRUNNER_CONTROL_TABLE)').argParser(readTable),
  new Option('--store-epoch-file <path>', 'where the servers remember the tables (AIRUNNER_STORE_EPOCH_FILE)'),
  new Option(
    '--store-epoch-parameter <name>',
    'the same in the Parameter Store (AIRUNNER_STORE_EPOCH_PARAMETER, or store-epoch below AIRUNNER_SSM_PREFIX)',
  ).argParser(readParameter),
]

type Env = Record<string, string | undefined>

const tableOf = (flags: PlaceFlags, env: Env, flag: string | undefined, variable: string, last: string): string => {
  const name = flag ?? (env[variable] || undefined)
  if (name !== undefined) return name
  if (flags.environment !== undefined) return `${flags.application}_${flags.environment}_${last}`
  throw configurationError(`which table holds the ${last} is not known`, {
    next: `Give --environment, or the variables of the servers: ${variable} and its siblings. In development mode: \`set -a; . .airunner/rpc-server.env; set +a\`.`,
  })
}

const memoryOf = (flags: PlaceFlags, env: Env): { file: string } | { parameter: string } | undefined => {
  if (flags.storeEpochFile !== undefined && flags.storeEpochParameter !== undefined)
    throw usageError('--store-epoch-file and --store-epoch-parameter do not go together', 'Leave one of them out.')
  const given = flags.storeEpochFile !== undefined || flags.storeEpochParameter !== undefined
  const file = given ? flags.storeEpochFile : env['AIRUNNER_STORE_EPOCH_FILE']
  if (file !== undefined && file !== '' && file !== 'none') return { file: resolve(file) }
  const parameter = given ? flags.storeEpochParameter : env['AIRUNNER_STORE_EPOCH_PARAMETER'] || 'auto'
  if (parameter === 'none' || parameter === undefined) return undefined
  if (parameter !== 'auto') return { parameter }
  const prefix = env['AIRUNNER_SSM_PREFIX'] || (flags.environment && `/${flags.application}/${flags.environment}`)
  return prefix ? { parameter: `${prefix}/store-epoch` } : undefined
}

/** Throws a CliError for what is not said. */
export const placeOf = (flags: PlaceFlags, env: Env) => {
  const region = flags.awsRegion ?? (env['AWS_REGION'] || undefined)
  const memory = memoryOf(flags, env)
  return {
    tables: {
      principals: tableOf(flags, env, flags.principalTable, 'AIRUNNER_PRINCIPAL_TABLE', 'principals'),
      certificates: tableOf(flags, env, flags.certTable, 'AIRUNNER_CERT_TABLE', 'certificates'),
      control: tableOf(flags, env, flags.controlTable, 'AIRUNNER_CONTROL_TABLE', 'control'),
    },
    ...(region === undefined ? {} : { region }),
    ...(memory === undefined ? {} : { memory }),
  }
}

/** The memory as people know it. */
export const memoryName = ({ memory }: ReturnType<typeof placeOf>): string => {
  if (memory === undefined) return 'none'
  return 'file' in memory ? memory.file : `the parameter ${memory.parameter}`
}

import { resolve } from 'node:path'
import { isKmsKeyId } from '../pki/kms-signer.ts'
import type { Tables } from '../store/schema.ts'
import { type OptionName, type OptionValues, options, type Variable, variables } from './options.ts'
import { mismatch, type Problem, quoted } from './problems.ts'
import { stsEndpointOf } from './sts-endpoint.ts'
import { addressText } from './values.ts'

export type Environment = Record<string, string | undefined>

/** What is asked of AWS beside the tables; names of keys and parameters are no secrets. */
export interface AwsSettings {
  /** KMS keys that sign client certificates, and server certificates. */
  issuer_kms_keys: string[]
  server_issuer_kms_keys: string[]
  /** The one that signs checkpoints over audit events; empty: none. */
  audit_kms_keys?: string[]
  /** Without a slash at its end. */
  ssm_prefix?: string
}

export type EpochPlace = ({ file: string } | { parameter: string }) & { implied: boolean }

/** What the server is told to do, validated; nothing in it is secret. Durations in milliseconds. */
export interface Config extends OptionValues {
  tables: Tables
  aws: AwsSettings
  /** Instead of the STS of AWS: that of an emulator, or a VPC endpoint. */
  stsEndpoint?: URL
  /** Where the mark of the tables is remembered; `implied`: nobody asked for it. Absent: restored tables are not noticed. */
  storeEpoch?: EpochPlace | undefined
  /** Each option as text, and where it came from: what `--check-config` prints. */
  effective: Record<string, { value: string; source: 'flag' | 'environment' | 'default' }>
}

/** Empty says as much as unset: deployments often pass on variables that nobody filled. */
export const textOf = (env: Environment, name: string): string | undefined => (env[name] === '' ? undefined : env[name])

const tableName = /^[a-zA-Z0-9_.-]{3,255}$/
const tableExpected = 'the name of a DynamoDB table, 3 to 255 characters of a-z A-Z 0-9 _ . -'

const readTables = (env: Environment, problems: Problem[]): Tables => {
  const read = ({ env: name }: Variable): string => {
    const text = textOf(env, name)
    if (text === undefined) problems.push(mismatch(name, 'nothing', tableExpected))
    else if (!tableName.test(text)) problems.push(mismatch(name, quoted(text), tableExpected))
    return text ?? ''
  }
  const tables = {
    principals: read(variables.principalTable),
    certificates: read(variables.certTable),
    control: read(variables.controlTable),
  }
  const given = Object.values(tables).filter((name) => name !== '')
  if (new Set(given).size < given.length) {
    const names = [variables.principalTable, variables.certTable, variables.controlTable].map(
      (variable) => variable.env,
    )
    problems.push(mismatch(names.join(', '), 'the same table twice', 'three different tables'))
  }
  return tables
}

const refuseSharedPorts = (values: Partial<OptionValues>, problems: Problem[]) => {
  const seen = new Map<string, string>()
  for (const name of ['mtlsListen', 'enrollListen', 'healthListen', 'pkiListen', 'metricsListen'] as const) {
    const address = values[name]
    if (address === undefined || address.port === 0) continue
    const text = addressText(address)
    const other = seen.get(text)
    if (other === undefined) seen.set(text, options[name].flag)
    else problems.push(mismatch(`--${options[name].flag}`, `${text}, as for --${other}`, 'an address of its own'))
  }
}

const keyIdExpected = 'the id, ARN or alias/NAME of a KMS key; several during a rotation, separated by commas or spaces'
const auditKeyExpected = 'the id, ARN or alias/NAME of one KMS key'
const mostKeys = 4
const prefixExpression = /^(\/[A-Za-z0-9_.-]+){1,14}$/
/** Of the 1011 characters that a parameter's name may have. */
const longestPrefix = 900

const readAws = (env: Environment, mode: 'serve' | 'dev', problems: Problem[]): AwsSettings => {
  const keys = ({ env: name }: Variable, most = mostKeys, expected = keyIdExpected): string[] => {
    const text = textOf(env, name)
    if (text === undefined) return []
    const ids = [...new Set(text.split(/[\s,]+/).filter((id) => id !== ''))]
    const wrong = ids.find((id) => !isKmsKeyId(id))
    if (ids.length > 0 && ids.length <= most && wrong === undefined) return ids
    problems.push(mismatch(name, wrong === undefined ? `${ids.length} keys` : quoted(wrong), expected))
    return []
  }
  const prefix = ({ env: name }: Variable): string | undefined => {
    const text = textOf(env, name)
    if (text === undefined || (prefixExpression.test(text) && text.length <= longestPrefix)) return text
    problems.push(mismatch(name, quoted(text), 'the path above the parameters, such as /airunner/prod'))
    return undefined
  }
  const { issuerKmsKeyId, serverIssuerKmsKeyId, auditKmsKeyId, ssmPrefix } = variables
  if (mode === 'dev') {
    for (const { env: name } of [issuerKmsKeyId, serverIssuerKmsKeyId, auditKmsKeyId, ssmPrefix]) {
      const text = textOf(env, name)
      if (text !== undefined)
        problems.push(mismatch(name, quoted(text), 'it unset: development mode makes its own keys and certificates'))
    }
    return { issuer_kms_keys: [], server_issuer_kms_keys: [] }
  }
  const ssm_prefix = prefix(ssmPrefix)
  const audit_kms_keys = keys(auditKmsKeyId, 1, auditKeyExpected)
  return {
    issuer_kms_keys: keys(issuerKmsKeyId),
    server_issuer_kms_keys: keys(serverIssuerKmsKeyId),
    ...(audit_kms_keys.length === 0 ? {} : { audit_kms_keys }),
    ...(ssm_prefix === undefined ? {} : { ssm_prefix }),
  }
}

const isSet = (env: Environment, { env: name }: Variable): boolean =>
  textOf(env, name) !== undefined || textOf(env, `${name}_FILE`) !== undefined

/** A key is in memory or in a key service; which of two would sign is nobody's guess. */
const refuseTwoKeys = (env: Environment, problems: Problem[]) => {
  const pairs: [Variable, Variable][] = [
    [variables.issuerKey, variables.issuerKmsKeyId],
    [variables.serverIssuerKey, variables.serverIssuerKmsKeyId],
    [variables.auditKey, variables.auditKmsKeyId],
  ]
  for (const [pem, kms] of pairs) {
    if (isSet(env, pem) && isSet(env, kms)) problems.push(mismatch(`${pem.env}, ${kms.env}`, 'both', 'one of them'))
  }
}

/** Which of the two places it is; the texts that stand for one become it, for workers are started by what is effective. */
const epochPlaceOf = (
  values: Partial<OptionValues>,
  effective: Config['effective'],
  prefix: string | undefined,
  mode: 'serve' | 'dev',
  problems: Problem[],
): EpochPlace | undefined => {
  const { storeEpochFile: file = 'none', storeEpochParameter: parameter = 'none', dataDir } = values
  const [fileFlag, parameterFlag] = [options.storeEpochFile.flag, options.storeEpochParameter.flag]
  const place = (name: string, value: string): void => {
    const entry = effective[name.replaceAll('-', '_')]
    if (entry !== undefined) entry.value = value
  }
  const named = parameter !== 'auto' && parameter !== 'none'
  if (named && mode === 'dev')
    problems.push(mismatch(`--${parameterFlag}`, quoted(parameter), 'it unset: development mode remembers in a file'))
  else if (named && file !== 'none') problems.push(mismatch(`--${fileFlag}, --${parameterFlag}`, 'both', 'one of them'))
  if (file === 'auto' && mode === 'serve')
    problems.push(mismatch(`--${fileFlag}`, '"auto"', options.storeEpochFile.kind.expected))
  if (file !== 'none') {
    const path = resolve(file === 'auto' ? `${dataDir ?? ''}/store-epoch` : file)
    place(fileFlag, path)
    return { file: path, implied: false }
  }
  const name = named ? parameter : parameter === 'auto' && prefix !== undefined ? `${prefix}/store-epoch` : undefined
  place(parameterFlag, name ?? 'none')
  return name === undefined ? undefined : { parameter: name, implied: !named }
}

/**
 * Reads the configuration: flag, then environment, then default. Every fault is reported, in the order of the table;
 * `config` is complete only when there is none.
 */
export const readConfig = (
  flags: Partial<Record<OptionName, string>>,
  env: Environment,
  mode: 'serve' | 'dev',
): { config: Config; problems: Problem[] } => {
  const problems: Problem[] = []
  const values: Record<string, unknown> = {}
  const effective: Config['effective'] = {}
  for (const [name, option] of Object.entries(options) as [OptionName, (typeof options)[OptionName]][]) {
    const { flag, env: variable, kind } = option
    const development = 'developmentDefault' in option ? option.developmentDefault : undefined
    const preset = (mode === 'dev' ? development : undefined) ?? ('default' in option ? option.default : undefined)
    const only = 'developmentOnly' in option
    if (only && mode !== 'dev') {
      if (flags[name] !== undefined) problems.push(mismatch(`--${flag}`, 'it given', 'it with the command dev alone'))
      continue
    }
    const source = flags[name] !== undefined ? 'flag' : textOf(env, variable) !== undefined ? 'environment' : 'default'
    const text = flags[name] ?? textOf(env, variable) ?? preset
    if (text === undefined) {
      problems.push(mismatch(`--${flag} (${variable})`, 'nothing', kind.expected))
      continue
    }
    const read = kind.read(text)
    if (read === undefined) {
      problems.push(mismatch(source === 'flag' ? `--${flag}` : variable, quoted(text), kind.expected))
      continue
    }
    values[name] = read.value
    effective[flag.replaceAll('-', '_')] = { value: text, source }
  }
  refuseSharedPorts(values as Partial<OptionValues>, problems)
  const tables = readTables(env, problems)
  const stsEndpoint = stsEndpointOf(env, problems)
  refuseTwoKeys(env, problems)
  const aws = readAws(env, mode, problems)
  const storeEpoch = epochPlaceOf(values as Partial<OptionValues>, effective, aws.ssm_prefix, mode, problems)
  return {
    config: { ...(values as OptionValues), tables, aws, storeEpoch, ...(stsEndpoint && { stsEndpoint }), effective },
    problems,
  }
}

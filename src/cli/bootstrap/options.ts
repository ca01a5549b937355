import { randomUUID } from 'node:crypto'
import { hostname as machineName, userInfo } from 'node:os'
import { InvalidArgumentError, Option } from 'commander'
import { minute } from '../../core/time.ts'
import { usageError } from '../errors.ts'
import { makeReadInteger, readDuration, readPrincipalId, yesOption } from '../options.ts'
import { oneLine } from '../text.ts'

export interface BootstrapFlags {
  local?: true
  outputDir: string
  application: string
  environment?: string
  domain?: string
  hostname?: string
  awsRegion?: string
  adminId: string
  principalTable?: string
  certTable?: string
  controlTable?: string
  oidArc: string
  kmsIssuerKey?: string
  acceptRoot?: string[]
  rotateServerCert?: true
  forceNewCa?: true
  recoverAdmin?: true
  ecsCluster?: string
  ecsService?: string
  desiredCount: number
  wait: number
  yes?: true
}

const makeRead =
  (expression: RegExp, expected: string) =>
  (text: string): string => {
    if (!expression.test(text)) throw new InvalidArgumentError(`Expected ${expected}.`)
    return text
  }

const label = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?'
const readHostname = (text: string): string => {
  if (text.length > 253 || !new RegExp(`^${label}(\\.${label})*$`).test(text))
    throw new InvalidArgumentError('Expected a lower-case host name.')
  return text
}
const readTable = makeRead(/^[a-zA-Z0-9_.-]{3,255}$/, 'the name of a table: 3 to 255 letters, digits, . _ -')
const readEcsName = makeRead(
  /^([a-zA-Z0-9_-]{1,255}|arn:aws[a-z-]*:ecs:.+)$/,
  'a name of up to 255 letters, digits, _ -',
)

const readRoot = (text: string): string =>
  makeRead(/^sha256:[0-9a-f]{64}$/, 'sha256: and 64 lower-case hex digits')(text).slice('sha256:'.length)

export const bootstrapOptions = (): Option[] => [
  new Option(
    '--output-dir <directory>',
    'where the admin’s files go, and with --local all; made if need be',
  ).makeOptionMandatory(),
  new Option('--environment <name>', 'such as prod; with --local optional, and `local`').argParser(
    // As Terraform takes them: both are parts of names that AWS limits.
    makeRead(/^[a-z][a-z0-9]{1,11}$/, '2 to 12 lower-case letters and digits, a letter first'),
  ),
  new Option('--domain <name>', 'last part of the host name: APPLICATION-ENVIRONMENT.DOMAIN').argParser(readHostname),
  new Option('--hostname <name>', 'the whole name that the server certificate carries, instead of --domain').argParser(
    readHostname,
  ),
  new Option('--aws-region <region>', 'where the deployment is (AWS_REGION)').argParser(
    makeRead(/^[a-z]{2}(-[a-z]+)+-\d{1,2}$/, 'a region such as ap-southeast-2'),
  ),
  new Option('--application <name>', 'first part of the names of tables, parameters, secrets and host')
    .default('airunner')
    .argParser(
      makeRead(
        /^[a-z][a-z0-9-]{0,19}[a-z0-9]$/,
        '2 to 21 lower-case letters, digits and inner hyphens, a letter first',
      ),
    ),
  new Option('--admin-id <id>', 'id of the first admin').default('admin-bootstrap').argParser(readPrincipalId),
  new Option(
    '--principal-table <name>',
    'instead of APPLICATION_ENVIRONMENT_principals (AIRUNNER_PRINCIPAL_TABLE)',
  ).argParser(readTable),
  new Option('--cert-table <name>', 'instead of APPLICATION_ENVIRONMENT_certificates (AIRUNNER_CERT_TABLE)').argParser(
    readTable,
  ),
  new Option('--control-table <name>', 'instead of APPLICATION_ENVIRONMENT_control (AIRUNNER_CONTROL_TABLE)').argParser(
    readTable,
  ),
  new Option(
    '--kms-issuer-key <id>',
    'leave the issuer’s key in KMS: its id, ARN or alias; `none`: in Secrets Manager',
  ).argParser(
    makeRead(
      /^(none|alias\/[\w/-]{1,250}|arn:aws[a-z-]*:kms:\S+|mrk-[0-9a-f]{32}|[0-9a-f-]{36})$/,
      'the id, ARN or alias/NAME of a KMS key, or none',
    ),
  ),
  new Option(
    '--accept-root <sha256:hex>',
    'a root in ca-cert that others put beside ours; can be given again',
  ).argParser((text: string, before: string[] = []) => [...before, readRoot(text)]),
  new Option('--rotate-server-cert', 'put a new key and certificate in the place of the server’s'),
  new Option('--recover-admin', 'issue an admin certificate when no admin is left'),
  new Option('--force-new-ca', 'begin anew with another root: ends every certificate issued so far'),
  new Option('--ecs-cluster <name>', 'cluster of the service to start at the end').argParser(readEcsName),
  new Option('--ecs-service <name>', 'the service: started if it has no tasks, and waited for').argParser(readEcsName),
  new Option('--desired-count <count>', 'tasks to start').default(2).argParser(makeReadInteger(1, 1000)),
  new Option('--wait <time>', 'longest wait for the service’s health')
    .default(10 * minute, '10m')
    .argParser(readDuration),
  new Option('--local', 'files and tables only: nothing is uploaded'),
  new Option('--oid-arc <oid>', 'arc of the private extensions, as rpc-server is told').default('1.3.6.1.4.1.99999.1'),
  yesOption(),
]

const onlyInAws = {
  kmsIssuerKey: '--kms-issuer-key',
  acceptRoot: '--accept-root',
  rotateServerCert: '--rotate-server-cert',
  recoverAdmin: '--recover-admin',
  forceNewCa: '--force-new-ca',
  ecsCluster: '--ecs-cluster',
  ecsService: '--ecs-service',
} as const

/** Refuses flags that do not go together, before anything is done. */
export const checkBootstrapFlags = (flags: BootstrapFlags): void => {
  if (flags.local === true) {
    for (const [name, flag] of Object.entries(onlyInAws))
      if (flags[name as keyof typeof onlyInAws] !== undefined)
        throw usageError(`${flag} does not go with --local`, 'Leave one of them out.')
    return
  }
  if (flags.environment === undefined)
    throw usageError('no --environment is given', 'Give it, or --local for files and tables only.')
  if (flags.domain === undefined && flags.hostname === undefined)
    throw usageError('no --domain is given', 'The server’s name is APPLICATION-ENVIRONMENT.DOMAIN.')
  if ((flags.ecsCluster === undefined) !== (flags.ecsService === undefined))
    throw usageError('--ecs-cluster and --ecs-service go together', 'Give both, or none.')
}

export const environmentOf = ({ environment }: BootstrapFlags): string => environment ?? 'local'

export const hostnameOf = (flags: BootstrapFlags): string => {
  const { hostname, domain, application } = flags
  const name = hostname ?? (domain === undefined ? 'localhost' : `${application}-${environmentOf(flags)}.${domain}`)
  if (name.length > 253) throw usageError(`the host name ${name} is longer than 253 characters`)
  return name
}

export const tablesOf = (flags: BootstrapFlags, env: Record<string, string | undefined>) => {
  const table = (flag: string | undefined, variable: string, name: string) =>
    flag ?? (env[variable] || `${flags.application}_${environmentOf(flags)}_${name}`)
  return {
    principals: table(flags.principalTable, 'AIRUNNER_PRINCIPAL_TABLE', 'principals'),
    certificates: table(flags.certTable, 'AIRUNNER_CERT_TABLE', 'certificates'),
    control: table(flags.controlTable, 'AIRUNNER_CONTROL_TABLE', 'control'),
  }
}

/** Who runs this, for the one who runs it at the same time. */
export const runOwner = (): string => {
  let user = 'somebody'
  try {
    user = userInfo().username
  } catch {
    // A container's user may have no name.
  }
  return oneLine(`${randomUUID()} ${user}@${machineName()}, process ${process.pid}`)
}

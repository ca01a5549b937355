import { X509Certificate } from 'node:crypto'
import { resolve } from 'node:path'
import { InvalidArgumentError, Option } from 'commander'
import { ControlError } from '../../core/errors.ts'
import { asCliError, CliError, configurationError, errorOfProblem, exitCode, usageError } from '../errors.ts'
import type { Verb } from '../noun.ts'
import { readPrincipalId } from '../options.ts'
import type { Session } from '../session.ts'

const readHostname = (text: string): string => {
  if (!/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(text))
    throw new InvalidArgumentError('Expected a lower-case host name.')
  return text
}

interface BootstrapFlags {
  local?: true
  outputDir: string
  application: string
  environment: string
  domain?: string
  hostname?: string
  adminId: string
  principalTable?: string
  certTable?: string
  controlTable?: string
  oidArc: string
}

const hostnameOf = ({ hostname, domain, application, environment }: BootstrapFlags): string =>
  hostname ?? (domain === undefined ? 'localhost' : `${application}-${environment}.${domain}`)

const tablesOf = (flags: BootstrapFlags, env: Record<string, string | undefined>) => {
  const table = (flag: string | undefined, variable: string, name: string) =>
    flag ?? (env[variable] || `${flags.application}_${flags.environment}_${name}`)
  return {
    principals: table(flags.principalTable, 'AIRUNNER_PRINCIPAL_TABLE', 'principals'),
    certificates: table(flags.certTable, 'AIRUNNER_CERT_TABLE', 'certificates'),
    control: table(flags.controlTable, 'AIRUNNER_CONTROL_TABLE', 'control'),
  }
}

/** The words of what stopped it: of the domain, of bootstrap itself, or of the store. */
const refusalOf = async (error: unknown): Promise<CliError> => {
  const foreseen = asCliError(error)
  if (foreseen !== undefined) return foreseen
  if (error instanceof ControlError && error.code === 'store_unavailable')
    return new CliError(exitCode.unavailable, 'the store does not answer', {
      code: 'store_unavailable',
      ...(error.cause instanceof Error ? { why: error.cause.message } : {}),
      next: 'Check AWS_REGION, the credentials and AWS_ENDPOINT_URL_DYNAMODB, then run it again: it goes on where it stopped.',
      cause: error,
    })
  if (error instanceof ControlError) {
    const { statusOfCode } = await import('../../wire/problem.ts')
    return errorOfProblem({
      title: 'Bootstrap was refused',
      status: statusOfCode[error.code],
      code: error.code,
      detail: error.message,
    })
  }
  const { name, message } = error as Error
  if (name === 'BootstrapProblem')
    return new CliError(exitCode.conflict, 'bootstrap stopped, so as not to replace anything', {
      why: message,
      cause: error,
    })
  return new CliError(exitCode.failed, `bootstrap stopped: ${message}`, {
    next: 'Run it again: it goes on where it stopped. AWS_ENDPOINT_URL_DYNAMODB says where the store is.',
    cause: error,
  })
}

/** Makes or finds what a plane starts from. */
export const bootstrapVerb = (session: Session): Verb => ({
  name: 'bootstrap',
  summary: 'make what a plane starts from: authorities, server certificate, first admin',
  description:
    'Finds what is there and never silently replaces it; a run that was cut off can be run again to the end. The store is where the standard AWS variables say; with AWS_ENDPOINT_URL_DYNAMODB, an emulator, its tables are made as well. The files in the output directory hold keys: keep ca-key.pem offline.',
  options: [
    new Option('--local', 'files and tables only; nothing is uploaded (the only way in this release)'),
    new Option('--output-dir <directory>', 'where the files go; made if need be').makeOptionMandatory(),
    new Option('--application <name>', 'first part of the names of tables and host').default('airunner'),
    new Option('--environment <name>', 'second part of them').default('local'),
    new Option('--domain <name>', 'last part of the host name').argParser(readHostname),
    new Option(
      '--hostname <name>',
      'the whole name that the server certificate carries; localhost without --domain',
    ).argParser(readHostname),
    new Option('--admin-id <id>', 'id of the first admin').default('admin-bootstrap').argParser(readPrincipalId),
    new Option('--principal-table <name>', 'instead of APPLICATION_ENVIRONMENT_principals (AIRUNNER_PRINCIPAL_TABLE)'),
    new Option('--cert-table <name>', 'instead of APPLICATION_ENVIRONMENT_certificates (AIRUNNER_CERT_TABLE)'),
    new Option('--control-table <name>', 'instead of APPLICATION_ENVIRONMENT_control (AIRUNNER_CONTROL_TABLE)'),
    new Option('--oid-arc <oid>', 'arc of the private extensions, as rpc-server is told').default(
      '1.3.6.1.4.1.99999.1',
    ),
  ],
  examples: [
    'AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:8000 airunner bootstrap --local --output-dir ./local-certs',
    'airunner bootstrap --local --environment prod --domain example.com --output-dir ./prod-certs',
  ],
  run: async ({ options }) => {
    const flags = options as BootstrapFlags
    if (flags.local !== true)
      throw usageError(
        'bootstrap on AWS (upload and verification) is not in this release',
        'Give --local: it makes authorities, server certificate and first admin; upload the files yourself.',
      )
    // The authority's half needs what the server needs; the other commands run on Node 20 as well.
    if (!('validToDate' in X509Certificate.prototype))
      throw configurationError(`bootstrap needs Node 24.21 or newer, and this is ${process.version}`)
    // As the SDK reads it; no other variable of it means an emulator.
    const endpoint = session.io.env['AWS_ENDPOINT_URL_DYNAMODB'] || session.io.env['AWS_ENDPOINT_URL']
    const hostname = hostnameOf(flags)
    try {
      const { runLocalBootstrap } = await import('../../authority/local-bootstrap.ts')
      let changed = false
      const files = await runLocalBootstrap({
        output_dir: resolve(flags.outputDir),
        hostname,
        admin_id: flags.adminId,
        tables: tablesOf(flags, session.io.env),
        oid_arc: flags.oidArc,
        ...(endpoint === undefined ? {} : { endpoint }),
        onStep: ({ number, title, outcome }) => {
          changed ||= outcome !== 'found'
          session.io.stderr.write(`[${number}/6] ${title}: ${outcome}\n`)
        },
      })
      await session.note('[5/6] upload: left out (--local)')
      await session.note('[6/6] verification: left out (--local)')
      await session.note(changed ? `Ready: ${resolve(flags.outputDir)}` : 'Nothing changed: everything was there.')
      await session
        .print()
        .record({ name: () => flags.adminId }, { hostname, admin_id: flags.adminId, changed, ...filesOnWire(files) })
    } catch (error) {
      throw await refusalOf(error)
    }
  },
})

/** Paths by the names that the rest of our documents use. */
const filesOnWire = (files: Record<string, string>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(files).map(([key, path]) => [key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), path]),
  )

import { resolve } from 'node:path'
import { parseServer, type ServerAddress } from '../client/address.ts'
import { type ContextEntry, findContext, readContexts } from './context.ts'
import { type CliError, configurationError, usageError } from './errors.ts'

/** Flags that say where to connect, as they were given. */
export interface ConnectionFlags {
  server?: string
  cacert?: string
  clientCert?: string
  clientKey?: string
  context?: string
}

const settings = ['server', 'cacert', 'client_cert', 'client_key'] as const
type Setting = (typeof settings)[number]
type Env = Record<string, string | undefined>

const flagOf = { server: 'server', cacert: 'cacert', client_cert: 'clientCert', client_key: 'clientKey' } as const
const flagText: Record<Setting, string> = {
  server: '--server',
  cacert: '--cacert',
  client_cert: '--client-cert',
  client_key: '--client-key',
}
const variableOf = (setting: Setting): string => `AIRUNNER_${setting.toUpperCase()}`

/** A setting and where it came from, so that a mistake can be told where it is. */
export interface Sourced {
  value: string
  source: string
}

export type ConnectionSettings = Partial<Record<Setting, Sourced>>

/**
 * Where to connect: each setting by itself from its flag, then the context that `--context` names, then its variable,
 * then the context that AIRUNNER_CONTEXT names or else the current one, which is a person's and not a machine's.
 */
export const resolveSettings = async (
  flags: ConnectionFlags,
  env: Env,
  current: 'with-current' | 'without-current' = 'with-current',
): Promise<ConnectionSettings> => {
  const found: ConnectionSettings = {}
  const take = (setting: Setting, value: string | undefined, source: string): void => {
    if (found[setting] === undefined && value !== undefined && value !== '') found[setting] = { value, source }
  }
  for (const setting of settings) take(setting, flags[flagOf[setting]], flagText[setting])
  const takeContext = (entry: ContextEntry, name: string): void => {
    for (const setting of settings) take(setting, entry[setting], `context ${name}`)
  }
  if (flags.context !== undefined) takeContext(findContext(await readContexts(env), flags.context), flags.context)
  for (const setting of settings) take(setting, env[variableOf(setting)], variableOf(setting))
  if (
    current === 'with-current' &&
    flags.context === undefined &&
    settings.some((setting) => found[setting] === undefined)
  ) {
    const file = await readContexts(env)
    const name = env['AIRUNNER_CONTEXT'] || file.current_context
    if (name !== undefined) takeContext(findContext(file, name), name)
  }
  refuseSecrets(found)
  return found
}

/** A key pasted where a file name belongs would stand in shell histories and process lists. */
const refuseSecrets = (found: ConnectionSettings): void => {
  for (const setting of ['cacert', 'client_cert', 'client_key'] as const)
    if (found[setting]?.value.includes('-----BEGIN'))
      throw usageError(
        `${found[setting].source} holds PEM text`,
        'It takes the name of a file; a key never belongs on a command line.',
      )
}

/** Reads `https://host[:port]` or `host[:port]`. */
export const readServer = ({ value, source }: Sourced): ServerAddress => {
  const refuse = (why: string): CliError => {
    const what = `the server ${JSON.stringify(value)} (${source}) is no URL to connect to`
    return source.startsWith('--')
      ? usageError(`${what}: ${why}`, 'Give it as https://HOST or https://HOST:PORT.')
      : configurationError(what, { why, next: 'Give it as https://HOST or https://HOST:PORT.' })
  }
  const server = parseServer(value)
  if (typeof server === 'string') throw refuse(server)
  return server
}

const required = (found: ConnectionSettings, setting: Setting): Sourced => {
  const sourced = found[setting]
  if (sourced === undefined)
    throw configurationError(
      setting === 'server' ? 'no server is configured' : `no ${flagText[setting]} is configured`,
      {
        why: `Neither ${flagText[setting]} nor ${variableOf(setting)} is given, and no context has it.`,
        next: 'Add a context: `airunner context add NAME --server URL --cacert FILE --client-cert FILE --client-key FILE`.',
      },
    )
  return sourced
}

/** A complete connection: the server, and files by absolute path. */
export interface Connection {
  server: ServerAddress
  cacert: string
  client_cert: string
  client_key: string
}

/** Makes a complete connection of what was found; throws a configuration error that names what is missing. */
export const completeConnection = (found: ConnectionSettings): Connection => ({
  server: readServer(required(found, 'server')),
  cacert: resolve(required(found, 'cacert').value),
  client_cert: resolve(required(found, 'client_cert').value),
  client_key: resolve(required(found, 'client_key').value),
})

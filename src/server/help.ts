import { type Option, options, switches, type Variable, variables } from './options.ts'

const allOptions = Object.values(options) as Option<unknown>[]
const allVariables = Object.values(variables) as Variable[]

const rows = (pairs: [string, string][]): string => {
  const width = Math.max(...pairs.map(([left]) => left.length))
  return pairs.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n')
}

const presetOf = ({ default: preset, developmentDefault }: Option<unknown>): string => {
  const development = developmentDefault === undefined ? '' : `; dev: ${developmentDefault}`
  return preset === undefined ? `required${development}` : `${preset}${development}`
}

/** What `rpc-server --help` prints. */
export const helpText = (): string => `usage: rpc-server [flags]
       rpc-server dev [flags]    everything on this machine: embedded store, keys, certificates

flags (environment: AIRUNNER_ and the flag in capitals; the flag wins):
${rows(allOptions.map((option) => [`--${option.flag} ${option.kind.placeholder}`, `${option.description} (${presetOf(option)})`]))}
${rows(Object.entries(switches).map(([name, description]) => [`--${name}`, description]))}

environment (PEM also from a file that <name>_FILE names):
${rows(allVariables.map(({ env, description }) => [env, description]))}
  and the standard AWS SDK variables: region, credentials, AWS_ENDPOINT_URL_DYNAMODB, _KMS, _SSM

exit codes: 0 clean stop, 1 failure at run time, 2 configuration
`

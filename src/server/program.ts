import { readFileSync } from 'node:fs'
import { systemClock } from '../core/time.ts'
import { readCommandLine } from './command-line.ts'
import { type Environment, readConfig } from './config.ts'
import { effectiveConfiguration } from './effective-configuration.ts'
import { readFirstSecrets } from './first-secrets.ts'
import { helpText } from './help.ts'
import { makeKmsKeys } from './kms-keys.ts'
import { type Problem, problemLine } from './problems.ts'
import { environmentSource } from './secret-texts.ts'
import { checkSecrets } from './secrets.ts'
import { parametersSource, parametersWanted } from './secrets-parameters.ts'
import { makeSecretsReader } from './secrets-reader.ts'
import { start } from './start.ts'

const report = (problems: Problem[]): 2 => {
  // Node writes to a pipe in its own time; one call keeps the lines together.
  process.stderr.write(problems.map((problem) => `${problemLine(problem)}\n`).join(''))
  return 2
}

const version = (): string => {
  const { version: text } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  return `rpc-server ${text} (node ${process.versions.node}, openssl ${process.versions.openssl})\n`
}

/** The program, behind the check of Node's version. @returns exit code: 0 clean stop, 1 run time, 2 configuration */
export const run = async (args: string[], env: Environment): Promise<number> => {
  // A reader of our output that goes away is no reason to stop.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
  const line = readCommandLine(args)
  if (line.switches.has('help')) {
    process.stdout.write(helpText())
    return 0
  }
  if (line.switches.has('version')) {
    process.stdout.write(version())
    return 0
  }
  if (line.command === 'dev') {
    const { runDevelopment } = await import('./dev.ts')
    return runDevelopment(line, env)
  }
  const { config, problems } = readConfig(line.flags, env, 'serve')
  const environment = environmentSource(env)
  const kms = makeKmsKeys({ keys: config.aws })
  const checking = line.switches.has('check-config')

  // 1. What can be told without asking AWS. What the Parameter Store holds as well must not be good in the environment.
  const elsewhere = config.aws.ssm_prefix === undefined ? [] : parametersWanted(env)
  const reading = await environment.read(checking ? [] : elsewhere)
  for (const secret of elsewhere) if (reading.texts[secret] === undefined) reading.unreadable.add(secret)
  const local = checkSecrets(reading, { hostname: config.hostname, now: systemClock(), kms })
  const all = [...line.problems, ...problems, ...local.problems]
  if (all.length > 0) return report(all)
  if (checking) {
    process.stdout.write(effectiveConfiguration(config, local.secrets))
    return 0
  }

  // 2. What AWS says. Keys that are out of reach are no reason not to start.
  const parameters = config.aws.ssm_prefix && parametersSource({ prefix: config.aws.ssm_prefix, wanted: elsewhere })
  const reader = makeSecretsReader({
    environment,
    parameters: parameters || undefined,
    kms,
    hostname: config.hostname,
    clock: systemClock,
  })
  const first = await readFirstSecrets(reader)
  if ('exitCode' in first) {
    report(first.problems)
    return first.exitCode
  }
  return start({ config, first: first.outcome, reader, kms }, args)
}

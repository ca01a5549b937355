import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import {
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'
import { GetParametersCommand, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
import type { Test } from 'tap'
import { openStore, type Store } from '../../src/store/client.ts'
import { controlKey, createTables, type Tables } from '../../src/store/schema.ts'
import { type AwsSpy, startAwsSpy } from './aws-spy.ts'
import { type CliAnswer, type CliOptions, runCli } from './cli.ts'
import { compileCache } from './compile-cache.ts'
import type { Ministack } from './ministack.ts'
import { storeCredentials } from './store.ts'

const main = resolve(import.meta.dirname, '../../src/cli/main.ts')

/** `airunner` as a process, while it runs and after. */
export interface Running {
  kill(signal: NodeJS.Signals): void
  /** What it has said on stderr so far. */
  stderr(): string
  ended: Promise<CliAnswer>
}

/** What Terraform leaves of one environment, in an AWS of this machine and an embedded store. */
export interface AwsDeployment {
  environment: string
  prefix: string
  tables: Tables
  store: Store
  /** Between the programs and AWS, and between them and the tables. */
  spies: { aws: AwsSpy; tables: AwsSpy }
  /** The administrator's home, where contexts go. */
  home: string
  /** In it. */
  outputDir: string
  env: Record<string, string>
  ssm: SSMClient
  secretsManager: SecretsManagerClient
  /** Starts `airunner bootstrap` with the flags of this environment, and more, as a process that can be killed. */
  start(more?: string[]): Running
  /** Any other command, in the same way. */
  spawn(argv: string[]): Running
  /** The same in this process, one at a time. */
  run(more?: string[], env?: Record<string, string>): Promise<CliAnswer>
  /** Any other command, in this process. */
  airunner(argv: string[], options?: CliOptions): Promise<CliAnswer>
  parameters(): Promise<Record<string, string>>
  secret(name: string, version?: string): Promise<string | undefined>
  /** Everything that bootstrap keeps anywhere, times and leases aside: equal when nothing has changed. */
  snapshot(): Promise<Record<string, unknown>>
  /** As when the time of a run that was killed is over. */
  forgetLease(): Promise<void>
}

/** Every process that was run and everything it has said: no key may be in it. */
export const heard: string[] = []

const parameterKinds = {
  'ca-cert': 'String',
  'issuer-cert': 'String',
  'server-cert': 'String',
  'server-key': 'SecureString',
} as const

/** The SDK reads the variables of this process, whatever a command is given: they are its own while one runs. */
const lendEnvironment = (env: Record<string, string | undefined>): (() => void) => {
  const before = process.env
  process.env = { ...env }
  return () => {
    process.env = before
  }
}

export const makeAwsDeployment = async (
  t: Pick<Test, 'teardown'>,
  aws: Ministack,
  storeEndpoint: string,
): Promise<AwsDeployment> => {
  const environment = `e${randomBytes(4).toString('hex')}`
  const prefix = `/airunner/${environment}`
  const home = await mkdtemp(join(tmpdir(), 'airunner-home-'))
  const secretsKey = `alias/airunner-${environment}-secrets`
  const options = { endpoint: aws.endpoint, region: aws.region, credentials: aws.credentials }
  const ssm = new SSMClient(options)
  const secretsManager = new SecretsManagerClient(options)
  for (const [name, Type] of Object.entries(parameterKinds))
    await ssm.send(
      new PutParameterCommand({
        Name: `${prefix}/${name}`,
        Value: 'placeholder',
        Type,
        ...(Type === 'SecureString' ? { KeyId: secretsKey } : {}),
      }),
    )
  for (const name of ['ca-key', 'issuer-key'])
    await secretsManager.send(new CreateSecretCommand({ Name: `${prefix}/${name}`, KmsKeyId: secretsKey }))
  const tables: Tables = {
    principals: `airunner_${environment}_principals`,
    certificates: `airunner_${environment}_certificates`,
    control: `airunner_${environment}_control`,
  }
  const store = openStore({ tables, endpoint: storeEndpoint, ...storeCredentials })
  await createTables(store.documents, tables)
  const spies = { aws: await startAwsSpy(aws.endpoint), tables: await startAwsSpy(storeEndpoint) }
  const env = {
    ...aws.env,
    AWS_ENDPOINT_URL: spies.aws.endpoint,
    AWS_ENDPOINT_URL_DYNAMODB: spies.tables.endpoint,
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    USER: 'ops',
  }
  t.teardown(async () => {
    await spies.aws.stop()
    await spies.tables.stop()
    store.close()
    ssm.destroy()
    secretsManager.destroy()
    await rm(home, { recursive: true, force: true })
  })

  const outputDir = join(home, 'certs')
  const airunner: AwsDeployment['airunner'] = async (argv, options = {}) => {
    const shown = { ...env, ...options.env }
    const restore = lendEnvironment(shown)
    const answer = await runCli(argv, { ...options, env: shown }).finally(restore)
    heard.push(argv.join(' '), answer.stdout, answer.stderr)
    return answer
  }
  const commandLine = (more: string[]) => [
    'bootstrap',
    ...['--environment', environment, '--aws-region', aws.region, '--hostname', 'localhost'],
    ...(more.includes('--output-dir') ? [] : ['--output-dir', outputDir]),
    ...more,
  ]
  const startProcess: AwsDeployment['spawn'] = (argv) => {
    const child = spawn(process.execPath, [main, ...argv], {
      env: { ...compileCache, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: home,
    })
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text
    })
    const ended = new Promise<CliAnswer>((done) =>
      child.once('close', (code) => {
        heard.push(child.spawnargs.join(' '), stdout, stderr)
        done({ code: code ?? -1, stdout, stderr })
      }),
    )
    return { kill: (signal) => void child.kill(signal), stderr: () => stderr, ended }
  }
  const parameters = async () => {
    const Names = Object.keys(parameterKinds).map((name) => `${prefix}/${name}`)
    const { Parameters = [] } = await ssm.send(new GetParametersCommand({ Names, WithDecryption: true }))
    return Object.fromEntries(Parameters.map(({ Name, Value }) => [String(Name).slice(prefix.length + 1), Value ?? '']))
  }

  return {
    environment,
    prefix,
    tables,
    store,
    spies,
    home,
    outputDir,
    env,
    ssm,
    secretsManager,
    airunner,
    start: (more = []) => startProcess(commandLine(more)),
    spawn: startProcess,
    run: (more = [], extra = {}) => airunner(commandLine(more), { env: extra }),
    parameters,
    secret: async (name, version) =>
      (
        await secretsManager
          .send(
            new GetSecretValueCommand({
              SecretId: `${prefix}/${name}`,
              ...(version === undefined ? {} : { VersionId: version }),
            }),
          )
          .catch(() => undefined)
      )?.SecretString,
    forgetLease: async () => {
      await store.update({
        TableName: tables.control,
        Key: controlKey.lease('bootstrap'),
        UpdateExpression: 'SET #until = :until',
        ExpressionAttributeNames: { '#until': 'until' },
        ExpressionAttributeValues: { ':until': 0 },
      })
    },
    snapshot: async () => {
      const Names = Object.keys(parameterKinds).map((name) => `${prefix}/${name}`)
      const { Parameters = [] } = await ssm.send(new GetParametersCommand({ Names, WithDecryption: true }))
      const secrets = await Promise.all(
        ['ca-key', 'issuer-key'].map(async (name) => {
          const { VersionIdsToStages } = await secretsManager.send(
            new DescribeSecretCommand({ SecretId: `${prefix}/${name}` }),
          )
          const texts = Object.keys(VersionIdsToStages ?? {}).map(async (version) => [
            version,
            (
              await secretsManager.send(
                new GetSecretValueCommand({ SecretId: `${prefix}/${name}`, VersionId: version }),
              )
            ).SecretString,
          ])
          return { name, VersionIdsToStages, texts: await Promise.all(texts) }
        }),
      )
      const rows = await Promise.all(
        Object.values(tables).map(async (table) => {
          const { ScanCommand } = await import('@aws-sdk/lib-dynamodb')
          const { Items = [] } = await store.documents.send(new ScanCommand({ TableName: table }))
          return Items.filter(({ pk }) => !String(pk).startsWith('LEASE#'))
            .map((item) => JSON.stringify(item, Object.keys(item).sort()))
            .sort()
        }),
      )
      return { parameters: Parameters, secrets, rows, files: filesIn(home) }
    },
  }
}

/** Every file below a folder, with its mode. */
export const filesIn = (directory: string): Record<string, { mode: string; text: string }> =>
  Object.fromEntries(
    readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => {
        const path = join(entry.parentPath, entry.name)
        const { mode } = statSync(path)
        return [
          path.slice(directory.length + 1),
          { mode: (mode & 0o777).toString(8), text: readFileSync(path, 'utf8') },
        ]
      })
      .sort(),
  )

import { ScanCommand } from '@aws-sdk/lib-dynamodb'
import type { Test } from 'tap'
import { startEmbeddedStore } from '../../src/store/embedded.ts'
import { type AwsDeployment, heard, makeAwsDeployment } from './aws-deployment.ts'
import { type OnCall, passOn } from './aws-spy.ts'
import { type Ministack, startMinistack } from './ministack.ts'
import { startProgram } from './program.ts'

/** The second line of each private key's base64: the first is the same in all. */
const bodiesOf = (text: string): string[] =>
  [...text.matchAll(/-----BEGIN (?:EC )?PRIVATE KEY-----\n([\s\S]+?)\n-----END/g)].map(
    ([, body = '']) => body.split('\n')[1] ?? '',
  )

/** An AWS and a store of this machine, for many deployments. */
export interface AwsWorld {
  aws: Ministack
  newDeployment(t: Pick<Test, 'teardown'>): Promise<AwsDeployment>
  /** Every operation that was called in any of them. */
  callsSoFar(): string[]
  /** Notes every key that a deployment has, for the search at the end. */
  noteKeys(deployment: AwsDeployment): Promise<void>
  /** That no key that was noted stands in anything a program has said. */
  noKeyWasSaid(t: Test, leastKeys: number): void
  /** What `airunner whoami` says through a server that is started with just what was uploaded. */
  whoamiOf(t: Test, deployment: AwsDeployment): Promise<string>
}

export const startAwsWorld = async (t: Pick<Test, 'teardown'>): Promise<AwsWorld> => {
  const [aws, engine] = await Promise.all([startMinistack(), startEmbeddedStore()])
  t.teardown(async () => {
    await aws.stop()
    await engine.stop()
  })
  const keys = new Set<string>()
  const deployments: AwsDeployment[] = []
  return {
    aws,
    newDeployment: async (each) => {
      const made = await makeAwsDeployment(each, aws, engine.endpoint)
      deployments.push(made)
      return made
    },
    callsSoFar: () => deployments.flatMap(({ spies }) => [...spies.aws.calls, ...spies.tables.calls]),
    noteKeys: async (deployment) => {
      const everything = JSON.stringify(await deployment.snapshot())
      for (const body of bodiesOf(everything.replaceAll('\\n', '\n'))) keys.add(body)
    },
    noKeyWasSaid: (each, leastKeys) => {
      each.ok(keys.size >= leastKeys, `${keys.size} keys`)
      const said = `${heard.join('\n')}${aws.output()}`
      each.ok(said.length > 5000, `${said.length} characters were said`)
      each.notOk([...keys].some((key) => said.includes(key)))
      each.notOk(said.includes('PRIVATE KEY-----'))
    },
    whoamiOf: async (each, deployment) => {
      const read = await deployment.parameters()
      const issuerKey = await deployment.secret('issuer-key')
      const free = '127.0.0.1:0'
      const server = startProgram(
        ['--mtls-listen', free, '--health-listen', free, '--hostname', 'localhost', '--drain-delay', '0'],
        {
          ...aws.env,
          AWS_ENDPOINT_URL_DYNAMODB: engine.endpoint,
          AIRUNNER_PRINCIPAL_TABLE: deployment.tables.principals,
          AIRUNNER_CERT_TABLE: deployment.tables.certificates,
          AIRUNNER_CONTROL_TABLE: deployment.tables.control,
          AIRUNNER_CA_CERT: read['ca-cert'] ?? '',
          AIRUNNER_SERVER_CERT: read['server-cert'] ?? '',
          AIRUNNER_SERVER_KEY: read['server-key'] ?? '',
          AIRUNNER_ISSUER_CERT: read['issuer-cert'] ?? '',
          ...(issuerKey === undefined ? {} : { AIRUNNER_ISSUER_KEY: issuerKey }),
        },
      )
      try {
        const { mtls_listen: address } = await server.event('server_ready')
        const url = `https://localhost:${String(address).split(':').at(-1)}`
        const answer = await deployment.airunner(['whoami', '--server', url, '-o', 'name'])
        each.equal(answer.code, 0, answer.stderr)
        return answer.stdout.trim()
      } finally {
        server.child.kill('SIGINT')
        await server.ended
      }
    },
  }
}

/** All rows of one of its tables. */
export const rows = async ({ store, tables }: AwsDeployment, table: keyof AwsDeployment['tables']) =>
  (await store.documents.send(new ScanCommand({ TableName: tables[table] }))).Items ?? []

const isWrite = (operation: string) => /:(Put|Update|Transact|Create|Delete)/.test(operation)

/** Does `act` at each call that writes, with its number among them. */
export const onWrites = (
  { spies }: AwsDeployment,
  act: (count: number, ...call: Parameters<OnCall>) => ReturnType<OnCall>,
): void => {
  let count = 0
  const onCall: OnCall = (operation, forward) =>
    isWrite(operation) ? act(++count, operation, forward) : passOn(operation, forward)
  spies.aws.onCall = onCall
  spies.tables.onCall = onCall
}

export const undisturbed = ({ spies }: AwsDeployment): void => {
  spies.aws.onCall = passOn
  spies.tables.onCall = passOn
}

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import {
  CreateClusterCommand,
  CreateServiceCommand,
  DescribeServicesCommand,
  DescribeTaskDefinitionCommand,
  ECSClient,
  RegisterTaskDefinitionCommand,
  type RegisterTaskDefinitionCommandInput,
} from '@aws-sdk/client-ecs'
import t, { type Test } from 'tap'
import { startMinistack } from '../support/ministack.ts'
import { missingTools } from '../support/tools.ts'

const root = resolve(import.meta.dirname, '../..')
const tools = join(root, '.tools/bin')
const digest = (letter: string) => `sha256:${letter.repeat(64)}`
const image = (letter: string) => `123456789012.dkr.ecr.us-east-1.amazonaws.com/airunner@${digest(letter)}`

const definition = (env: string): RegisterTaskDefinitionCommandInput => ({
  family: 'airunner-dev',
  networkMode: 'awsvpc',
  requiresCompatibilities: ['FARGATE'],
  cpu: '256',
  memory: '512',
  containerDefinitions: [
    {
      name: 'rpc-server',
      image: image('0'),
      essential: true,
      command: ['rpc-server', '--hostname', 'airunner-dev.example.com'],
      user: '65532:65532',
      readonlyRootFilesystem: true,
      environment: [{ name: 'AIRUNNER_CERT_TABLE', value: env }],
      secrets: [
        { name: 'AIRUNNER_CA_CERT', valueFrom: 'arn:aws:ssm:us-east-1:123456789012:parameter/airunner/dev/ca-cert' },
      ],
    },
  ],
})

/** An account with a service in it, and the scripts of the pipeline. */
const startAccount = async (t: Test) => {
  const ministack = await startMinistack()
  t.teardown(() => ministack.stop())
  const folder = t.testdir({ bin: {}, output: '' })
  const run = async (command: string, args: string[], more: Record<string, string> = {}) => {
    const child = spawn(command, args, {
      cwd: root,
      env: {
        PATH: `${join(folder, 'bin')}:${tools}:${process.env['PATH']}`,
        HOME: folder,
        ...ministack.env,
        ECS_CLUSTER: 'airunner-dev',
        ECS_SERVICE: 'rpc-server',
        POLL_SECONDS: '1',
        DEADLINE_SECONDS: '40',
        GITHUB_OUTPUT: join(folder, 'output'),
        ...more,
      },
    })
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text
    })
    const [code] = await once(child, 'close')
    return { code, stdout, stderr }
  }
  const ecs = new ECSClient({
    endpoint: ministack.endpoint,
    region: ministack.region,
    credentials: ministack.credentials,
  })
  t.teardown(() => ecs.destroy())
  const register = async (env: string): Promise<string> => {
    const { taskDefinition } = await ecs.send(new RegisterTaskDefinitionCommand(definition(env)))
    return taskDefinition?.taskDefinitionArn ?? ''
  }
  await ecs.send(new CreateClusterCommand({ clusterName: 'airunner-dev' }))
  const first = await register('first')
  await ecs.send(
    new CreateServiceCommand({
      cluster: 'airunner-dev',
      serviceName: 'rpc-server',
      taskDefinition: first,
      desiredCount: 1,
      launchType: 'FARGATE',
      networkConfiguration: { awsvpcConfiguration: { subnets: ['subnet-1'] } },
    }),
  )
  return {
    first,
    register,
    run,
    script: (name: string, args: string[], more?: Record<string, string>) =>
      run(join(root, '.github/scripts', name), args, more),
    /** ARN that the service runs. */
    running: async (): Promise<string> => {
      const { services } = await ecs.send(
        new DescribeServicesCommand({ cluster: 'airunner-dev', services: ['rpc-server'] }),
      )
      return services?.[0]?.taskDefinition ?? ''
    },
    container: async (arn: string) => {
      const { taskDefinition } = await ecs.send(new DescribeTaskDefinitionCommand({ taskDefinition: arn }))
      return taskDefinition?.containerDefinitions?.[0]
    },
    outputs: () => readFileSync(join(folder, 'output'), 'utf8'),
    /** A program of this name that the scripts find first. */
    shadow: (name: string, text: string) => {
      writeFileSync(join(folder, 'bin', name), text)
      chmodSync(join(folder, 'bin', name), 0o755)
    },
  }
}

const skip = missingTools('ministack', 'aws')

t.test('an image comes into service, and leaves it when it has to', { skip }, async (t) => {
  const account = await startAccount(t)

  t.equal((await account.script('deploy-service.sh', ['airunner:latest'])).code, 2, 'no image but by digest')
  t.not((await account.script('deploy-service.sh', [image('a')], { ECS_SERVICE: 'another' })).code, 0)
  t.not((await account.script('deploy-service.sh', [image('a')], { ECS_CONTAINER: 'another' })).code, 0)
  t.equal(await account.running(), account.first, 'nothing has changed')

  const deployed = await account.script('deploy-service.sh', [image('a')])
  t.equal(deployed.code, 0, deployed.stdout + deployed.stderr)
  const next = await account.running()
  t.not(next, account.first)
  t.match(account.outputs(), `former=${account.first}\n`, 'what to go back to is known')
  t.match(account.outputs(), 'started=1\n')
  const [before, after] = [await account.container(account.first), await account.container(next)]
  t.same(after, { ...before, image: image('a') }, 'only the image is another')

  const back = await account.script('roll-back-service.sh', [account.first])
  t.equal(back.code, 0, back.stdout + back.stderr)
  t.equal(await account.running(), account.first)

  const applied = await account.register('second')
  t.equal((await account.script('deploy-service.sh', [image('b')])).code, 0)
  const latest = await account.container(await account.running())
  t.match(
    latest,
    { image: image('b'), environment: (await account.container(applied))?.environment },
    'an apply in between counts',
  )

  // As when the circuit breaker goes back: what runs in the end is what ran before, and the service is stable.
  account.shadow(
    'aws',
    `#!/bin/sh\ncase "$*" in *update-service*) exec '${join(tools, 'aws')}' ecs update-service --cluster airunner-dev --service rpc-server --task-definition '${account.first}' --force-new-deployment;; esac\nexec '${join(tools, 'aws')}' "$@"\n`,
  )
  const broken = await account.script('deploy-service.sh', [image('a')])
  t.match(broken, { code: 1, stderr: /does not run/ }, broken.stdout)
  t.match(account.outputs(), /former=[^\n]*\n$/, 'what to go back to is known, and nothing has started')
})

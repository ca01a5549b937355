import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { startService } from '../../src/cli/bootstrap/ecs-service.ts'

interface Deployment {
  id: string
  status: string
  rolloutState: string
  runningCount: number
}

/** As ECS does it: only `forceNewDeployment` begins a deployment, which has ended as `next` says by the next look. */
const ecs = {
  desiredCount: 0,
  deployments: [] as Deployment[],
  next: 'COMPLETED',
  updates: [] as Record<string, unknown>[],
}
const stay = (rolloutState: string, desiredCount: number) => {
  ecs.desiredCount = desiredCount
  ecs.deployments = [{ id: 'old', status: 'PRIMARY', rolloutState, runningCount: desiredCount }]
  ecs.updates = []
}
const answers: Record<string, (body: Record<string, unknown>) => object> = {
  DescribeServices: () => {
    const [first] = ecs.deployments
    if (first?.rolloutState === 'IN_PROGRESS' && ecs.next === 'ROLLED_BACK')
      ecs.deployments = [
        { ...first, id: 'rollback', rolloutState: 'COMPLETED' },
        { ...first, status: 'ACTIVE', runningCount: 0 },
      ]
    else if (first?.rolloutState === 'IN_PROGRESS') first.rolloutState = ecs.next
    return { services: [service()] }
  },
  UpdateService: (body) => {
    ecs.updates.push(body)
    ecs.desiredCount = Number(body['desiredCount'] ?? ecs.desiredCount)
    if (body['forceNewDeployment'] === true)
      ecs.deployments = [
        { id: randomUUID(), status: 'PRIMARY', rolloutState: 'IN_PROGRESS', runningCount: ecs.desiredCount },
        ...ecs.deployments.map((each) => ({ ...each, status: 'INACTIVE', runningCount: 0 })),
      ]
    return { service: service() }
  },
  ListTasks: () => ({ taskArns: [] }),
}
// Its tasks run between two crashes: that there are as many as were wanted says nothing.
const service = () => ({
  status: 'ACTIVE',
  desiredCount: ecs.desiredCount,
  runningCount: ecs.desiredCount,
  deployments: ecs.deployments.map((each) => ({ ...each })),
})

const server = createServer(async (request, response) => {
  let text = ''
  for await (const part of request) text += part
  const operation = String(request.headers['x-amz-target']).split('.')[1] ?? ''
  response.setHeader('content-type', 'application/x-amz-json-1.1')
  response.end(JSON.stringify(answers[operation]?.(JSON.parse(text)) ?? {}))
})
await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
t.teardown(() => {
  server.closeAllConnections()
  server.close()
})
const before = { ...process.env }
t.teardown(() => {
  process.env = before
})
Object.assign(process.env, {
  AWS_ENDPOINT_URL_ECS: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
})
const start = (timeout = 20_000) =>
  startService({
    cluster: 'c',
    service: 's',
    region: 'us-east-1',
    desiredCount: 2,
    timeout,
    signal: new AbortController().signal,
    note: async () => undefined,
  })

t.test('a stopped service is started by a deployment of its own, and that one is waited for', async (t) => {
  stay('COMPLETED', 0)
  ecs.next = 'COMPLETED'
  t.same(await start(), { changed: true, running: 2 })
  t.match(ecs.updates, [{ desiredCount: 2, forceNewDeployment: true }])
  t.same(await start(), { changed: false, running: 2 }, 'and a run after it changes nothing')
  t.equal(ecs.updates.length, 1)
})

t.test('tasks that run but do not stay are no healthy service', async (t) => {
  for (const next of ['FAILED', 'ROLLED_BACK']) {
    stay('COMPLETED', 0)
    ecs.next = next
    await t.rejects(start(), { message: 'the deployment of s has failed' }, next)
  }
  stay('COMPLETED', 0)
  ecs.next = 'IN_PROGRESS'
  await t.rejects(start(100), { message: /s is not healthy yet: 2 of 2 tasks running, deployment in progress/ })
})

t.test('a deployment that has failed gets one more try by each run', async (t) => {
  stay('FAILED', 2)
  ecs.next = 'FAILED'
  await t.rejects(start(), { message: 'the deployment of s has failed' })
  t.strictSame(
    ecs.updates.map(({ desiredCount, forceNewDeployment }) => [desiredCount, forceNewDeployment]),
    [[undefined, true]],
  )
  ecs.next = 'COMPLETED'
  t.same(await start(), { changed: true, running: 2 })
})

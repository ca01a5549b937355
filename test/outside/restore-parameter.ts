import { GetParametersCommand, SSMClient } from '@aws-sdk/client-ssm'
import t from 'tap'
import { readRemembered } from '../../src/core/store-epoch.ts'
import { controlKey } from '../../src/store/schema.ts'
import { runCli } from '../support/cli.ts'
import { patiently } from '../support/client.ts'
import { startMinistack } from '../support/ministack.ts'
import { layGround } from '../support/processes.ts'
import { missingTools } from '../support/tools.ts'

const name = '/airunner/test/store-epoch'

t.test('the Parameter Store remembers the tables', { skip: missingTools('ministack') }, async (t) => {
  const aws = await startMinistack()
  t.teardown(aws.stop)
  const ground = await layGround()
  t.teardown(ground.end)
  const ssm = new SSMClient({ endpoint: aws.endpoint, region: aws.region, credentials: aws.credentials })
  t.teardown(() => ssm.destroy())
  const remembered = async () => {
    const { Parameters = [] } = await ssm.send(new GetParametersCommand({ Names: [name] }))
    t.match(Parameters, [{ Type: 'String' }])
    return readRemembered(Parameters[0]?.Value ?? '')
  }
  const env = { AWS_ENDPOINT_URL_SSM: aws.endpoint, AIRUNNER_STORE_EPOCH_PARAMETER: name }

  // Two servers at once on tables that nobody has marked.
  const servers = await Promise.all([ground.start([], env), ground.start([], env)])
  const whoami = (mtls: string) => patiently(() => ground.clientOf(ground.admin, mtls).get('/v1/whoami'))
  for (const { mtls } of servers) t.equal((await whoami(mtls)).status, 200, 'let in once both agree')
  const row = { TableName: ground.store.tables.control, Key: controlKey.storeEpoch() }
  const copy = await ground.store.store.get(row)
  t.equal((await remembered())?.epoch, copy?.['epoch'])
  const admin = ground.clientOf(ground.admin, servers[0].mtls)
  await patiently(() => admin.post('/v1/principals', { principal_id: 'worker-1', type: 'worker' }))
  const suspended = await patiently(() => admin.post('/v1/principals/worker-1/suspend', { reason: 'a look' }))
  t.equal(suspended.status, 200)
  // The answer does not wait for it; it takes 2 s at the most.
  let moved = false
  for (let tries = 0; tries < 600 && !moved; tries++) {
    moved = ((await remembered())?.number ?? 0) > Number(copy?.['number'])
    if (!moved) await new Promise((wait) => setTimeout(wait, 100))
  }
  t.ok(moved)
  for (const server of servers) t.equal(await server.end('SIGINT'), 0)

  await ground.store.store.put({ TableName: row.TableName, Item: copy ?? {} })
  const server = await ground.start([], env)
  await server.program.event('admission_held', ({ why }) => why === 'tables_older')
  const held = ground.clientOf(ground.admin, server.mtls)
  t.match(await held.get('/v1/whoami'), { status: 503, body: { code: 'store_unavailable' } })

  const shown: Record<string, string> = {
    ...env,
    ...aws.env,
    AWS_ENDPOINT_URL_DYNAMODB: ground.store.engine.endpoint,
    AIRUNNER_PRINCIPAL_TABLE: ground.store.tables.principals,
    AIRUNNER_CERT_TABLE: ground.store.tables.certificates,
    AIRUNNER_CONTROL_TABLE: ground.store.tables.control,
  }
  const before = { ...process.env }
  Object.assign(process.env, shown)
  const answer = await runCli(['restore', 'accept', '--reason', 'a drill', '-y'], { env: shown })
  process.env = before
  t.equal(answer.code, 0, answer.stderr)
  let status = 0
  for (let tries = 0; tries < 600 && status !== 200; tries++) {
    status = (await held.get('/v1/whoami')).status
    if (status !== 200) await new Promise((wait) => setTimeout(wait, 100))
  }
  t.equal(status, 200)
  await server.end('SIGINT')
})

/**
 * The task role of infra/modules/service against the program: nothing that the program does not do is allowed, and
 * nothing that it does is forgotten. Once by reading the sources, once by what goes over the wire.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { checkpointKey } from '../../src/server/audit-watch.ts'
import { truststoreKey } from '../../src/server/truststore.ts'
import { controlKey } from '../../src/store/schema.ts'
import { openAgentStream } from '../support/agent-stream.ts'
import { identityOf, makeClient, makeRequest } from '../support/client.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { grantsOfCall } from '../support/grants.ts'
import { makeTokenIssuer } from '../support/joining.ts'
import { startPlane } from '../support/plane.ts'
import { commandsIn, filesOf, sourceOf, transactionItemsIn } from '../support/source-calls.ts'
import { readTaskDenials, readTaskRole } from '../support/task-role.ts'

const grants = readTaskRole()
const granted = [...new Set(grants.flatMap(({ actions }) => actions))].sort()

/** Which action of IAM a command of the SDK, or an operation of ours, needs. Transactions need those of their items. */
const actionsOf: Record<string, string[]> = {
  Get: ['dynamodb:GetItem'],
  GetItem: ['dynamodb:GetItem'],
  BatchGet: ['dynamodb:BatchGetItem'],
  BatchGetItem: ['dynamodb:BatchGetItem'],
  Query: ['dynamodb:Query'],
  Put: ['dynamodb:PutItem'],
  PutItem: ['dynamodb:PutItem'],
  Update: ['dynamodb:UpdateItem'],
  UpdateItem: ['dynamodb:UpdateItem'],
  TransactWrite: [],
  TransactWriteItems: [],
  GetPublicKey: ['kms:GetPublicKey'],
  Sign: ['kms:Sign'],
  GetParameters: ['ssm:GetParameters'],
  PutParameter: ['ssm:PutParameter'],
  DescribeTable: ['dynamodb:DescribeTable'],
  GetObject: ['s3:GetObject'],
  PutObject: ['s3:PutObject'],
}

/** Code that is in the server's files and never runs in a deployment; the wire below shows it. */
const neverInATask = new Map([
  [
    'src/store/schema.ts',
    { commands: ['CreateTable', 'DescribeTable', 'UpdateTimeToLive'], why: 'development mode and bootstrap --local' },
  ],
  ['src/store/every-page.ts', { commands: ['Scan'], why: 'airunner restore confirm, with the rights of who runs it' }],
])

/** Actions that AWS asks for in the caller's name though the program calls nothing by that name. */
const impliedBy: [action: string, condition: RegExp, why: string][] = [
  ['kms:Decrypt', /dynamodb\.\$\{local\.region\}/, 'DynamoDB opens the tables’ key in the name of the caller'],
  ['kms:Decrypt', /ssm\.\$\{local\.region\}/, 'GetParameters decrypts server-key in the name of the caller'],
]
/** What a member of a command needs beside the command's own action. */
const neededByMember: [action: string, file: string, member: RegExp][] = [
  ['s3:PutObjectRetention', 'src/server/s3-object-store.ts', /\bObjectLockRetainUntilDate:/],
]

// The development mode is a program of its own, with a store of its own.
const files = filesOf('src/server/main.ts', ['src/server/dev.ts'])

t.test('every action of the task role is used by the code, and every call of the code is allowed', (t) => {
  const needed = new Set<string>()
  for (const file of files)
    for (const command of commandsIn(file)) {
      if (neverInATask.get(file)?.commands.includes(command)) continue
      const actions = actionsOf[command]
      if (actions === undefined) t.fail(`${file} sends ${command}Command: say here which action of IAM that needs`)
      for (const action of actions ?? []) needed.add(action)
    }
  for (const file of files.filter((file) => file.startsWith('src/store/')))
    for (const kind of transactionItemsIn(file)) needed.add(`dynamodb:${kind}Item`)
  for (const [action, file, member] of neededByMember)
    if (files.includes(file) && member.test(sourceOf(file))) needed.add(action)
  const implied = new Set(impliedBy.map(([action]) => action))
  t.strictSame(granted, [...new Set([...needed, ...implied])].sort())
  t.end()
})

t.test('what is left out of the comparison is there, and for its reason', (t) => {
  for (const [file, { commands }] of neverInATask)
    t.strictSame(
      commandsIn(file)
        .filter((command) => commands.includes(command))
        .sort(),
      [...commands].sort(),
      file,
    )
  const decrypting = grants.filter(({ actions }) => actions.includes('kms:Decrypt'))
  t.equal(decrypting.length, impliedBy.length)
  for (const [action, condition, why] of impliedBy)
    t.equal(decrypting.filter((grant) => condition.test(grant.condition ?? '')).length, 1, `${action}: ${why}`)
  t.end()
})

t.test('no statement has a wildcard, and signing is for one algorithm', (t) => {
  for (const { sid, actions, resources } of grants) {
    t.notOk(
      actions.some((action) => action.includes('*')),
      sid,
    )
    t.notOk(
      resources.some((resource) => resource.includes('*')),
      sid,
    )
  }
  const signing = grants.filter(({ actions }) => actions.includes('kms:Sign'))
  t.match(
    signing,
    ['var.audit_key_arn', 'var.issuer_key_arns'].map((resource) => ({
      resources: [resource],
      condition: /"kms:SigningAlgorithm" = "ECDSA_SHA_256"/,
    })),
  )
  t.end()
})

t.test('a bucket is touched at the names that the program uses', (t) => {
  const touched = Object.fromEntries(
    grants
      .filter(({ actions }) => actions.some((action) => action.startsWith('s3:')))
      .map(({ sid, actions, resources }) => [sid, { actions, resources }]),
  )
  t.strictSame(touched, {
    Truststore: {
      actions: ['s3:GetObject', 's3:PutObject'],
      resources: [`\${var.truststore_bucket.arn}/${truststoreKey}`],
    },
    AuditCheckpoints: {
      actions: ['s3:PutObject', 's3:PutObjectRetention'],
      resources: [`\${var.audit_bucket.arn}/${checkpointKey}`],
    },
  })
  t.end()
})

t.test('no task writes the record that bootstrap believes, nor its lease', (t) => {
  const [denied, ...more] = readTaskDenials()
  t.strictSame(more, [])
  const partitions = denied?.condition?.match(
    /"ForAnyValue:StringEquals" = \{ "dynamodb:LeadingKeys" = \[([^\]]*)\]/,
  )?.[1]
  t.strictSame(
    JSON.parse(`[${partitions}]`),
    [controlKey.bootstrap(), controlKey.lease('bootstrap')].map(({ pk }) => pk),
  )
  const writes = grants
    .filter(({ resources }) => resources.includes('var.tables.control.arn'))
    .flatMap(({ actions }) => actions.filter((action) => /:(Put|Update|Delete)/.test(action)))
  t.strictSame([...(denied?.actions ?? [])].sort(), writes.sort())
  t.end()
})

t.test('what goes over the wire is what the role allows, table by table and index by index', async (t) => {
  const plane = await startPlane(t)
  const proxy = await startFaultProxy(plane.store.engine.endpoint)
  t.teardown(proxy.stop)
  const seen = new Set<string>()
  proxy.onCall = (operation, body) => {
    for (const grant of grantsOfCall(operation, body, plane.store.tables)) seen.add(grant)
  }
  await plane.server.stop()
  const folder = mkdtempSync(join(tmpdir(), 'grants-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const env = { AIRUNNER_STORE_EPOCH_FILE: join(folder, 'store-epoch') }
  const server = await plane.startServer({ endpoint: proxy.endpoint, env })
  const admin = plane.clientOf(plane.admin.identity, server)
  const done = async (method: string, path: string, body?: unknown, headers?: Record<string, string>) => {
    const answer = await admin.call(method, path, body, headers === undefined ? {} : { headers })
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${JSON.stringify(answer.body)}`)
    return answer.body
  }
  const joinClient = makeClient(server.enroll, plane.authority.root_pem)
  t.teardown(joinClient.close)

  // A machine joins, renews, runs an agent, and is thrown out.
  const token = await done('POST', '/v1/join-tokens', { principal_type: 'worker', max_uses: 2 })
  const machine = async () => {
    const { key, csr_pem } = await makeRequest()
    const { body } = await joinClient.post('/v1/enrollments', {
      method: 'token',
      join_token: token.join_token,
      csr_pem,
    })
    return { id: body.principal.principal_id, issued: body, key, client: plane.clientOf(identityOf(body, key), server) }
  }
  const first = await machine()
  await first.client.get('/v1/whoami')
  const next = await makeRequest()
  const renewed = (await first.client.post('/v1/renewals', { csr_pem: next.csr_pem })).body
  const successor = plane.clientOf(identityOf(renewed, next.key), server)
  t.equal((await successor.get('/v1/whoami')).status, 200)
  const stream = await openAgentStream(successor)
  const command = await done('POST', `/v1/agents/${first.id}/commands`, { command: 'reload_trust' })
  await stream.event('command')
  await successor.post(`/v1/agent/commands/${command.command_id}/result`, { state: 'succeeded' })
  await done('GET', `/v1/agents/${first.id}`)
  await done('GET', '/v1/agents')
  stream.kill()
  await done('POST', `/v1/certificates/${renewed.certificate.serial_number}/revoke`, { reason: 'key_compromise' })
  const second = await machine()
  const mass = await done('POST', '/v1/revocations', { principal_id: second.id, reason: 'unspecified' })
  for (let tries = 0; (await done('GET', `/v1/revocations/${mass.revocation_id}`)).state !== 'completed'; tries++) {
    if (tries > 600) throw new Error('the mass revocation does not end')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  // An operator looks and tidies up.
  await done('POST', `/v1/principals/${second.id}/suspend`, { reason: 'test' })
  await done('GET', '/v1/principals?status=suspended')
  await done('GET', '/v1/principals?type=worker')
  await done('GET', `/v1/certificates?principal_id=${second.id}`)
  await done('GET', '/v1/certificates')
  await done('GET', '/v1/join-tokens')
  await done('GET', '/v1/audit-events')
  const issuer = makeTokenIssuer()
  const rule = await done('POST', '/v1/join-rules', {
    method: 'oidc',
    principal_type: 'service',
    principal_id_template: 'run-{run_id}',
    oidc: {
      issuer: issuer.issuer,
      audiences: ['airunner'],
      jwks: issuer.jwks,
      claims: { repository_id: { equals: '7' } },
    },
  })
  const { csr_pem } = await makeRequest()
  const id_token = issuer.idToken({ sub: 'x', repository_id: '7', run_id: '1' })
  t.equal((await joinClient.post('/v1/enrollments', { method: 'oidc', id_token, csr_pem })).status, 201)
  await done('DELETE', `/v1/join-rules/${rule.join_rule_id}`)
  await done('POST', '/v1/principals', { principal_id: 'once', type: 'worker' }, { 'idempotency-key': 'k-1' })

  const allowed = grants
    .filter(({ actions }) => actions.every((action) => action.startsWith('dynamodb:')))
    .flatMap(({ actions, resources }) =>
      resources.flatMap((resource) => {
        const [, table, index] = resource.match(/var\.tables\.(\w+)\.arn\}?(?:\/index\/(\w+))?$/) ?? []
        return actions.map((action) => `${action} ${table}${index === undefined ? '' : `/${index}`}`)
      }),
    )
  t.strictSame([...seen].sort(), allowed.sort())
})

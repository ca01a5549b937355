/**
 * infra/ applied for real, to an emulator of AWS that decides by IAM, and the program run in what was applied: one
 * deployment from `apply` to `destroy`. What the emulator cannot show stands in docs/verifying.md.
 */
import { createPublicKey } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import { isSignedBy } from '../../src/core/audit-chain.ts'
import { readAdminPolicy } from '../support/deployed/admin-policy.ts'
import { breakages, type Place } from '../support/deployed/broken.ts'
import { explained, unexplained } from '../support/deployed/drift.ts'
import { type Session, sessionOf } from '../support/deployed/roles.ts'
import { makeAws, ours, run, say, start } from '../support/deployed/run.ts'
import { onFreePorts, readTask, resolveSecrets } from '../support/deployed/task.ts'
import { copyInfra, noTerraform } from '../support/deployed/terraform.ts'
import { startEmulator } from '../support/emulator/start.ts'
import { actionsOfCall } from '../support/grants.ts'
import { readTaskRole } from '../support/task-role.ts'
import { missingTools } from '../support/tools.ts'

const minute = 60_000
const verifyScript = resolve(import.meta.dirname, '../../infra/scripts/verify.sh')

const scratch = t.testdir()
const missing = missingTools('ministack', 'aws') || (await noTerraform())
if (missing !== undefined) {
  console.error(`SKIPPED: the whole proof of the deployment: ${missing}`)
  t.plan(0, missing)
  process.exit()
}

say('starting the emulator')
const emulator = await startEmulator()
t.teardown(emulator.stop)
const aws = makeAws(emulator.env)
const environment = 'prod'
const domain = 'example.com'
const prefix = `airunner-${environment}`
const hostname = `${prefix}.${domain}`
const adminRole = `arn:aws:iam::${emulator.account}:role/airunner-admin`
const place: Place = {
  aws,
  account: emulator.account,
  region: emulator.region,
  prefix,
  parameters: `/airunner/${environment}`,
  tables: {
    principals: `airunner_${environment}_principals`,
    certificates: `airunner_${environment}_certificates`,
    control: `airunner_${environment}_control`,
  },
}

/** The step that failed: those after it stand on it, and say so instead of failing in their own words. */
let broken: string | undefined
const step = (name: string, body: (t: Test) => Promise<void>): Promise<unknown> =>
  t.test(name, async (t) => {
    if (broken !== undefined) return void t.pass(name, { skip: `for this failed before: ${broken}` })
    say(name)
    try {
      await body(t)
    } catch (error) {
      broken = name
      throw error
    }
    if (!t.passing()) broken ??= name
  })

// What is locked in mode COMPLIANCE could not be taken down at the end.
const others = ['autoscaling_enabled=false', 'audit_lock_mode=GOVERNANCE']
const variables = [
  '-var-file=prod.tfvars',
  `-var-file=setup-${environment}.tfvars`,
  ...others.map((each) => `-var=${each}`),
]
/** What an operator answers; the emulator has no autoscaling. */
const answers = [
  ...['--environment', environment, '--domain', domain, '--region', emulator.region, '--admin-role-arn', adminRole],
  ...['--alarm-email', 'oncall@example.com', ...others.flatMap((each) => ['--var', each]), '--yes'],
]
const bucket = `airunner-terraform-state-${emulator.account}`
const { setup, terraform, printed } = copyInfra(scratch, environment, emulator.env)

await step(
  'the production example is applied to an account with nothing in it but the administrator’s role',
  async (t) => {
    const allow = (statement: object) =>
      JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', ...statement }] })
    await aws(
      ...['iam', 'create-role', '--role-name', 'airunner-admin', '--assume-role-policy-document'],
      allow({ Principal: { AWS: `arn:aws:iam::${emulator.account}:root` }, Action: 'sts:AssumeRole' }),
    )
    await aws(
      ...['iam', 'put-role-policy', '--role-name', 'airunner-admin', '--policy-name', 'admin', '--policy-document'],
      allow({ Action: '*', Resource: '*' }),
    )
    // infra/bootstrap makes the bucket, with waits of a minute: test/deploy/state.ts has that.
    await aws('s3api', 'create-bucket', '--bucket', bucket)
    const { code, stdout, stderr } = await setup([...answers, '--no-bootstrap'], 6 * minute)
    t.equal(code, 0, `${stdout.slice(-3000)}${stderr}`)
    t.ok(emulator.completed.ipv6() > 0, 'the emulator still has no IPv6 of its own')
  },
)

await step('a second plan is empty but for what the emulator forgets', async (t) => {
  await terraform(['plan', '-out=second.tfplan', ...variables], 2 * minute)
  const plan = JSON.parse(await terraform(['show', '-json', 'second.tfplan'], minute))
  const seen = new Set<string>()
  t.strictSame(unexplained(plan, seen), [])
  t.strictSame(
    [...seen].sort(),
    explained().sort(),
    'every explained difference is still there: take out those that are not',
  )
})

const cli = (args: string[], env: Record<string, string>, timeoutMs = minute) => {
  const [node, main] = ours('cli')
  const name = resolve(import.meta.dirname, '../support/deployed/name.ts')
  return run(
    node,
    ['--import', name, main, ...args],
    { HOME: scratch, AIRUNNER_TEST_NAME: hostname, ...env },
    timeoutMs,
  )
}
const certificates = join(scratch, 'certificates')
/** Bodies of private keys, as they would be read anywhere: the longest line of each PEM. */
const secrets = new Map<string, string>()
const keyBody = (pem: string) => pem.split('\n').sort((a, b) => b.length - a.length)[0] as string

await step(
  'airunner bootstrap, as Terraform’s output writes it, in the name of the administrator’s role',
  async (t) => {
    const outputs = JSON.parse(await terraform(['output', '-json'], minute))
    const policy = readAdminPolicy({
      ...place,
      application: 'airunner',
      environment,
      issuerKey: `arn:aws:kms:${emulator.region}:${emulator.account}:key/${outputs.airunner.value.issuer_key_id}`,
    })
    const document = ['--policy-name', 'bootstrap', '--policy-document', JSON.stringify(policy)]
    await aws('iam', 'put-role-policy', '--role-name', 'airunner-admin', ...document)
    const admin = await sessionOf(aws, emulator.env, adminRole)
    const [program, ...args] = String(outputs.bootstrap_command.value).split(' ')
    t.equal(program, 'airunner')
    const command = args.map((word, at) => (args[at - 1] === '--output-dir' ? certificates : word))
    const first = await cli(command, admin.env, 2 * minute)
    printed.push(first.stdout, first.stderr)
    t.equal(first.code, 0, first.stderr)
    const second = await cli(command, admin.env, 2 * minute)
    printed.push(second.stdout, second.stderr)
    t.equal(second.code, 0, second.stderr)
    t.match(second.stderr, /Nothing changed/)
    const used = emulator.calls
      .filter(({ accessKeyId }) => accessKeyId === admin.accessKeyId)
      .flatMap((call) => actionsOfCall(call, place.tables))
    const unused = new Map([
      ['kms:Decrypt', 'asked for by Secrets Manager and SSM in the name of the caller'],
      ['kms:Encrypt', 'the same'],
      ['kms:GenerateDataKey', 'the same'],
      ['ecs:ListTasks', 'when a task does not stay'],
      ['ecs:DescribeTasks', 'the same'],
    ])
    const granted = policy.Statement.flatMap(({ Action }) => Action).filter((action) => !unused.has(action))
    t.strictSame([...new Set(used)].sort(), [...new Set(granted)].sort(), 'docs/bootstrap.md asks for what is used')
    for (const file of readdirSync(certificates).filter((name) => name.endsWith('-key.pem')))
      secrets.set(file, keyBody(readFileSync(join(certificates, file), 'utf8')))
    const serverKey = await aws('ssm', 'get-parameter', '--with-decryption', '--name', `${place.parameters}/server-key`)
    secrets.set('server-key', keyBody(serverKey.Parameter.Value))
    const caKey = await admin.aws('secretsmanager', 'get-secret-value', '--secret-id', `${place.parameters}/ca-key`)
    for (const [, key = ''] of String(caKey.SecretString).matchAll(
      /-----BEGIN[A-Z ]*PRIVATE KEY-----(?:\\n|\n)([^-]+?)(?:\\n|\n)-----END/g,
    ))
      secrets.set(`ca-key ${secrets.size}`, keyBody(key.replaceAll('\\n', '\n')))
    t.ok([...secrets.values()].every((body) => body.length >= 40) && secrets.size >= 3, [...secrets.keys()].join())
  },
)

let task: Awaited<ReturnType<typeof readTask>>
let taskSession: Session
let server: ReturnType<typeof start>
const listening: Record<string, string> = {}
const ready = async (): Promise<Record<string, string>> => {
  for (const end = Date.now() + minute; Date.now() < end; await new Promise((wait) => setTimeout(wait, 100))) {
    const line = server.answer.stdout.split('\n').find((line) => line.startsWith('{"event":"server_ready"'))
    if (line !== undefined) return JSON.parse(line)
    if (server.answer.code !== null) break
  }
  throw new Error(`rpc-server does not start:\n${server.answer.stdout}${server.answer.stderr}`)
}
t.teardown(async () => {
  server?.child.kill('SIGKILL')
  await server?.ended
})

await step(
  'rpc-server starts with the command, environment and secrets of the task that was applied, as its role',
  async (t) => {
    task = await readTask(aws, prefix, 'rpc-server')
    const execution = await sessionOf(aws, emulator.env, task.executionRole)
    taskSession = await sessionOf(aws, emulator.env, task.taskRole)
    const values = await resolveSecrets(execution.aws, task.secrets)
    const [program, ...args] = onFreePorts(task.command)
    t.equal(program, 'rpc-server')
    const [node, main] = ours('server')
    server = start(node, [main, ...args], { ...taskSession.env, ...task.environment, ...values }, 15 * minute)
    Object.assign(listening, await ready())
    const health = await fetch(`http://${listening['health_listen']}/health`)
    t.equal(health.status, 200)
    t.equal((await health.text()).trim(), 'ok')
    // The first read of the feed may still be under way.
    let readiness = { status: 0, text: '' }
    for (let tries = 0; readiness.status !== 200 && tries < 60; tries++) {
      if (tries > 0) await new Promise((wait) => setTimeout(wait, 500))
      const answer = await fetch(`http://${listening['health_listen']}/readyz`)
      readiness = { status: answer.status, text: await answer.text() }
    }
    t.equal(readiness.status, 200, `${readiness.text}\n${server.answer.stdout}`)
  },
)

const portOf = (listener: string) => listening[listener]?.split(':').at(-1) as string
const curl = async (path: string, cert: string, key: string) => {
  const port = portOf('mtls_listen')
  const files = ['--cacert', join(certificates, 'ca-cert.pem'), '--cert', cert, '--key', key]
  const where = ['--resolve', `${hostname}:${port}:127.0.0.1`, `https://${hostname}:${port}${path}`]
  const { stdout, stderr } = await run('curl', ['-sS', '-m', '20', '-w', '\n%{http_code}', ...files, ...where], {})
  const [, body = '', status = ''] = stdout.match(/^([\s\S]*)\n(\d+)$/) ?? []
  if (status === '000') throw new Error(`curl ${path}: ${stderr}`)
  return { status: Number(status), body: body === '' ? {} : JSON.parse(body) }
}
const adminFiles = { cert: join(certificates, 'admin-cert.pem'), key: join(certificates, 'admin-key.pem') }
const asAdmin = () => ({
  AIRUNNER_SERVER: `https://${hostname}:${portOf('mtls_listen')}`,
  AIRUNNER_CACERT: join(certificates, 'ca-cert.pem'),
  AIRUNNER_CLIENT_CERT: adminFiles.cert,
  AIRUNNER_CLIENT_KEY: adminFiles.key,
})
const agent = join(scratch, 'agent')

await step('the bootstrap admin is let in, and a machine joins with a certificate that KMS has signed', async (t) => {
  const who = await curl('/v1/whoami', adminFiles.cert, adminFiles.key)
  t.match(who, { status: 200, body: { principal: { principal_id: 'admin-bootstrap', type: 'admin' } } })
  const token = await cli(['token', 'create', '--type', 'worker', '--id', 'worker-1', '-o', 'json'], asAdmin())
  t.equal(token.code, 0, token.stderr)
  const tokenFile = join(scratch, 'token')
  writeFileSync(tokenFile, JSON.parse(token.stdout).join_token, { mode: 0o600 })
  const enrolled = await cli(
    [
      ...['enroll', '--server', `https://${hostname}:${portOf('enroll_listen')}`, '--token-file', tokenFile],
      ...['--cacert', join(certificates, 'ca-cert.pem'), '--output-dir', agent],
    ],
    {},
  )
  printed.push(enrolled.stdout, enrolled.stderr)
  t.equal(enrolled.code, 0, enrolled.stderr)
  const machine = await curl('/v1/whoami', join(agent, 'cert.pem'), join(agent, 'key.pem'))
  t.match(machine, { status: 200, body: { principal: { principal_id: 'worker-1' } } })
  const signed = emulator.calls.filter(
    (call) => call.target === 'TrentService.Sign' && call.accessKeyId === taskSession.accessKeyId,
  )
  t.ok(signed.length > 0 && signed.every((call) => call.status === 200), 'signed by KMS, in the name of the task')
})

const bucketOf = (purpose: string) => `${prefix}-${purpose}-${emulator.account}`
const objectIn = async (purpose: string, key: string): Promise<string> => {
  const file = join(scratch, key)
  await aws('s3api', 'get-object', '--bucket', bucketOf(purpose), '--key', key, file)
  return readFileSync(file, 'utf8')
}
const settled = async <T>(what: string, read: () => Promise<T | undefined>): Promise<T> => {
  for (const end = Date.now() + 2 * minute; Date.now() < end; await new Promise((wait) => setTimeout(wait, 1000))) {
    const found = await read().catch(() => undefined)
    if (found !== undefined) return found
  }
  throw new Error(`${what}:\n${server.answer.stdout.slice(-3000)}`)
}

await step('truststore.pem is in its bucket, and who has nothing else verifies the machine by it', async (t) => {
  const text = await settled('no truststore', () => objectIn('truststore', 'truststore.pem'))
  t.equal(text.match(/BEGIN CERTIFICATE/g)?.length, 2, 'issuer and root')
  t.ok(text.endsWith(readFileSync(join(certificates, 'ca-cert.pem'), 'utf8')))
  const verified = await run(
    'openssl',
    ['verify', '-CAfile', join(scratch, 'truststore.pem'), join(agent, 'cert.pem')],
    {},
  )
  t.match(verified, { code: 0, stdout: /: OK/ }, verified.stderr)
  t.notMatch(server.answer.stdout, /truststore_failed/)
})

await step('a checkpoint of the audit log is in its bucket, locked, signed by the key in KMS', async (t) => {
  const text = await settled('no checkpoint', () => objectIn('audit', 'audit-checkpoint.json'))
  const { PublicKey } = await aws('kms', 'get-public-key', '--key-id', `alias/${prefix}-audit`)
  const checkpoint = JSON.parse(text)
  t.equal(checkpoint.public_key, PublicKey)
  t.ok(isSignedBy(checkpoint, createPublicKey({ key: Buffer.from(PublicKey, 'base64'), format: 'der', type: 'spki' })))
  const object = ['--bucket', bucketOf('audit'), '--key', 'audit-checkpoint.json']
  const { ObjectLockMode, ObjectLockRetainUntilDate, VersionId } = await aws('s3api', 'head-object', ...object)
  t.equal(ObjectLockMode, 'GOVERNANCE', 'as the bucket, not more')
  const days = (Date.parse(ObjectLockRetainUntilDate) - Date.now()) / (24 * 60 * minute)
  t.ok(days > 398 && days < 401, `${days} days`)
  await t.rejects(aws('s3api', 'delete-object', ...object, '--version-id', VersionId), 'nobody deletes it by the way')
  t.notMatch(server.answer.stdout, /audit_(bucket|checkpoint)_failed/)
})

await step('the servers remember their tables in the parameter that was made for it', async (t) => {
  const { Parameter } = await aws('ssm', 'get-parameter', '--name', `${place.parameters}/store-epoch`)
  t.not(Parameter.Value, 'placeholder')
  t.notMatch(server.answer.stdout, /store_epoch_(off|unread|unwritten)|admission_held/)
})

await step('a revoked certificate is told so, and its holder is out', async (t) => {
  const { body } = await curl('/v1/whoami', join(agent, 'cert.pem'), join(agent, 'key.pem'))
  const serial = body.certificate.serial_number
  const revoked = await cli(['certificate', 'revoke', serial, '--reason', 'key_compromise', '--yes'], asAdmin())
  t.equal(revoked.code, 0, revoked.stderr)
  const after = await curl('/v1/whoami', join(agent, 'cert.pem'), join(agent, 'key.pem'))
  t.match(after, { status: 401, body: { code: 'certificate_revoked' } })
})

await step('AWS refused the task nothing, and it asked for nothing that its policy does not name', async (t) => {
  const own = emulator.calls.filter((call) => call.accessKeyId === taskSession.accessKeyId)
  t.strictSame(
    own
      .filter(({ error }) => /Denied|Unauthorized|unknown/.test(error ?? ''))
      .map(({ target, error }) => `${target}: ${error}`),
    [],
  )
  const used = own.flatMap((call) => actionsOfCall(call, place.tables))
  const granted = new Set(readTaskRole().flatMap(({ actions }) => actions))
  t.strictSame(
    [...new Set(used)].filter((action) => !granted.has(String(action))),
    [],
  )
  const certain = ['kms:Sign', 'kms:GetPublicKey', 'ssm:GetParameters', 'ssm:PutParameter', 'dynamodb:DescribeTable']
  for (const action of certain) t.ok(used.includes(action), `${action} was used`)
})

await step('neither role reads what is not its own', async (t) => {
  const execution = await sessionOf(aws, emulator.env, task.executionRole)
  const admin = await sessionOf(aws, emulator.env, adminRole)
  const refused: [who: string, session: Session, ...args: string[]][] = [
    ['task', taskSession, 'secretsmanager', 'get-secret-value', '--secret-id', `${place.parameters}/ca-key`],
    ['execution', execution, 'secretsmanager', 'get-secret-value', '--secret-id', `${place.parameters}/ca-key`],
    ['task', taskSession, 'dynamodb', 'scan', '--table-name', place.tables.principals],
    [
      'task',
      taskSession,
      'dynamodb',
      'delete-item',
      '--table-name',
      place.tables.principals,
      '--key',
      '{"principal_id":{"S":"admin-bootstrap"}}',
    ],
    [
      'task',
      taskSession,
      'ssm',
      'put-parameter',
      '--overwrite',
      '--name',
      `${place.parameters}/ca-cert`,
      '--value',
      'x',
    ],
    [
      'execution',
      execution,
      'dynamodb',
      'get-item',
      '--table-name',
      place.tables.principals,
      '--key',
      '{"principal_id":{"S":"admin-bootstrap"}}',
    ],
    ...['BOOTSTRAP', 'LEASE#bootstrap'].map((pk): (typeof refused)[number] => [
      'task',
      taskSession,
      ...['dynamodb', 'put-item', '--table-name', place.tables.control],
      ...['--item', JSON.stringify({ pk: { S: pk }, sk: { S: pk.split('#')[0] } })],
    ]),
    ['task', taskSession, 's3api', 'delete-object', '--bucket', bucketOf('truststore'), '--key', 'truststore.pem'],
    ['task', taskSession, 's3api', 'list-objects-v2', '--bucket', bucketOf('audit')],
    // Whatever it is that policies of the account allow: only servers write.
    ...['truststore', 'audit'].map((purpose): (typeof refused)[number] => [
      'admin',
      admin,
      ...[
        's3api',
        'put-object',
        '--bucket',
        bucketOf(purpose),
        '--key',
        'truststore.pem',
        '--body',
        join(certificates, 'ca-cert.pem'),
      ],
    ]),
    ['execution', execution, 'kms', 'get-public-key', '--key-id', `alias/${prefix}-issuer`],
  ]
  for (const [who, session, ...args] of refused)
    await t.rejects(session.aws(...args), { message: /AccessDenied/ }, `${who}: ${args.slice(0, 2).join(' ')}`)
})

await step('no secret is in the state, a plan, the task definition, or anything that was printed', async (t) => {
  // As an apply after bootstrap reads everything again.
  await terraform(['apply', '-refresh-only', '-auto-approve', ...variables], 2 * minute)
  await terraform(['plan', '-out=third.tfplan', ...variables], 2 * minute)
  const places: [string, string][] = [
    ['the plan', await terraform(['show', '-json', 'third.tfplan'], minute)],
    ['the task definition', task.text],
    ['the log', `${server.answer.stdout}${server.answer.stderr}`],
    ['what programs printed', printed.join('\n')],
  ]
  // The file as it lies in the bucket, and each that it has replaced.
  const stateFile = join(scratch, 'state')
  await aws('s3api', 'get-object', '--bucket', bucket, '--key', `${environment}/airunner.tfstate`, stateFile)
  const state = readFileSync(stateFile, 'utf8')
  t.match(state, /aws_ssm_parameter/)
  places.push(['the state', state])
  for (const [name, text] of places)
    for (const [secret, body] of secrets) t.notOk(text.includes(body), `${secret} is not in ${name}`)
})

interface Verified {
  kept: number
  broken: number
  unread: number
  promises: { name: string; status: string; found: string }[]
}
const verify = async (
  env: Record<string, string>,
  ...more: string[]
): Promise<{ code: number | null; report: Verified }> => {
  const tools = resolve(import.meta.dirname, '../../.tools/bin')
  const { code, stdout, stderr } = await run(
    verifyScript,
    [
      '--environment',
      environment,
      '--domain',
      domain,
      '--admin-role',
      adminRole,
      '--region',
      emulator.region,
      '--json',
      ...more,
    ],
    { ...env, PATH: `${tools}:${process.env['PATH']}` },
    4 * minute,
  )
  if (!stdout.startsWith('{')) throw new Error(`verify.sh: ${stdout}${stderr}`)
  printed.push(stdout, stderr)
  return { code, report: JSON.parse(stdout) }
}
/** The emulator has no autoscaling. */
const notPromised = ['autoscaling-minimum']
const notKept = ({ promises }: Verified) =>
  promises
    .filter(({ name, status }) => status !== (notPromised.includes(name) ? 'not promised' : 'kept'))
    .map(({ name }) => name)

await step('verify.sh sees every promise kept', async (t) => {
  // The emulator counts tasks and runs none: this one stands in for them behind the balancer.
  const { TargetGroups } = await aws('elbv2', 'describe-target-groups', '--names', `${prefix}-mtls`)
  await aws(
    ...['elbv2', 'register-targets', '--target-group-arn', TargetGroups[0].TargetGroupArn],
    ...['--targets', 'Id=10.30.64.10,Port=443'],
  )
  const { code, report } = await verify(emulator.env)
  t.strictSame(notKept(report), [])
  t.equal(code, 0)
  t.ok(report.kept >= 50, `${report.kept} promises`)
})

await step('what one may not read is unread, which is a failure unless one says otherwise', async (t) => {
  const { code, report } = await verify(taskSession.env, '--only', 'tables')
  // The server looks at its tables as well, by their ids; at nothing else of them.
  t.strictSame(new Set(report.promises.map(({ status }) => status)), new Set(['kept', 'unread']))
  t.ok(report.unread >= 3, `${report.unread} unread`)
  t.equal(code, 1)
  t.equal((await verify(taskSession.env, '--only', 'tables', '--partial')).code, 0)
})

for (const { promise, part, by } of breakages)
  await step(`verify.sh names ${promise} when it is broken by hand, and it alone`, async (t) => {
    const mend = await by(place)
    try {
      const { code, report } = await verify(emulator.env, '--only', part)
      t.strictSame(
        notKept(report),
        [promise],
        JSON.stringify(report.promises.filter(({ status }) => status !== 'kept')),
      )
      t.equal(code, 1)
    } finally {
      await mend()
    }
  })

await step('all broken at once, it names them all and nothing else', async (t) => {
  const mends: (() => Promise<unknown>)[] = []
  try {
    for (const { by } of breakages) mends.push(await by(place))
    const { report } = await verify(emulator.env)
    t.strictSame(notKept(report).sort(), breakages.map(({ promise }) => promise).sort())
  } finally {
    for (const mend of mends) await mend()
  }
})

await step('setup.sh, run again, finds all of it, mends what the emulator forgot, and verifies', async (t) => {
  const image = ['--repository-name', prefix, '--image-tag', 'initial', '--image-manifest']
  const manifest = { schemaVersion: 2, mediaType: 'application/vnd.docker.distribution.manifest.v2+json', layers: [] }
  const without = await setup([...answers, '--output-dir', certificates], 6 * minute)
  t.equal(without.code, 1)
  t.match(without.stderr, /the image \S+:initial is not there yet\n {2}next: Build and push it/)
  await aws('ecr', 'put-image', ...image, JSON.stringify(manifest))
  const { code, stdout, stderr } = await setup([...answers, '--output-dir', certificates], 6 * minute)
  t.equal(code, 0, `${stdout.slice(-3000)}${stderr}`)
  t.match(stdout, new RegExp(`${bucket} is there`))
  t.match(stderr, /Nothing changed/)
  t.match(stdout, /== 7\/9 bootstrap\n[\s\S]*== 8\/9 the minimum of autoscaling\n[\s\S]*== 9\/9 verification\n/)
  t.match(stdout, /\n\d+ kept, 0 broken, 0 unread\n/)
})

await step('the server ends by itself when it is told to', async (t) => {
  server.child.kill('SIGINT')
  t.equal((await server.ended).code, 0)
})

await step('destroy, once deletion is allowed, leaves nothing', async (t) => {
  await t.rejects(aws('dynamodb', 'delete-table', '--table-name', place.tables.control), 'protected until then')
  await aws('ecs', 'update-service', '--cluster', prefix, '--service', 'rpc-server', '--desired-count', '0')
  const deletable = [...variables, '-var=deletion_protection=false']
  await terraform(['apply', '-auto-approve', ...deletable], 4 * minute)
  await terraform(['destroy', '-auto-approve', ...deletable], 5 * minute)
  t.strictSame(JSON.parse(await terraform(['state', 'pull'], minute)).resources, [])
  const left = {
    tables: (await aws('dynamodb', 'list-tables')).TableNames,
    parameters: (await aws('ssm', 'describe-parameters')).Parameters,
    secrets: (await aws('secretsmanager', 'list-secrets')).SecretList,
    balancers: (await aws('elbv2', 'describe-load-balancers')).LoadBalancers,
    roles: (await aws('iam', 'list-roles')).Roles.map(({ RoleName }: { RoleName: string }) => RoleName).filter(
      (name: string) => name.startsWith(prefix),
    ),
    logs: (await aws('logs', 'describe-log-groups')).logGroups,
    alarms: (await aws('cloudwatch', 'describe-alarms')).MetricAlarms,
    buckets: (await aws('s3api', 'list-buckets')).Buckets.map(({ Name }: { Name: string }) => Name).filter(
      (name: string) => name.startsWith(prefix),
    ),
    networks: (await aws('ec2', 'describe-vpcs', '--filters', `Name=tag:Name,Values=${prefix}`)).Vpcs,
  }
  for (const [kind, of] of Object.entries(left)) t.strictSame(of ?? [], [], kind)
})
say('done')

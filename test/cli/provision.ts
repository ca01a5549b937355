import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { AwsError } from '../support/aws-service.ts'
import { makeCliHome, runCli } from '../support/cli.ts'
import { answerJson, startFront } from '../support/front.ts'
import { startPlane } from '../support/plane.ts'
import { startWrittenParameters } from '../support/written-parameters.ts'

const plane = await startPlane(t)
const { identity } = await plane.enrol('ops', 'admin')
const home = await makeCliHome(t, plane, identity)
const ssm = await startWrittenParameters()
t.teardown(ssm.stop)
const before = { ...process.env }
t.teardown(() => {
  process.env = before
})
Object.assign(process.env, {
  AWS_ENDPOINT_URL_SSM: ssm.endpoint,
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
  AWS_REGION: 'us-east-1',
})

const pathOf = (principal: string) => `/airunner/test/clients/${principal}`
const provision = (principal: string, ...more: string[]) => provisionBy(home.env, principal, ...more)
const provisionBy = (env: Record<string, string>, principal: string, ...more: string[]) =>
  runCli(['certificate', 'generate', principal, '--to-ssm', `${pathOf(principal)}/`, '-o', 'name', ...more], { env })

const create = (principal: string) => plane.admin.post('/v1/principals', { principal_id: principal, type: 'worker' })
const countOf = async (principal: string): Promise<number> =>
  (await plane.admin.get(`/v1/certificates?principal_id=${principal}`)).body.items.length
const stored = (principal: string, name: string) => ssm.parameters.get(`${pathOf(principal)}/${name}`)?.Value ?? ''
const namesOf = (principal: string) =>
  [...ssm.parameters.keys()]
    .filter((name) => name.startsWith(`${pathOf(principal)}/`))
    .map((name) => name.split('/').at(-1))
    .sort()

/** What is stored fits together, and is all there is. */
const isWhole = (t: Test, principal: string) => {
  t.same(namesOf(principal), ['ca-cert', 'certificate', 'private-key'])
  const certificate = new X509Certificate(stored(principal, 'certificate'))
  t.ok(certificate.checkPrivateKey(createPrivateKey(stored(principal, 'private-key'))), 'the key is that of it')
  t.equal(stored(principal, 'ca-cert'), plane.authority.root_pem)
  return certificate.serialNumber.toLowerCase().padStart(32, '0')
}

t.test('key and certificate go into the Parameter Store, and nothing onto the disk', async (t) => {
  await create('machine-1')
  const written = async () => [await readdir(home.directory), await readdir(process.cwd())]
  const disk = await written()
  const { code, stdout, stderr } = await provision('machine-1', '--validity', '1h', '--ssm-kms-key', 'alias/ours')
  t.equal(code, 0, stderr)
  t.equal(isWhole(t, 'machine-1'), stdout.trim())
  t.match(ssm.parameters.get(`${pathOf('machine-1')}/private-key`), { Type: 'SecureString', KeyId: 'alias/ours' })
  t.match(ssm.parameters.get(`${pathOf('machine-1')}/certificate`), { Type: 'String' })
  t.same(await written(), disk)
  t.notMatch(stdout + stderr, /BEGIN|PRIVATE/)
  const machine = plane.clientOf({
    certificate: stored('machine-1', 'certificate'),
    key: stored('machine-1', 'private-key'),
  })
  t.match((await machine.get('/v1/whoami')).body, { principal: { principal_id: 'machine-1' } })
})

t.test('a pair that is there stays; with --force another takes its place, under the same KMS key', async (t) => {
  await create('machine-2')
  await provision('machine-2', '--ssm-kms-key', 'alias/ours')
  const first = isWhole(t, 'machine-2')
  const { code, stderr } = await provision('machine-2')
  t.equal(code, 6)
  t.match(stderr, /there is a pair in .* already/)
  t.match(stderr, /--force/)
  t.equal(isWhole(t, 'machine-2'), first)
  t.equal((await provision('machine-2', '--force')).code, 0)
  t.not(isWhole(t, 'machine-2'), first)
  t.match(ssm.parameters.get(`${pathOf('machine-2')}/private-key`), { KeyId: 'alias/ours' })
})

const writes = ['pending', 'private-key', 'ca-cert', 'certificate'].map((name) => ['PutParameter', name])
for (const [operation, name] of [...writes, ['DeleteParameter', 'pending']])
  for (const done of [false, true])
    for (const force of [false, true])
      t.test(
        `cut off ${done ? 'after' : 'before'} ${operation} ${name}${force ? ', replacing a pair' : ''}: the same command ends it`,
        async (t) => {
          const principal = `cut-${operation?.slice(0, 1)}-${name}-${done}-${force}`.toLowerCase()
          await create(principal)
          const more = force ? ['--force'] : []
          if (force) await provision(principal)
          const old = force ? isWhole(t, principal) : undefined
          ssm.onWrite = (what, wasDone) => {
            if (what === `${operation} ${pathOf(principal)}/${name}` && wasDone === done)
              throw new AwsError('AccessDeniedException')
          }
          const cut = await provision(principal, ...more)
          ssm.onWrite = () => undefined
          t.equal(cut.code, 4)
          t.match(cut.stderr, /ssm:PutParameter/)
          t.notMatch(cut.stderr, /BEGIN|PRIVATE/)
          const { code, stderr } = await provision(principal, ...more)
          // What was wholly stored, but for the last deletion that was only not confirmed, is a pair like any other.
          if (operation === 'DeleteParameter' && done && !force) t.equal(code, 6)
          else t.equal(code, 0, stderr)
          t.not(isWhole(t, principal), old)
          const again = operation === 'DeleteParameter' && done && force
          t.equal(
            await countOf(principal),
            (force ? 2 : 1) + (again ? 1 : 0),
            'no place is lost to one that nobody holds',
          )
        },
      )

t.test('an answer lost for good: the next run has the same key and gets the same certificate', async (t) => {
  await create('lost')
  let loses = true
  const front = await startFront(t, plane.authority, async ({ method, path, headers, body }, response, socket) => {
    const key = headers['idempotency-key'] as string
    const answer = await plane.clientOf(identity).call(method, path, JSON.parse(body), { key })
    if (loses) socket.destroy()
    else answerJson(response, answer.status, answer.body)
  })
  const env = { ...home.env, AIRUNNER_SERVER: `https://localhost:${front.port}` }
  const lost = await provisionBy(env, 'lost', '--validity', '1h')
  t.equal(lost.code, 4)
  t.match(lost.stderr, /Run the same command again: it goes on with the same key/)
  t.same(namesOf('lost'), ['pending'])
  t.match(ssm.parameters.get(`${pathOf('lost')}/pending`), { Type: 'SecureString' }, 'it holds a key')
  loses = false
  const other = await provisionBy(env, 'lost', '--validity', '2h')
  t.equal(other.code, 6)
  t.match(other.stderr, /an unfinished request for other terms/)
  const again = await provisionBy(env, 'lost', '--validity', '1h')
  t.equal(again.code, 0, again.stderr)
  t.match(again.stderr, /Going on with a request that was left unfinished/)
  isWhole(t, 'lost')
  t.equal(await countOf('lost'), 1)
})

t.test('a refusal says nothing about an earlier try, whose answer was lost: its key stays', async (t) => {
  await create('resumed')
  ssm.onWrite = (what) => {
    if (what === `PutParameter ${pathOf('resumed')}/private-key`) throw new AwsError('AccessDeniedException')
  }
  await provision('resumed')
  ssm.onWrite = () => undefined
  const front = await startFront(t, plane.authority, async (_request, response) => {
    answerJson(response, 403, { type: 'about:blank', title: 'Forbidden', status: 403, code: 'permission_denied' })
  })
  const { code, stderr } = await provisionBy(
    { ...home.env, AIRUNNER_SERVER: `https://localhost:${front.port}` },
    'resumed',
  )
  t.equal(code, 4, stderr)
  t.same(namesOf('resumed'), ['pending'])
  t.equal((await provision('resumed')).code, 0)
  isWhole(t, 'resumed')
  t.equal(await countOf('resumed'), 1)
})

t.test('a request that is too old to be answered as it was is told of, and made anew', async (t) => {
  await create('old')
  const pending = `${pathOf('old')}/pending`
  ssm.onWrite = (what) => {
    if (what.startsWith('PutParameter') && !what.endsWith('pending')) throw new AwsError('AccessDeniedException')
  }
  await provision('old')
  ssm.onWrite = () => undefined
  const kept = ssm.parameters.get(pending)
  const text = JSON.parse(kept?.Value ?? '')
  text.request.created_at -= 23 * 3_600_000
  ssm.parameters.set(pending, { ...kept, Value: JSON.stringify(text) } as never)
  const { code, stderr } = await provision('old')
  t.equal(code, 0, stderr)
  t.match(stderr, /may have left a certificate that nobody holds: `airunner certificate list old`/)
  isWhole(t, 'old')
})

t.test('what the server refuses leaves nothing behind', async (t) => {
  const { code, stderr } = await provision('nobody-such')
  t.equal(code, 5, stderr)
  t.same(namesOf('nobody-such'), [])
})

t.test('a key is never put where everybody reads it', async (t) => {
  await create('in-clear')
  ssm.parameters.set(`${pathOf('in-clear')}/private-key`, { Value: 'x', Type: 'String', Version: 1 })
  const { code, stderr } = await provision('in-clear', '--force')
  t.equal(code, 6)
  t.match(stderr, /is a String, expected a SecureString/)
  t.equal(await countOf('in-clear'), 0)
})

t.test('two at once leave one pair that fits', async (t) => {
  await create('race')
  const codes = (await Promise.all([provision('race'), provision('race'), provision('race')])).map(({ code }) => code)
  t.ok(codes.includes(0), JSON.stringify(codes))
  t.ok(codes.every((code) => code === 0 || code === 6))
  isWhole(t, 'race')
  t.equal(await countOf('race'), 1)
})

const faults: [string, string, number, RegExp][] = [
  ['ExpiredTokenException', 'the session is over', 3, /Get fresh credentials/],
  ['AccessDeniedException', 'it is not allowed', 4, /ssm:GetParameters.*parameter\/airunner\/test\/clients\/fault\/\*/],
  ['InvalidKeyId', 'the KMS key is gone', 6, /--ssm-kms-key/],
]
for (const [name, meaning, exit, next] of faults)
  t.test(`${name}: ${meaning}, in words`, async (t) => {
    ssm.decide = () => ({ kind: 'error', name })
    const { code, stderr } = await provision('fault')
    ssm.decide = () => ({ kind: 'pass' })
    t.equal(code, exit, stderr)
    t.match(stderr, next)
  })

t.test('without a region it is said which flag gives one', async (t) => {
  const { AWS_REGION, HOME } = process.env
  delete process.env['AWS_REGION']
  process.env['HOME'] = home.directory
  const { code, stderr } = await provision('fault')
  Object.assign(process.env, { AWS_REGION, HOME })
  t.equal(code, 3, stderr)
  t.match(stderr, /--aws-region/)
})

const misuses: [string[], RegExp][] = [
  [[], /Give either --output-dir or --to-ssm/],
  [['--output-dir', 'd', '--to-ssm', '/a/b/clients/x/'], /Give either/],
  [['--to-ssm', '/a/b/clients/x/', '--csr', 'x.csr'], /--to-ssm makes the key itself/],
  [['--to-ssm', '/a/b/clients/y'], /not that of x/],
  [['--to-ssm', '/a/b/x'], /Expected \/<application>/],
  [['--to-ssm', 'a/b/clients/x'], /Expected/],
  [['--to-ssm', '/a/b/clients/x//'], /Expected/],
  [['--to-ssm', '/aws/b/clients/x'], /Expected/],
  [['--to-ssm', '/a/b/c/clients/x'], /Expected/],
  [['--output-dir', 'd', '--aws-region', 'eu-west-1'], /go with --to-ssm only/],
  [['--to-ssm', '/a/b/clients/x', '--ssm-kms-key', 'a key'], /id, ARN or alias/],
]
for (const [args, says] of misuses)
  t.test(`certificate generate x ${args.join(' ')}: usage`, async (t) => {
    const { code, stderr } = await runCli(['certificate', 'generate', 'x', ...args], { env: home.env })
    t.equal(code, 2)
    t.match(stderr, says)
  })

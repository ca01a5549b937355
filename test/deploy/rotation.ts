import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:tls'
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import t, { type Test } from 'tap'
import { readVault } from '../../src/authority/bootstrap/vault.ts'
import type { AwsDeployment } from '../support/aws-deployment.ts'
import { startAwsWorld, undisturbed } from '../support/aws-world.ts'
import { type Program, startProgram } from '../support/program.ts'
import { missingTools } from '../support/tools.ts'

const skip = missingTools('ministack')
if (skip !== false) {
  t.plan(0, skip)
  process.exit(0)
}
t.setTimeout(280_000)
const { aws, newDeployment, noteKeys, noKeyWasSaid } = await startAwsWorld(t)

/** A task of the service: what Secrets Manager holds is given to it when it starts, parameters it reads itself. */
const startTask = async (t: Pick<Test, 'teardown'>, deployment: AwsDeployment, more: Record<string, string> = {}) => {
  const issuerKey = await deployment.secret('issuer-key')
  const free = '127.0.0.1:0'
  const program = startProgram(
    ['--mtls-listen', free, '--health-listen', free, '--hostname', 'localhost', '--drain-delay', '0'],
    {
      ...aws.env,
      AWS_ENDPOINT_URL_DYNAMODB: deployment.env['AWS_ENDPOINT_URL_DYNAMODB'] ?? '',
      AIRUNNER_PRINCIPAL_TABLE: deployment.tables.principals,
      AIRUNNER_CERT_TABLE: deployment.tables.certificates,
      AIRUNNER_CONTROL_TABLE: deployment.tables.control,
      AIRUNNER_SSM_PREFIX: deployment.prefix,
      ...(issuerKey === undefined ? {} : { AIRUNNER_ISSUER_KEY: issuerKey }),
      ...more,
    },
  )
  t.teardown(() => program.child.kill('SIGKILL'))
  const { mtls_listen: address } = await program.event('server_ready')
  return { program, port: Number(String(address).split(':').at(-1)) }
}
type Task = Awaited<ReturnType<typeof startTask>>

const end = async ({ program }: Task): Promise<void> => {
  program.child.kill('SIGINT')
  await program.ended
}
/** What comes within 5 minutes by itself. */
const reload = async ({ program }: { program: Program }): Promise<void> => {
  const count = () => program.logged().filter(({ event }) => event === 'trust_changed').length
  const before = count()
  program.child.kill('SIGHUP')
  for (let tries = 0; count() === before; tries++) {
    if (tries === 200) throw new Error(`no trust_changed: ${program.stdout().slice(-2000)}`)
    await sleep(50)
  }
}
const shownBy = ({ port }: Task): Promise<X509Certificate[]> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', rejectUnauthorized: false }, () => {
      const chain = socket.getPeerCertificate(true)
      resolve([new X509Certificate(chain.raw), new X509Certificate(chain.issuerCertificate.raw)])
      socket.destroy()
    })
    socket.once('error', reject)
  })

/** The CLI as the administrator of a deployment, at a task. */
const makeCli = (t: Test, deployment: AwsDeployment) => {
  const secret = ['--ca-key-secret', `${deployment.prefix}/ca-key`, '--aws-region', aws.region]
  const call = (task: Task, ...argv: string[]) =>
    deployment.airunner([...argv, '--server', `https://localhost:${task.port}`])
  const ok = async (task: Task, ...argv: string[]) => {
    const answer = await call(task, ...argv)
    t.equal(answer.code, 0, `${argv.join(' ')}\n${answer.stdout}${answer.stderr}`)
    return answer
  }
  const inOrder = async (...flags: string[]) => {
    const answer = await deployment.run(flags)
    t.equal(answer.code, 0, answer.stderr)
    return answer.stderr
  }
  /** Leases tell who is ready, every 2 s, and of a task that has ended for 5 s more. */
  const patiently = async (task: Task, ...argv: string[]) => {
    for (let tries = 0; ; tries++) {
      const answer = await call(task, ...argv)
      if (answer.code !== 6 || !answer.stderr.includes('rotation_not_ready') || tries === 80) {
        t.equal(answer.code, 0, `${argv.join(' ')}\n${answer.stdout}${answer.stderr}`)
        return answer
      }
      await sleep(300)
    }
  }
  return { secret, call, ok, inOrder, patiently }
}

t.test(
  'a root and its issuer are rotated in the Parameter Store and Secrets Manager; bootstrap finds it in order',
  async (t) => {
    const deployment = await newDeployment(t)
    t.equal((await deployment.run()).code, 0)
    const { secret, call, ok, inOrder, patiently } = makeCli(t, deployment)
    let task = await startTask(t, deployment)
    const first = JSON.parse((await ok(task, 'ca', 'list', '-o', 'json')).stdout).items as {
      issuer_id: string
      kind: string
    }[]
    const oldRoot = first.find(({ kind }) => kind === 'root')?.issuer_id ?? ''
    const oldIssuer = first.find(({ kind }) => kind === 'issuer')?.issuer_id ?? ''

    // 1. The new root, beside the old one; again, the same. No issuer of it is taken before servers trust it.
    const made = await ok(task, 'ca', 'prepare', '--root', ...secret, '-o', 'json')
    const root = JSON.parse(made.stdout)
    t.match((await ok(task, 'ca', 'prepare', '--root', ...secret, '-o', 'name')).stderr, /Found .*: a run before/)
    t.match((await deployment.parameters())['ca-cert']?.match(/BEGIN/g)?.length, 2)
    const early = await call(task, 'ca', 'prepare', '--issuer', ...secret)
    t.match(early, {
      code: 6,
      stderr: new RegExp(`do not trust the root sha256:${root.sha256} yet\nNext: Servers read ca-cert`),
    })
    t.match(await inOrder(), /Nothing changed/)
    t.match(await call(task, 'ca', 'remove', oldRoot, '-y', ...secret), {
      code: 6,
      stderr: /something still hangs on the root/,
    })
    await reload(task)

    // 2. An issuer below it: certificate first, key second, told to the plane.
    const { stdout } = await ok(task, 'ca', 'prepare', '--issuer', ...secret, '-o', 'json')
    const issuer = JSON.parse(stdout)
    t.match(issuer, { state: 'prepared', root_sha256: root.sha256, written: 'issuer-cert, issuer-key' })
    const again = await ok(task, 'ca', 'prepare', '--issuer', ...secret, '-o', 'name')
    t.equal(again.stdout.trim(), issuer.issuer_id)
    t.equal((await deployment.secret('issuer-key'))?.match(/BEGIN/g)?.length, 2)
    t.match(await inOrder(), /Nothing changed/)
    t.match(await call(task, 'ca', 'activate', issuer.issuer_id), {
      code: 6,
      stderr: /Why: server .*: does not report the key/,
    })
    await end(task)
    task = await startTask(t, deployment)

    // 3. It signs; the certificate of the server is of the old root until now, and may be of the new one from now on.
    await patiently(task, 'ca', 'activate', issuer.issuer_id)
    await inOrder()
    const [, authority] = await shownBy(task)
    await inOrder('--rotate-server-cert', '-y')
    await reload(task)
    const [, next] = await shownBy(task)
    t.not(next?.fingerprint256, authority?.fingerprint256)
    t.match(next?.issuer, new RegExp(`airunner root ${root.issuer_id}`))
    t.match(await inOrder(), /Nothing changed/)

    // 4. Back and there again: bootstrap follows what signs.
    await patiently(task, 'ca', 'activate', oldIssuer)
    await inOrder()
    t.match(await inOrder(), /Nothing changed/)
    await patiently(task, 'ca', 'activate', issuer.issuer_id)
    await inOrder()

    // 5. The old issuer goes: the key from what tasks get, the certificate when no task can have the key.
    await ok(task, 'ca', 'retire', oldIssuer)
    await ok(task, 'certificate', 'renew')
    await patiently(task, 'ca', 'remove', oldIssuer, '-y', ...secret)
    t.equal((await deployment.secret('issuer-key'))?.match(/BEGIN/g)?.length, 1)
    const waiting = await ok(task, 'ca', 'remove', oldIssuer, '-y', ...secret)
    t.match(waiting.stderr, /Servers may still hold its key: [0-9a-f]{32}\. Let the tasks be replaced/)
    t.match(await inOrder(), /Nothing changed/)
    const refused = await call(task, 'ca', 'remove', oldRoot, '-y', ...secret)
    t.match(refused, { code: 6, stderr: /Why: a certificate in issuer-cert/ })
    await end(task)
    // Two minutes later that is seen by itself.
    task = await startTask(t, deployment)
    t.match((await ok(task, 'ca', 'remove', oldIssuer, '-y', ...secret)).stderr, /Servers may still hold its key/)
    const gone = await ok(task, 'ca', 'remove', oldIssuer, '-y', '--tasks-replaced', ...secret)
    t.match(gone.stderr, /Taken out of issuer-cert\.\nNothing is left of it/)
    await reload(task)

    // 6. The old root.
    t.match(
      (await ok(task, 'ca', 'remove', oldRoot, '-y', ...secret)).stderr,
      /Taken out of ca-cert, ca-key; servers read/,
    )
    await reload(task)
    t.notMatch((await ok(task, 'ca', 'list')).stdout, oldRoot)
    t.match(await call(task, 'ca', 'remove', oldRoot, '-y', ...secret), { code: 5 })
    t.match(await inOrder(), /Nothing changed/)
    const vault = readVault((await deployment.secret('ca-key')) ?? '')
    t.equal(vault.others, undefined, 'nothing of the old generation')
    t.match(vault.root?.certificate.subject, root.issuer_id)
    const { 'ca-cert': bundle = '' } = await deployment.parameters()
    t.equal(bundle.match(/BEGIN/g)?.length, 1)
    t.equal((await ok(task, 'ca', 'bundle')).stdout, bundle)
    // Who was given the bundle in between comes in; what bootstrap leaves in a new directory is enough.
    const elsewhere = join(deployment.home, 'elsewhere')
    t.match(await inOrder('--output-dir', elsewhere), /found \(of admin-bootstrap/)
    t.equal(readFileSync(join(elsewhere, 'ca-cert.pem'), 'utf8'), bundle)
    t.equal((await ok(task, 'whoami', '-o', 'name')).stdout, 'admin-bootstrap\n')
    await end(task)
    await noteKeys(deployment)
  },
)

t.test('the key of the next issuer is in KMS as well: no task is restarted for it', async (t) => {
  const kms = new KMSClient({ endpoint: aws.endpoint, region: aws.region, credentials: aws.credentials })
  t.teardown(() => kms.destroy())
  const newKey = async () => {
    const { KeyMetadata } = await kms.send(new CreateKeyCommand({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' }))
    return { id: KeyMetadata?.KeyId ?? '', arn: KeyMetadata?.Arn ?? '' }
  }
  const [one, two] = [await newKey(), await newKey()]
  const deployment = await newDeployment(t)
  t.equal((await deployment.run(['--kms-issuer-key', one.id])).code, 0)
  const { secret, call, ok, inOrder, patiently } = makeCli(t, deployment)
  let task = await startTask(t, deployment, { AIRUNNER_ISSUER_KMS_KEY_ID: one.id })
  const same = await call(task, 'ca', 'prepare', '--issuer', '--kms-issuer-key', one.id, ...secret)
  t.match(same, { code: 6, stderr: /is the key of the issuer [0-9a-f]{16}\nNext: A new issuer has a key of its own/ })
  const prepare = ['ca', 'prepare', '--issuer', '--kms-issuer-key', two.id, ...secret, '-o', 'json']
  const issuer = JSON.parse((await ok(task, ...prepare)).stdout)
  t.match(issuer, { state: 'prepared', kms_key_id: two.arn, written: 'issuer-cert' })
  t.match(await call(task, 'ca', 'prepare', '--issuer', ...secret), {
    code: 6,
    stderr: /Next: Give --kms-issuer-key again/,
  })
  t.equal(JSON.parse((await ok(task, ...prepare)).stdout).issuer_id, issuer.issuer_id)
  t.equal(await deployment.secret('issuer-key'), undefined)
  await patiently(task, 'ca', 'activate', issuer.issuer_id)
  await inOrder()
  t.match(await inOrder('--kms-issuer-key', two.id), /Nothing changed/)
  const stale = await deployment.run(['--kms-issuer-key', one.id])
  t.match(stale, { code: 6, stderr: /has another key than/ })
  const items = JSON.parse((await ok(task, 'ca', 'list', '-o', 'json')).stdout).items as {
    issuer_id: string
    activated_at?: string
    state: string
  }[]
  const old = items.find(({ state, activated_at }) => state === 'prepared' && activated_at)?.issuer_id ?? ''
  await ok(task, 'certificate', 'renew')
  await ok(task, 'ca', 'retire', old)
  const removed = await patiently(task, 'ca', 'remove', old, '-y', ...secret)
  t.match(removed.stderr, /Servers may still hold its key/)
  await end(task)
  task = await startTask(t, deployment, { AIRUNNER_ISSUER_KMS_KEY_ID: two.id })
  await ok(task, 'ca', 'remove', old, '-y', '--tasks-replaced', ...secret)
  await reload(task)
  t.match(await inOrder(), /Nothing changed/)
  t.equal((await ok(task, 'whoami', '-o', 'name')).stdout, 'admin-bootstrap\n')
  await end(task)
})

t.test('a run that is killed is brought to its end by the next; there are never two new issuers', async (t) => {
  const deployment = await newDeployment(t)
  t.equal((await deployment.run()).code, 0)
  const { secret, ok, inOrder } = makeCli(t, deployment)
  const task = await startTask(t, deployment)
  const prepare = ['ca', 'prepare', '--issuer', ...secret, '-o', 'name']
  const isWrite = (operation: string) => /:(Put|Update)/.test(operation)
  const ids = new Set<string>()
  const writes: string[] = []
  for (let at = 1; at < 10; at++) {
    const run = deployment.spawn([...prepare, '--server', `https://localhost:${task.port}`])
    let count = 0
    // Killed right behind a write, each time behind the next one that a whole run makes.
    deployment.spies.aws.onCall = async (operation, forward) => {
      await forward()
      if (!isWrite(operation)) return undefined
      writes.push(operation)
      // Behind the first write nothing is on record, and the next run begins anew.
      if (++count < (at === 2 ? 2 : 1)) return undefined
      run.kill('SIGKILL')
      await run.ended
      return undefined
    }
    const { code } = await run.ended
    undisturbed(deployment)
    await deployment.forgetLease()
    const { items } = JSON.parse((await ok(task, 'ca', 'list', '-o', 'json')).stdout)
    for (const { kind, state, issuer_id } of items) if (kind === 'issuer' && state === 'prepared') ids.add(issuer_id)
    t.ok(ids.size < 2, 'one at most')
    if (code === 0) break
    // What was cut off anywhere is in order for bootstrap.
    if (at === 2 || at === 4) await inOrder()
  }
  t.match(writes.join(), /secretsmanager:PutSecretValue,.*ssm:PutParameter/)
  t.same([...ids], [(await ok(task, ...prepare)).stdout.trim()])
  t.equal((await deployment.secret('issuer-key'))?.match(/BEGIN/g)?.length, 2)
  t.match(await inOrder(), /Nothing changed/)
  await end(task)
  await noteKeys(deployment)
})

t.test('no key was said', async (t) => noKeyWasSaid(t, 10))

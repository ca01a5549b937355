/** The truststore against a real S3 of this machine: the job alone, then two servers and openssl as the one who relies on it. */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import t, { type Test } from 'tap'
import { makeS3ObjectStore } from '../../src/server/s3-object-store.ts'
import { truststoreKey as Key, makeTruststore, type TruststoreDeps } from '../../src/server/truststore.ts'
import { eventually } from '../support/agent-stream.ts'
import { identityOf, makeRequest } from '../support/client.ts'
import { startMinistack } from '../support/ministack.ts'
import { startPlane } from '../support/plane.ts'
import { giveIssuers, makeNextIssuer, prepare, step, whenReady } from '../support/rotation.ts'
import { startS3Front } from '../support/s3-front.ts'
import { missingTools } from '../support/tools.ts'

const missing = missingTools('ministack')
if (missing) {
  console.error(`SKIPPED: the truststore: ${missing}`)
  t.plan(0, missing)
  process.exit()
}

const aws = await startMinistack()
t.teardown(aws.stop)
const { endpoint, region, credentials } = aws
const s3 = new S3Client({ endpoint, region, credentials, forcePathStyle: true })
t.teardown(() => s3.destroy())

const makeBucket = async (Bucket = `truststore-${randomBytes(4).toString('hex')}`): Promise<string> => {
  await s3.send(new CreateBucketCommand({ Bucket }))
  await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }))
  return Bucket
}
const direct = (bucket: string) => makeS3ObjectStore({ bucket, endpoint, region, credentials })
const textIn = async (bucket: string) =>
  (
    await direct(bucket)
      .get(Key)
      .catch(() => undefined)
  )?.toString()
const versionsIn = async (Bucket: string) =>
  ((await s3.send(new ListObjectVersionsCommand({ Bucket }))).Versions ?? []).length

/** The job alone, behind a door that can be closed. */
const startJob = async (t: Test, bucket: string, more: Partial<TruststoreDeps> = {}) => {
  const front = await startS3Front(endpoint)
  t.teardown(front.stop)
  const logged: Record<string, unknown>[] = []
  const write = (line: object) => void logged.push({ ...line })
  let text = 'first\n'
  const job = makeTruststore({
    objects: makeS3ObjectStore({ bucket, endpoint: front.endpoint, region, credentials, budget: 1000 }),
    text: () => text,
    mayWrite: async () => true,
    letGo: async () => undefined,
    log: { info: write, warn: write },
    lookEvery: 100,
    ...more,
  })
  t.teardown(job.stop)
  const change = (now: string) => {
    text = now
    return job.changed()
  }
  return { job, front, logged, change, events: () => logged.map(({ event }) => event) }
}

t.test('what is trusted is written at every change, and only then; each version is kept', async (t) => {
  const bucket = await makeBucket()
  const { job, logged, change, events } = await startJob(t, bucket)
  await job.changed()
  t.equal(await textIn(bucket), 'first\n')
  t.match(logged, [{ event: 'truststore_published', object: Key, object_version: /./ }])
  await job.changed()
  t.equal(await versionsIn(bucket), 1, 'nothing new, nothing written')
  await Promise.all(['second\n', 'third\n', 'fourth\n'].map(change))
  t.equal(await textIn(bucket), 'fourth\n', 'what came while one was being written is not forgotten')
  t.ok((await versionsIn(bucket)) <= 4)
  t.strictSame(new Set(events()), new Set(['truststore_published']))
})

t.test('what somebody else has written or deleted is put right at the next look', async (t) => {
  const bucket = await makeBucket()
  const { job } = await startJob(t, bucket)
  job.start()
  const isRight = async () => (await textIn(bucket)) === 'first\n'
  t.ok(await eventually(isRight))
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'by hand' }))
  t.ok(await eventually(isRight), 'written')
  await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key }))
  t.ok(await eventually(isRight), 'deleted')
})

t.test(
  'who may not list the bucket is told that what is not there yet is forbidden, and writes it all the same',
  async (t) => {
    const bucket = await makeBucket()
    const { job, front, events } = await startJob(t, bucket)
    front.mood = 'no-list'
    await job.changed()
    t.equal(await textIn(bucket), 'first\n')
    t.strictSame(events(), ['truststore_published'])
  },
)

t.test('where it may write and never read it writes once for each change, and says so', async (t) => {
  const bucket = await makeBucket()
  const { job, front, logged, change, events } = await startJob(t, bucket)
  front.mood = 'no-read'
  for (let look = 0; look < 4; look++) await job.changed()
  t.equal(await versionsIn(bucket), 1)
  t.match(logged, [{ event: 'truststore_failed', object: Key, reason: /^AccessDenied: Access Denied$/ }])
  await change('second\n')
  await job.changed()
  t.equal(await textIn(bucket), 'second\n', 'a change gets through')
  t.equal(await versionsIn(bucket), 2)
  t.strictSame(events(), ['truststore_failed'], 'said once')
})

for (const [what, break_, reason] of [
  ['is not there', undefined, /^NoSuchBucket/],
  ['is forbidden', 'no-write', /^AccessDenied: Access Denied$/],
  ['is silent', 'silent', /^TimeoutError: no answer within 1000 ms$/],
] as const)
  t.test(`a bucket that ${what} is told of once, in words, and tried again`, async (t) => {
    const bucket = break_ ? await makeBucket() : `truststore-${randomBytes(4).toString('hex')}`
    const { job, front, logged, events } = await startJob(t, bucket)
    if (break_) front.mood = break_
    job.start()
    t.ok(await eventually(() => logged.length > 0))
    await new Promise((resolve) => setTimeout(resolve, 500))
    t.match(logged, [{ event: 'truststore_failed', reason }])
    t.equal(logged.length, 1)
    if (break_) front.mood = 'open'
    else await makeBucket(bucket)
    t.ok(await eventually(async () => (await textIn(bucket)) === 'first\n'), 'written as soon as it can be')
    t.ok(await eventually(() => events().length === 2))
    t.strictSame(events(), ['truststore_failed', 'truststore_published'])
    front.mood = 'silent'
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'by hand' }))
    t.ok(await eventually(() => events().length === 3), 'another outage is told of again')
    const began = performance.now()
    await job.stop()
    t.ok(performance.now() - began < 20_000, 'nobody waits long for it at the end')
    await job.changed()
    t.equal(events().length, 3, 'after its end it does nothing')
  })

t.test('who may not write asks the bucket nothing', async (t) => {
  const bucket = await makeBucket()
  let may: () => Promise<boolean> = async () => false
  const { job, front, logged } = await startJob(t, bucket, { mayWrite: () => may() })
  await job.changed()
  may = async () => {
    throw new Error('the registry does not answer')
  }
  await job.changed()
  t.strictSame(front.calls, [])
  t.match(logged, [{ event: 'truststore_failed', reason: 'Error: the registry does not answer' }])
  may = async () => true
  await job.changed()
  t.equal(await textIn(bucket), 'first\n')
})

t.test(
  'who alone does not reach the bucket gives others their turn, and takes it back when none of them has',
  async (t) => {
    const bucket = await makeBucket()
    let owner: string | undefined
    const take = (name: string) => async () => {
      owner ??= name
      return owner === name
    }
    const letGo = (name: string) => async () => {
      if (owner === name) owner = undefined
    }
    const one = await startJob(t, bucket, { mayWrite: take('one'), letGo: letGo('one') })
    const other = await startJob(t, bucket, { mayWrite: take('other'), letGo: letGo('other') })
    one.front.mood = 'no-write'
    one.job.start()
    t.ok(await eventually(() => one.logged.length > 0, 10_000))
    t.equal(owner, 'one')
    other.job.start()
    t.ok(await eventually(async () => (await textIn(bucket)) === 'first\n', 15_000), 'the other one writes it')
    t.equal(owner, 'other')
    await other.job.stop()
    owner = undefined
    one.front.mood = 'open'
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'by hand' }))
    t.ok(await eventually(async () => (await textIn(bucket)) === 'first\n', 15_000), 'nobody else is there')
    t.ok(await eventually(() => one.events().length === 2))
    t.strictSame(one.events(), ['truststore_failed', 'truststore_published'])
  },
)

t.test('one of two servers keeps it as issuers come and go, and openssl verifies clients by it', async (t) => {
  const bucket = await makeBucket()
  const front = await startS3Front(endpoint)
  t.teardown(front.stop)
  Object.assign(process.env, aws.env, { AWS_ENDPOINT_URL_S3: front.endpoint })
  const options = { flags: { truststoreBucket: bucket }, truststoreLook: 300 }
  const plane = await startPlane(t, options)
  const { admin, authority } = plane
  const rootPem = authority.env.AIRUNNER_CA_CERT
  const issuersOf =
    (...pems: string[]) =>
    async () => {
      const text = (await textIn(bucket)) ?? ''
      // Issuers, then roots.
      return (
        text.endsWith(rootPem) &&
        text.length === [...pems, rootPem].join('').length &&
        pems.every((pem) => text.includes(pem))
      )
    }
  const first = authority.env.AIRUNNER_ISSUER_CERT
  t.ok(await eventually(issuersOf(first)), 'at the start')
  const second = await plane.startServer(options)

  const dir = t.testdir()
  const verify = async (chainPem: string, sent?: string): Promise<string> => {
    const file = join(dir, 'truststore.pem')
    writeFileSync(file, (await textIn(bucket)) ?? '')
    writeFileSync(join(dir, 'leaf.pem'), chainPem.split(/(?<=-----END CERTIFICATE-----\n)/)[0] as string)
    const untrusted = sent === undefined ? [] : ['-untrusted', join(dir, 'sent.pem')]
    if (sent !== undefined) writeFileSync(join(dir, 'sent.pem'), sent)
    const args = ['verify', '-purpose', 'sslclient', '-CAfile', file, ...untrusted, join(dir, 'leaf.pem')]
    return promisify(execFile)('openssl', args).then(
      ({ stdout }) => stdout.replace(/^.*: /, '').trim(),
      ({ stderr }) => stderr,
    )
  }
  const old = await plane.enrol('worker-1')
  t.equal(await verify(old.issued.chain_pem), 'OK')

  const next = await makeNextIssuer(authority.root, 'next issuer')
  t.equal((await prepare(admin, next)).status, 201)
  t.ok(await eventually(issuersOf(first, next.pem)), 'prepared: who relies on it knows it before it signs')
  for (const server of [plane.server, second]) await giveIssuers(server, authority, [next])
  t.equal((await whenReady(() => step(admin, next.issuer_id, 'activate'))).status, 200)
  const fresh = await plane.enrol('worker-2')
  t.equal(fresh.issued.certificate.issuer_id, next.issuer_id)
  t.equal(await verify(fresh.issued.chain_pem), 'OK')

  t.equal((await step(admin, authority.issuer.issuer_id, 'retire')).status, 200)
  t.ok(await issuersOf(first, next.pem)(), 'a retired one is trusted still')
  const { key, csr_pem } = await makeRequest()
  const renewed = plane.clientOf(identityOf((await admin.post('/v1/renewals', { csr_pem })).body, key))
  const removal = { force: true, reason: 'test' }
  const removed = await whenReady(() => step(renewed, authority.issuer.issuer_id, 'remove', removal))
  t.equal(removed.status, 200, removed.body.detail)
  t.ok(await eventually(issuersOf(next.pem)), 'a removed one is gone, whatever the configuration says')
  t.match(await verify(old.issued.chain_pem), /unable to get local issuer certificate/)
  t.equal(await verify(old.issued.chain_pem, first), 'OK', 'though not for who sends it: docs/truststore.md says so')
  t.equal(await verify(fresh.issued.chain_pem), 'OK')

  const publishedBy = (server: typeof second) =>
    server.logged.filter(({ event }) => event === 'truststore_published').length
  t.ok(await eventually(() => publishedBy(plane.server) >= 3))
  t.equal(publishedBy(plane.server), 3, 'at the start, for the new one, without the old one')
  t.equal(publishedBy(second), 0)

  // The one that writes ends, and its lease: clocks of servers stand for the time that goes by.
  await plane.server.stop()
  const third = await plane.startServer({ ...options, clock: () => Date.now() + 200_000 })
  await giveIssuers(third, authority, [next])
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'by hand' }))
  t.ok(await eventually(issuersOf(next.pem)), 'another one goes on with it')
  t.ok(await eventually(() => publishedBy(third) === 1))

  front.mood = 'silent'
  const client = plane.clientOf(fresh.identity, second)
  t.equal((await client.get('/v1/whoami')).status, 200, 'a bucket that is silent holds up nobody')
  t.equal((await fetch(`http://${second.health}/readyz`)).status, 200)
})

import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  GetObjectRetentionCommand,
  ListObjectVersionsCommand,
  PutObjectLockConfigurationCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import t from 'tap'
import { type Checkpoint, isSignedBy } from '../../src/core/audit-chain.ts'
import { day } from '../../src/core/time.ts'
import { checkpointKey as Key } from '../../src/server/audit-watch.ts'
import { makeS3ObjectStore } from '../../src/server/s3-object-store.ts'
import { startMinistack } from '../support/ministack.ts'
import { type ServerOptions, startPlane } from '../support/plane.ts'
import { missingTools } from '../support/tools.ts'

const missing = missingTools('ministack')
const skip = missing ? { skip: missing } : {}
const auditTimes: NonNullable<ServerOptions['auditTimes']> = { linkEvery: 50, checkpointEvery: 300, watchEvery: 100 }

t.test(
  'checkpoints are kept in a bucket with object lock; what it did not take is carried over later',
  skip,
  async (t) => {
    const { endpoint, region, credentials, env: awsEnv, stop } = await startMinistack()
    t.teardown(stop)
    Object.assign(process.env, awsEnv)
    const s3 = new S3Client({ endpoint, region, credentials, forcePathStyle: true })
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const env = { AIRUNNER_AUDIT_KEY: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
    const Bucket = 'audit-checkpoints'
    const plane = await startPlane(t, { env, auditTimes, flags: { auditBucket: Bucket, auditRetention: '30d' } })
    const settled = async (what: string, holds: () => Promise<boolean> | boolean) => {
      for (let tries = 0; tries < 600; tries++) {
        if (await holds()) return
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      throw new Error(`it never came to this: ${what}`)
    }

    await settled('the bucket that is not there is told of', () =>
      plane.server.logged.some(({ event, bucket }) => event === 'audit_bucket_failed' && bucket === Bucket),
    )
    await s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }))
    await s3.send(
      new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled' } }),
    )
    const versions = async () =>
      ((await s3.send(new ListObjectVersionsCommand({ Bucket, Prefix: Key }))).Versions ?? []).map(
        ({ VersionId }) => VersionId,
      )
    await settled('all are there', async () => (await versions()).length >= 5)

    const newestFirst = await versions()
    const read = async (VersionId: string | undefined) =>
      JSON.parse(
        (await (await s3.send(new GetObjectCommand({ Bucket, Key, VersionId }))).Body?.transformToString()) ?? '',
      ) as Checkpoint
    const all = await Promise.all(newestFirst.reverse().map(read))
    t.same(
      all.map(({ n }) => n),
      all.map((_, i) => i + 1),
      'the first one too, and none is left out',
    )
    const bucket = makeS3ObjectStore({ bucket: Bucket, endpoint, region, credentials })
    const stored = all[2] as Checkpoint
    t.ok(isSignedBy(stored, publicKey))
    const { body } = await plane.admin.get(`/v1/audit-checkpoints?since=${stored.at}&limit=1`)
    t.same(body.items[0], stored, 'the same as in the table')
    t.ok(JSON.parse(String(await bucket.get(Key))).n >= all.length, 'the object itself is the newest')
    t.equal(await bucket.get('nothing'), undefined)

    const VersionId = newestFirst[2]
    const { Retention } = await s3.send(new GetObjectRetentionCommand({ Bucket, Key, VersionId }))
    t.equal(Retention?.Mode, 'COMPLIANCE')
    const kept = Number(Retention?.RetainUntilDate) - Date.now()
    t.ok(kept > 29 * day && kept <= 30 * day, `${kept} ms`)
    await t.rejects(s3.send(new DeleteObjectCommand({ Bucket, Key, VersionId })), 'nobody deletes it')

    const lock = { mode: 'governance', until: Date.now() + day } as const
    const governed = await bucket.put('governed', Buffer.from('x'), { contentType: 'text/plain', lock })
    const itself = { Bucket, Key: 'governed', VersionId: governed }
    t.match(await s3.send(new GetObjectRetentionCommand(itself)), { Retention: { Mode: 'GOVERNANCE' } })
    await t.rejects(s3.send(new DeleteObjectCommand(itself)), 'by the way')
    await s3.send(new DeleteObjectCommand({ ...itself, BypassGovernanceRetention: true }))
    const bypassing = { Bucket, Key, VersionId, BypassGovernanceRetention: true }
    await t.rejects(s3.send(new DeleteObjectCommand(bypassing)), 'in mode compliance there is no such right')
  },
)

t.test('a key in KMS signs the checkpoints', skip, async (t) => {
  const { endpoint, region, credentials, env: awsEnv, stop } = await startMinistack()
  t.teardown(stop)
  Object.assign(process.env, awsEnv)
  const kms = new KMSClient({ endpoint, region, credentials })
  const { KeyMetadata } = await kms.send(new CreateKeyCommand({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' }))
  const env = { AIRUNNER_AUDIT_KMS_KEY_ID: KeyMetadata?.KeyId as string }
  const plane = await startPlane(t, { env, auditTimes })
  t.notOk(
    plane.server.logged.some(({ event }) => event === 'audit_unsigned'),
    'there is a key',
  )
  let checkpoint: Checkpoint | undefined
  for (let tries = 0; checkpoint === undefined && tries < 600; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    checkpoint = (await plane.admin.get('/v1/audit-checkpoints')).body.items[0]
  }
  const key = createPublicKey({ key: Buffer.from(checkpoint?.public_key ?? '', 'base64'), format: 'der', type: 'spki' })
  t.ok(checkpoint && isSignedBy(checkpoint, key))
})

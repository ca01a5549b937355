import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import t, { type Test } from 'tap'
import { isControlError } from '../../src/core/errors.ts'
import { spkiOf } from '../../src/pki/keys.ts'
import { isKmsKeyId, type KmsOutcome, type KmsSignerOptions, openKmsSigner } from '../../src/pki/kms-signer.ts'
import { NoTurn } from '../../src/pki/kms-turns.ts'
import { TrustProblem } from '../../src/pki/trust.ts'
import type { AwsFault } from '../support/aws-service.ts'
import { startKms } from '../support/kms.ts'

const start = async (t: Test) => {
  const kms = await startKms()
  t.teardown(kms.stop)
  const outcomes: KmsOutcome[] = []
  const keyId = kms.addKey()
  const open = async (more: Partial<KmsSignerOptions> = {}) => {
    const signer = await openKmsSigner({
      keyId,
      client: kms.client,
      observe: (_operation, outcome) => void outcomes.push(outcome),
      ...more,
    })
    t.teardown(signer.close)
    return signer
  }
  return { kms, keyId, open, outcomes }
}

const failureOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  )
const unavailable = (error: unknown): boolean =>
  isControlError(error, 'issuer_unavailable') && error.retryAfterSeconds !== undefined

t.test('signs over a digest that is made here, and the signature verifies', async (t) => {
  const { kms, keyId, open, outcomes } = await start(t)
  const signer = await open()
  t.equal(signer.keyArn, kms.arnOf(keyId))
  for (const text of ['', 'a certificate', 'x'.repeat(10_000)]) {
    const signature = await signer.sign(Buffer.from(text))
    t.ok(verify('sha256', Buffer.from(text), { key: signer.publicKey, dsaEncoding: 'der' }, signature))
  }
  t.same(outcomes, ['ok', 'ok', 'ok', 'ok'])
})

t.test('a key of another kind is refused', async (t) => {
  const { kms, open } = await start(t)
  const keys = {
    'on P-384': [generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey, 'ECC_NIST_P384'],
    'on secp256k1': [generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey, 'ECC_SECG_P256K1'],
    'of RSA': [generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey, 'RSA_2048'],
    'said to be on P-256': [generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey, 'ECC_NIST_P256'],
  } as const
  for (const [name, [key, spec]] of Object.entries(keys))
    await t.rejects(open({ keyId: kms.addKey(key, spec) }), { name: 'TrustProblem' }, name)
  kms.decide = () => ({
    kind: 'body',
    text: JSON.stringify({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'KEY_AGREEMENT', PublicKey: 'AAAA' }),
  })
  await t.rejects(open(), TrustProblem, 'for another use')
})

const faults: [string, AwsFault, KmsOutcome][] = [
  ['is gone', { kind: 'refuse' }, 'unreachable'],
  ['never answers', { kind: 'hang' }, 'timeout'],
  ['throttles', { kind: 'error', name: 'ThrottlingException' }, 'throttled'],
  ['is over its limit', { kind: 'error', name: 'LimitExceededException' }, 'throttled'],
  ['breaks down', { kind: 'error', name: 'KMSInternalException', status: 500 }, 'failed'],
  ['speaks another language', { kind: 'body', text: '<html>' }, 'failed'],
  ['denies access', { kind: 'error', name: 'AccessDeniedException' }, 'refused'],
  ['has disabled the key', { kind: 'error', name: 'DisabledException' }, 'refused'],
  ['deletes the key', { kind: 'error', name: 'KMSInvalidStateException' }, 'refused'],
  ['knows no such key', { kind: 'error', name: 'NotFoundException' }, 'refused'],
  ['answers nothing', { kind: 'body', text: '{}' }, 'wrong_signature'],
]

for (const [name, fault, outcome] of faults)
  t.test(`a KMS that ${name}: issuer_unavailable within the budget, and good again by itself`, async (t) => {
    const { kms, open, outcomes } = await start(t)
    const signer = await open({ budget: 600, requestTimeout: 200 })
    outcomes.length = 0
    kms.decide = () => fault
    const started = performance.now()
    t.ok(unavailable(await failureOf(signer.sign(Buffer.from('x')))))
    t.ok(performance.now() - started < 20_000)
    t.ok(outcomes.length > 0 && outcomes.every((each) => each === outcome), outcomes.join())
    const once = outcome === 'refused' || outcome === 'wrong_signature'
    t.equal(outcomes.length === 1, once, 'what does not pass is not tried again')
    const unopened = await failureOf(open({ budget: 600, requestTimeout: 200 }))
    t.ok(unavailable(unopened) || unopened instanceof TrustProblem, 'nor is it opened')
    kms.decide = () => ({ kind: 'pass' })
    t.ok((await signer.sign(Buffer.from('x'))).length > 60)
  })

t.test('one bad moment is passed over', async (t) => {
  const { kms, open, outcomes } = await start(t)
  const signer = await open()
  outcomes.length = 0
  let calls = 0
  kms.decide = () => (calls++ < 2 ? { kind: 'error', name: 'ThrottlingException' } : { kind: 'pass' })
  await signer.sign(Buffer.from('x'))
  t.same(outcomes, ['throttled', 'throttled', 'ok'])
})

t.test('a signature of another key never leaves, nor one of a redirected alias', async (t) => {
  const { kms, keyId, open, outcomes } = await start(t)
  kms.point('alias/issuer', keyId)
  const signer = await open({ keyId: 'alias/issuer' })
  const other = kms.addKey()
  kms.point('alias/issuer', other)
  t.ok(await signer.sign(Buffer.from('x')), 'the key that was opened goes on signing')
  const again = await open({ keyId: 'alias/issuer' })
  t.notSame(spkiOf(again.publicKey), spkiOf(signer.publicKey))
  const thief = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  kms.signWith = thief
  t.ok(unavailable(await failureOf(signer.sign(Buffer.from('x')))))
  t.equal(outcomes.at(-1), 'wrong_signature')
  kms.decide = () => ({ kind: 'body', text: JSON.stringify({ Signature: Buffer.from('not DER').toString('base64') }) })
  t.ok(unavailable(await failureOf(signer.sign(Buffer.from('x')))))
  t.ok(createPublicKey(thief))
})

t.test('so many at the same time and no more; who finds the line full is told at once', async (t) => {
  const { kms, open, outcomes } = await start(t)
  const signer = await open({ maxInFlight: 4, maxWaiting: 8, budget: 5000 })
  let now = 0
  let most = 0
  kms.decide = () => {
    now += 1
    most = Math.max(most, now)
    setTimeout(() => now--, 90)
    return { kind: 'slow', milliseconds: 100 }
  }
  outcomes.length = 0
  const started = performance.now()
  const refusedAfter: number[] = []
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, () =>
      signer.sign(Buffer.from('x')).catch((error) => {
        refusedAfter.push(performance.now() - started)
        throw error
      }),
    ),
  )
  t.equal(results.filter(({ status }) => status === 'fulfilled').length, 12)
  t.equal(most, 4)
  t.equal(refusedAfter.length, 8)
  t.ok(
    refusedAfter.every((milliseconds) => milliseconds < 80),
    refusedAfter.join(),
  )
  for (const result of results)
    if (result.status === 'rejected') {
      t.ok(unavailable(result.reason))
      t.ok(result.reason.cause instanceof NoTurn)
    }
  t.equal(outcomes.filter((outcome) => outcome === 'busy').length, 8)
})

t.test('closing waits for what is in flight, and is not the end', async (t) => {
  const { kms, open } = await start(t)
  const signer = await open()
  kms.decide = () => ({ kind: 'slow', milliseconds: 100 })
  const signing = signer.sign(Buffer.from('x'))
  await signer.close()
  t.ok(await signing)
  t.ok(await signer.sign(Buffer.from('x')))
})

t.test('names of keys', (t) => {
  const id = '1234abcd-12ab-34cd-56ef-1234567890ab'
  const arn = 'arn:aws:kms:us-east-2:111122223333'
  const multiRegion = 'mrk-1234abcd12ab34cd56ef1234567890ab'
  for (const good of [
    id,
    multiRegion,
    'alias/a/b_c-d',
    `${arn}:key/${id}`,
    `${arn}:key/${multiRegion}`,
    `${arn}:alias/a`,
  ])
    t.ok(isKmsKeyId(good), good)
  for (const bad of ['', 'x', `key/${id}`, `${arn}:${id}`, 'alias/', 'alias/a b', `${id} `, 'arn:aws:s3:::bucket', '*'])
    t.notOk(isKmsKeyId(bad), bad)
  t.end()
})

t.test('the region is that of the ARN, unless one is named', async (t) => {
  const { kms, keyId } = await start(t)
  const { endpoint, credentials } = kms.client
  const signer = await openKmsSigner({ keyId: kms.arnOf(keyId), client: { endpoint, credentials } })
  t.teardown(signer.close)
  t.ok(await signer.sign(Buffer.from('x')))
})

import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'
import { ControlError } from '../core/errors.ts'
import { second, withinTime } from '../core/time.ts'
import { isP256Spki } from './keys.ts'
import { awsFailureOf, type KmsFailure, unavailable } from './kms-failure.ts'
import { makeTurns } from './kms-turns.ts'
import type { Signer } from './signer.ts'
import { TrustProblem } from './trust.ts'

export type KmsOperation = 'get_public_key' | 'sign'
/** How a call ended; `busy`: it was never sent, for too many were waiting. */
export type KmsOutcome = 'ok' | KmsFailure | 'wrong_signature' | 'busy'

export interface KmsSignerOptions {
  /** Id, ARN, `alias/name` or ARN of an alias. */
  keyId: string
  /** Otherwise the standard AWS variables and their endpoints; of a key's ARN, its region. */
  client?: {
    endpoint?: string
    region?: string
    credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string }
  }
  /** Calls at the same time, and how many may wait for their turn; more are refused at once. */
  maxInFlight?: number
  maxWaiting?: number
  /** For a signature with all its tries and its wait, milliseconds. */
  budget?: number
  /** For one try, milliseconds. */
  requestTimeout?: number
  /** Told of every call: its outcome, its seconds, and why it failed. */
  observe?: (operation: KmsOperation, outcome: KmsOutcome, seconds: number, error?: unknown) => void
  /** In [0, 1): jitter. */
  random?: () => number
}

export interface KmsSigner extends Signer {
  /** ARN of the key that signs, also when it was named by an alias: a redirected alias does not change it. */
  readonly keyArn: string
  /** Lets go of the connections once what is in flight has ended. Signing later opens new ones. */
  close(): Promise<void>
}

const defaults = { maxInFlight: 64, maxWaiting: 512, budget: 5 * second, requestTimeout: 3 * second }
const connectionTimeout = second
const firstPause = second / 10
const longestPause = second
/** Below this a try is not worth its request. Milliseconds. */
const leastTime = 20

const keyName = 'mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
const aliasName = 'alias/[\\w/-]{1,250}'
const arnPrefix = 'arn:aws[a-z-]*:kms:[a-z0-9-]+:\\d{12}:'
const keyIdExpression = new RegExp(`^(?:${keyName}|${aliasName}|${arnPrefix}(?:key/(?:${keyName})|${aliasName}))$`)

/** Looks like what KMS takes for a key: its id, an alias, or the ARN of either. */
export const isKmsKeyId = (text: string): boolean => keyIdExpression.test(text)

const regionOf = (keyId: string): string | undefined => /^arn:[^:]+:kms:([^:]+):/.exec(keyId)?.[1]

/** The key as KMS describes it. Throws TrustProblem for one that cannot be an issuer's. */
const readPublicKey = (answer: {
  KeySpec?: string | undefined
  KeyUsage?: string | undefined
  PublicKey?: Uint8Array | undefined
}): KeyObject => {
  const { KeySpec, KeyUsage, PublicKey } = answer
  if (KeySpec !== 'ECC_NIST_P256' || KeyUsage !== 'SIGN_VERIFY')
    throw new TrustProblem(`found a KMS key ${KeySpec} / ${KeyUsage}, expected ECC_NIST_P256 / SIGN_VERIFY`)
  if (PublicKey === undefined || !isP256Spki(PublicKey))
    throw new TrustProblem('KMS answers with a public key that cannot be read, expected one on P-256')
  try {
    return createPublicKey({ key: Buffer.from(PublicKey), format: 'der', type: 'spki' })
  } catch {
    throw new TrustProblem('KMS answers with a public key that is not on its curve, expected one on P-256')
  }
}

/**
 * Opens a key in AWS KMS for signing; the SDK is loaded only here. The digest is made here, and a signature that the public
 * key does not verify never leaves. Rejects with TrustProblem for a key of another kind and with ControlError
 * `issuer_unavailable`, whose `cause` says why, when KMS does not answer, is too slow, or refuses; so does each `sign`.
 */
export const openKmsSigner = async (options: KmsSignerOptions): Promise<KmsSigner> => {
  const { keyId, observe = () => undefined, random = Math.random } = options
  const { maxInFlight, maxWaiting, budget, requestTimeout } = { ...defaults, ...options }
  const { GetPublicKeyCommand, KMSClient, SignCommand } = await import('@aws-sdk/client-kms')
  const region = options.client?.region ?? regionOf(keyId)
  const agent = { keepAlive: true, maxSockets: maxInFlight }
  const client = new KMSClient({
    ...options.client,
    ...(region === undefined ? {} : { region }),
    // Tries are counted here, where the time for all of them is known.
    maxAttempts: 1,
    requestHandler: { connectionTimeout, httpAgent: agent, httpsAgent: agent },
  })
  const turns = makeTurns({ maxInFlight, maxWaiting })

  const call = async <T>(operation: KmsOperation, run: (abortSignal: AbortSignal) => Promise<T>): Promise<T> => {
    const until = performance.now() + budget
    const timeLeft = () => until - performance.now()
    const asked = performance.now()
    const leave = await turns.take(budget).catch((error: unknown) => {
      observe(operation, 'busy', (performance.now() - asked) / second, error)
      throw unavailable('too many signatures are waiting for the key service', error)
    })
    try {
      for (let tries = 0; ; tries++) {
        const started = performance.now()
        const note = (outcome: KmsOutcome, error?: unknown) =>
          observe(operation, outcome, (performance.now() - started) / second, error)
        try {
          const answer = await withinTime(Math.min(requestTimeout, Math.max(leastTime, timeLeft())), run)
          note('ok')
          return answer
        } catch (error) {
          if (error instanceof ControlError || error instanceof TrustProblem) {
            note(error instanceof TrustProblem ? 'refused' : 'wrong_signature', error)
            throw error
          }
          const { kind, passes } = awsFailureOf(error)
          note(kind, error)
          const pause = random() * Math.min(longestPause, firstPause * 2 ** tries)
          if (!passes || timeLeft() < pause + leastTime)
            throw unavailable(
              passes ? 'the key service does not answer' : 'the key service refuses to sign with this key',
              error,
            )
          await new Promise((resolve) => setTimeout(resolve, pause))
        }
      }
    } finally {
      leave()
    }
  }

  const close = async () => {
    await turns.allDone()
    client.destroy()
  }
  const opened = await call('get_public_key', async (abortSignal) => {
    const answer = await client.send(new GetPublicKeyCommand({ KeyId: keyId }), { abortSignal })
    return { publicKey: readPublicKey(answer), keyArn: answer.KeyId ?? keyId }
  }).catch((error: unknown) => {
    client.destroy()
    throw error
  })
  const { publicKey, keyArn } = opened

  return {
    publicKey,
    keyArn,
    sign: (tbs) => {
      const digest = createHash('sha256').update(tbs).digest()
      return call('sign', async (abortSignal) => {
        const { Signature } = await client.send(
          new SignCommand({
            KeyId: keyArn,
            Message: digest,
            MessageType: 'DIGEST',
            SigningAlgorithm: 'ECDSA_SHA_256',
          }),
          { abortSignal },
        )
        const signature = Buffer.from(Signature ?? [])
        if (!verify('sha256', tbs, { key: publicKey, dsaEncoding: 'der' }, signature))
          throw unavailable('the key service answers with a signature of another key')
        return signature
      })
    },
    close,
  }
}

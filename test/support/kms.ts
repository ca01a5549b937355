import { createECDH, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, randomUUID } from 'node:crypto'
import { sequence } from '../../src/pki/der-encode.ts'
import { AwsError, type AwsService, startAwsService } from './aws-service.ts'

export interface KmsStandIn extends AwsService {
  /** A key that signs; answers its id. Another than on P-256 is described as `spec`. */
  addKey(privateKey?: KeyObject, spec?: string): string
  /** Lets `alias/name` mean a key. */
  point(alias: string, keyId: string): void
  arnOf(keyId: string): string
  /** By which key signatures are made, whichever is named; undefined: the named one. */
  signWith: KeyObject | undefined
  /** The environment in which the SDK finds it. */
  env: Record<string, string>
}

/** The order of P-256. @see FIPS 186-5, SP 800-186 §3.2.1.3 */
const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
const toBigInt = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
const power = (base: bigint, exponent: bigint): bigint => {
  let result = 1n
  for (let [b, e] = [base % order, exponent]; e > 0n; e >>= 1n, b = (b * b) % order)
    if (e & 1n) result = (result * b) % order
  return result
}
const derInteger = (value: bigint): Buffer => {
  const hex = value.toString(16)
  const bytes = Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex')
  const positive = (bytes[0] as number) & 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes
  return Buffer.concat([Buffer.of(2, positive.length), positive])
}

/** ECDSA over a digest that was made elsewhere, which node:crypto does not offer. For tests only: not in constant time. */
const signDigest = (privateKey: KeyObject, digest: Uint8Array): Buffer => {
  const secret = toBigInt(Buffer.from(privateKey.export({ format: 'jwk' }).d as string, 'base64url'))
  for (;;) {
    const k = randomBytes(32)
    if (toBigInt(k) === 0n || toBigInt(k) >= order) continue
    const point = createECDH('prime256v1')
    point.setPrivateKey(k)
    const r = toBigInt(point.getPublicKey().subarray(1, 33)) % order
    const s = (power(toBigInt(k), order - 2n) * (toBigInt(digest) + r * secret)) % order
    if (r !== 0n && s !== 0n) return sequence(derInteger(r), derInteger(s))
  }
}

const account = '111122223333'

/** Enough of KMS to sign with: real keys, GetPublicKey and Sign, and faults on demand. */
export const startKms = async (): Promise<KmsStandIn> => {
  const keys = new Map<string, { privateKey: KeyObject; spec: string }>()
  const aliases = new Map<string, string>()
  const arnOf = (keyId: string) => `arn:aws:kms:us-east-1:${account}:key/${keyId}`
  const find = (name: unknown) => {
    const last = String(name).replace(/^arn:[^/]*:(key\/)?/, '')
    const id = aliases.get(last) ?? last
    const key = keys.get(id)
    if (key === undefined) throw new AwsError('NotFoundException')
    return { id, ...key }
  }
  const service = await startAwsService({
    GetPublicKey: ({ KeyId }) => {
      const { id, privateKey, spec } = find(KeyId)
      const der = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
      return {
        KeyId: arnOf(id),
        KeySpec: spec,
        KeyUsage: 'SIGN_VERIFY',
        SigningAlgorithms: ['ECDSA_SHA_256'],
        PublicKey: der.toString('base64'),
      }
    },
    Sign: ({ KeyId, Message, MessageType, SigningAlgorithm }) => {
      const { id, privateKey } = find(KeyId)
      const digest = Buffer.from(String(Message), 'base64')
      if (MessageType !== 'DIGEST' || SigningAlgorithm !== 'ECDSA_SHA_256' || digest.length !== 32)
        throw new AwsError('ValidationException')
      const signature = signDigest(kms.signWith ?? privateKey, digest)
      return { KeyId: arnOf(id), Signature: signature.toString('base64'), SigningAlgorithm }
    },
  })
  const kms: KmsStandIn = Object.assign(service, {
    addKey: (privateKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, spec = 'ECC_NIST_P256') => {
      const id = randomUUID()
      keys.set(id, { privateKey, spec })
      return id
    },
    point: (alias: string, keyId: string) => void aliases.set(alias, keyId),
    arnOf,
    signWith: undefined,
    env: {
      AWS_ENDPOINT_URL_KMS: service.endpoint,
      AWS_REGION: service.client.region,
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
    },
  })
  return kms
}

import { createHash, createHmac, createSecretKey, type Hash, type Hmac, type KeyObject } from 'node:crypto'
import { SignatureV4 } from '@smithy/signature-v4'
import type { AwsCredentials, AwsSettings } from './aws-settings.ts'

/** A key of today, as Node takes it without asking what it may be: that costs more than the sum itself. */
const keys = new WeakMap<Uint8Array, KeyObject>()
const keyOf = (secret: Uint8Array): KeyObject => {
  const known = keys.get(secret)
  if (known !== undefined) return known
  const key = createSecretKey(secret)
  keys.set(secret, key)
  return key
}

/** SHA-256 or, with a secret, HMAC-SHA-256, by OpenSSL: the one that comes with the signer is written in JavaScript. */
class Sha256 {
  #hash: Hash | Hmac
  readonly #secret: string | Uint8Array | undefined
  constructor(secret?: unknown) {
    // The signer gives its secrets as text or octets, never as another view.
    this.#secret = secret as string | Uint8Array | undefined
    this.#hash = this.#begin()
  }
  #begin(): Hash | Hmac {
    if (this.#secret === undefined) return createHash('sha256')
    return createHmac('sha256', typeof this.#secret === 'string' ? this.#secret : keyOf(this.#secret))
  }
  update(data: Uint8Array): void {
    this.#hash.update(data)
  }
  async digest(): Promise<Uint8Array> {
    return this.#hash.digest()
  }
  reset(): void {
    this.#hash = this.#begin()
  }
}

/** Signs POST requests for DynamoDB: answers the headers to send. @see Signature Version 4 of AWS */
export const makeSign = () => {
  let signer: SignatureV4
  let signsAs: AwsCredentials | undefined
  return async (
    settings: AwsSettings,
    headers: Record<string, string>,
    body: string,
    signingDate: Date,
  ): Promise<Record<string, string>> => {
    const { protocol, hostname, path, region, credentials } = settings
    if (signsAs !== credentials) {
      signer = new SignatureV4({ service: 'dynamodb', region, credentials, sha256: Sha256 })
      signsAs = credentials
    }
    const request = { method: 'POST', protocol, hostname, path, query: {}, headers, body }
    return (await (signer as SignatureV4).sign(request, { signingDate })).headers
  }
}

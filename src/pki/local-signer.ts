import { createPrivateKey, type KeyObject, sign } from 'node:crypto'
import { isP256Key, publicKeyOf } from './keys.ts'
import type { Signer } from './signer.ts'

/** Signs with a private key in memory: a KeyObject, or unencrypted PEM. Throws when it is not a P-256 key. */
export const makeLocalSigner = (privateKey: KeyObject | string): Signer => {
  const key = typeof privateKey === 'string' ? createPrivateKey(privateKey) : privateKey
  if (key.type !== 'private' || !isP256Key(key)) throw new Error('a signer needs a P-256 private key')
  return {
    publicKey: publicKeyOf(key),
    async sign(tbs) {
      // In DER, which is Node's default: options around the key cost a third more than the signature itself.
      return sign('sha256', tbs, key)
    },
  }
}

import type { KeyObject } from 'node:crypto'

/** A P-256 key that signs, wherever it lives: in memory, or in a key service where signing is a network call. */
export interface Signer {
  readonly publicKey: KeyObject
  /** ECDSA over the SHA-256 of `tbs`, as a DER Ecdsa-Sig-Value. Rejects when the key cannot be reached. @see RFC 3279 §2.2.3 */
  sign(tbs: Uint8Array): Promise<Buffer>
  /** Of a key that can be out of reach: false from a failed signature until the next good one. */
  ready?(): boolean
}

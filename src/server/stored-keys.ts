import type { StoredKeys } from './authorities.ts'
import type { KmsKeys } from './kms-keys.ts'

/** The keys in KMS that the registry names beside its issuers. */
export const storedKeysOf = (kms: Pick<KmsKeys, 'want' | 'known'>): StoredKeys => ({
  want: kms.want,
  known: () => kms.known('storedIssuer').map(({ signer }) => signer),
})

import { createIssuer } from '../../src/pki/ca.ts'
import { issuerOf } from '../../src/pki/issuer.ts'
import { generateKeyPair, privateKeyPem } from '../../src/pki/keys.ts'
import type { Authority } from './authority.ts'

/** Another issuer of clients below the same root, with its key as PEM. */
export const makeNextIssuer = async ({ root }: Pick<Authority, 'root'>, now = Date.now()) => {
  const { publicKey, privateKey } = generateKeyPair()
  const { der, pem } = await createIssuer({ root, publicKey, common_name: 'next issuer', usage: 'client', now })
  return { pem, key_pem: privateKeyPem(privateKey), issuer_id: issuerOf(der).issuer_id }
}

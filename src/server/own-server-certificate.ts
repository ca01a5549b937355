import { X509Certificate } from 'node:crypto'
import { createServerCertificate } from '../pki/ca.ts'
import type { Issuer } from '../pki/issuer.ts'
import { generateKeyPair, privateKeyPem } from '../pki/keys.ts'
import type { ServerCertificate } from './secrets.ts'

/** A server certificate for this process alone, for 7 days; its key is never written anywhere. `now` in Unix milliseconds. */
export const issueServerCertificate = async (
  issuer: Issuer,
  hostname: string,
  now: number,
): Promise<ServerCertificate> => {
  const { publicKey, privateKey } = generateKeyPair()
  const { der, pem } = await createServerCertificate({ issuer, publicKey, hostname, now })
  const leaf = new X509Certificate(der)
  return {
    chain_pem: pem + issuer.pem,
    key_pem: privateKeyPem(privateKey),
    not_before: leaf.validFromDate.getTime(),
    not_after: leaf.validToDate.getTime(),
  }
}

import { type KeyObject, X509Certificate } from 'node:crypto'
import { createIssuer, createRoot } from '../../pki/ca.ts'
import { issuerIdOf } from '../../pki/issuer.ts'
import { generateKeyPair, publicKeyOf, spkiOf } from '../../pki/keys.ts'
import { makeLocalSigner } from '../../pki/local-signer.ts'
import type { VaultEntryWithKey } from '../bootstrap/vault.ts'

/**
 * The name of an authority that a rotation makes: with its id, for what is found by a name (CRLs, chains) must not be found
 * under two. 64 characters at most, whatever the hostname.
 */
const nameOf = (role: string, publicKey: KeyObject, hostname: string): string =>
  `${role} ${issuerIdOf(spkiOf(publicKey))} ${hostname}`.slice(0, 64).trim()

/** A root for a key; a new key unless one is given. `now` in Unix milliseconds. */
export const makeRoot = async (
  hostname: string,
  now: number,
  key: KeyObject = generateKeyPair().privateKey,
): Promise<VaultEntryWithKey> => {
  const signer = makeLocalSigner(key)
  const made = await createRoot({ signer, common_name: nameOf('airunner root', publicKeyOf(key), hostname), now })
  return { certificate: new X509Certificate(made.der), key }
}

export interface IssuerOrder {
  root: VaultEntryWithKey
  publicKey: KeyObject
  usage: 'client' | 'server'
  hostname: string
  /** Unix milliseconds. */
  now: number
}

/** The certificate of an issuer below a root. */
export const certifyIssuer = async ({
  root,
  publicKey,
  usage,
  hostname,
  now,
}: IssuerOrder): Promise<X509Certificate> => {
  const made = await createIssuer({
    root: { certificate: root.certificate, signer: makeLocalSigner(root.key) },
    publicKey,
    common_name: nameOf(usage === 'client' ? 'airunner issuer' : 'airunner server issuer', publicKey, hostname),
    usage,
    now,
  })
  return new X509Certificate(made.der)
}

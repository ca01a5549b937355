import { certificatePem } from '../../pki/pem.ts'
import { readCertificateChain } from '../../pki/trust.ts'
import { isPlaceholder, type ParameterShelf, type SecretShelf } from '../bootstrap/shelves.ts'
import type { Vault, VaultEntry } from '../bootstrap/vault.ts'
import { issuerKeysFor } from '../bootstrap/vault-entries.ts'

export interface Shelves {
  parameters: ParameterShelf
  secrets: SecretShelf
}

const chainIn = (text: string) => (isPlaceholder(text) ? [] : readCertificateChain(text))

/** Puts the keys of the published issuers into the secret of the servers. True when it was not so. */
const publishKeys = async ({ parameters, secrets }: Shelves, vault: Vault, issuerCert?: string): Promise<boolean> => {
  const text = issuerCert ?? (await parameters.read())['issuer-cert']
  const keys = issuerKeysFor(
    vault,
    chainIn(text).map(({ publicKey }) => publicKey),
  )
  const { ids, current } = await secrets.versions('issuer-key')
  if (keys === undefined || keys.version === current) return false
  if (!ids.includes(keys.version)) await secrets.stage('issuer-key', keys.version, keys.pem)
  await secrets.promote('issuer-key', keys.version, current)
  return true
}

/**
 * Adds an issuer of a vault to what servers read; returns what was written. The certificate before the key: a server that
 * starts in between knows an issuer whose key it has not got, while a key without its certificate would keep it from starting.
 */
export const publishIssuer = async (shelves: Shelves, vault: Vault, { certificate }: VaultEntry): Promise<string[]> => {
  const there = chainIn((await shelves.parameters.read())['issuer-cert'])
  const absent = there.some(({ publicKey }) => publicKey.equals(certificate.publicKey)) ? [] : [certificate]
  const all = [...there, ...absent].map(({ raw }) => certificatePem(raw)).join('')

  // 1. The certificate. A crash leaves an issuer that is known and has no key on any server.
  if (absent.length > 0) await shelves.parameters.write('issuer-cert', all)
  // 2. The key, which a task gets when it starts.
  const keys = await publishKeys(shelves, vault, all)
  return [...(absent.length > 0 ? ['issuer-cert'] : []), ...(keys ? ['issuer-key'] : [])]
}

/** Takes the keys of issuers that the vault has no more from what servers get when they start. */
export const withdrawKeys = (shelves: Shelves, vault: Vault): Promise<boolean> => publishKeys(shelves, vault)

/** Takes certificates from a parameter; returns whether they were there. */
export const withdrawCertificates = async (
  { parameters }: Pick<Shelves, 'parameters'>,
  name: 'issuer-cert' | 'ca-cert',
  isGone: (certificate: ReturnType<typeof readCertificateChain>[number]) => boolean,
): Promise<boolean> => {
  const there = chainIn((await parameters.read())[name])
  const stays = there.filter((each) => !isGone(each))
  if (stays.length === there.length || stays.length === 0) return false
  await parameters.write(name, stays.map(({ raw }) => certificatePem(raw)).join(''))
  return true
}

import { type KeyObject, X509Certificate } from 'node:crypto'
import { readPrivateKeys } from '../../pki/keys.ts'
import { signedBy } from '../../pki/path.ts'
import { PemProblem, readPem, writePem } from '../../pki/pem.ts'
import { BootstrapProblem } from '../bootstrap/keys.ts'
import type { VaultEntryWithKey } from '../bootstrap/vault.ts'

const unfit = (why: string, next: string, cause?: unknown) =>
  new BootstrapProblem(`the file of the root's key: ${why}`, { next, cause })

const blocksOf = (text: string): { keys: KeyObject[]; certificates: X509Certificate[] } => {
  const next = 'Give a file of PEM blocks: PRIVATE KEY of the root, and its CERTIFICATE if no server trusts it yet.'
  try {
    const blocks = readPem(text)
    const isCertificate = ({ label }: { label: string }) => label === 'CERTIFICATE'
    const keys = blocks.filter((each) => !isCertificate(each)).map(({ label, der }) => writePem(label, der))
    return {
      keys: readPrivateKeys(keys.join('')),
      certificates: blocks.filter(isCertificate).map(({ der }) => new X509Certificate(der)),
    }
  } catch (cause) {
    throw unfit(cause instanceof PemProblem ? cause.message : 'a certificate cannot be read', next, cause)
  }
}

/**
 * The root whose key stands in a text: with its certificate from the same text, or from the roots that servers trust. A
 * text with more keys, such as the whole secret `ca-key`, gives the root among them. Errors never hold the text.
 */
export const readRootKey = (text: string, trusted: readonly X509Certificate[]): VaultEntryWithKey => {
  const { keys, certificates } = blocksOf(text)
  if (keys.length === 0) throw unfit('found no private key', 'Give the file with the key of the root.')
  const roots = [...certificates.filter((each) => signedBy(each, each)), ...trusted]
  for (const key of keys) {
    const certificate = roots.find((each) => each.checkPrivateKey(key))
    if (certificate !== undefined) return { certificate, key }
  }
  throw unfit(
    'its key belongs to none of the roots that the servers trust',
    'Give the key of one of them: `airunner ca list` shows them.',
  )
}

import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { sha256Hex } from '../../core/bytes.ts'
import { privateKeyPem, readPrivateKeys, spkiOf } from '../../pki/keys.ts'
import { signedBy, usageProblem } from '../../pki/path.ts'
import { certificatePem, readPem, writePem } from '../../pki/pem.ts'
import { readCertificate } from '../../pki/read-certificate.ts'
import { BootstrapProblem } from './keys.ts'

/** One authority: its certificate, and its key unless a key service has it. */
export interface VaultEntry {
  certificate: X509Certificate
  key?: KeyObject
}
export type VaultEntryWithKey = Required<VaultEntry>

/**
 * What the secret `ca-key` holds, for the administrator alone: PEM blocks, the root's key first, each followed by its
 * certificate. Everything else in a deployment can be made again from it.
 */
export interface Vault {
  root: VaultEntryWithKey
  issuer: VaultEntry
  serverIssuer: VaultEntryWithKey
  /** Those of a rotation: what comes, and what has not gone yet, in the order in which it was made. */
  others?: VaultEntry[]
}

/** What was found in the secret: a root's key that was put there by hand may stand alone. */
export interface FoundVault extends Partial<Vault> {
  rootKey: KeyObject
}

const entryPem = ({ certificate, key }: VaultEntry): string =>
  (key === undefined ? '' : privateKeyPem(key)) + certificatePem(certificate.raw)

export const entriesOf = ({ root, issuer, serverIssuer, others = [] }: Vault): VaultEntry[] => [
  root,
  issuer,
  serverIssuer,
  ...others,
]

export const writeVault = (vault: Vault): string => entriesOf(vault).map(entryPem).join('')

/** Names a vault by its certificates, which follow from its keys: the id of its version in the secret. 64 hex digits. */
export const vaultVersion = (vault: Vault): string =>
  sha256Hex(Buffer.concat(entriesOf(vault).map(({ certificate }) => certificate.raw)))

const unfit = (why: string, cause?: unknown) =>
  new BootstrapProblem(`the secret ca-key holds something else than bootstrap puts there: ${why}`, {
    next: 'Put back the version that was there before (`aws secretsmanager update-secret-version-stage`), or a root key as one PEM block PRIVATE KEY.',
    cause,
  })

const blocksOf = (text: string): { keys: KeyObject[]; certificates: X509Certificate[] } => {
  try {
    const blocks = readPem(text)
    const isCertificate = ({ label }: { label: string }) => label === 'CERTIFICATE'
    return {
      keys: readPrivateKeys(
        blocks
          .filter((block) => !isCertificate(block))
          .map(({ label, der }) => writePem(label, der))
          .join(''),
      ),
      certificates: blocks.filter(isCertificate).map(({ der }) => new X509Certificate(der)),
    }
  } catch (cause) {
    throw unfit('not PEM blocks of private keys and certificates', cause)
  }
}

/** Reads the secret. Errors never hold its text. */
export const readVault = (text: string): FoundVault => {
  const { keys, certificates } = blocksOf(text)
  const entryOf = (certificate: X509Certificate): VaultEntry => {
    const key = keys.find((each) => certificate.checkPrivateKey(each))
    return key === undefined ? { certificate } : { certificate, key }
  }
  if (keys.length === 1 && certificates.length === 0) return { rootKey: keys[0] as KeyObject }
  const root = certificates.find((each) => signedBy(each, each))
  const below = (usage: 'client' | 'server') =>
    certificates.find((each) => each !== root && usageProblem(readCertificate(each.raw), usage) === undefined)
  const [issuer, serverIssuer] = [below('client'), below('server')]
  const rootKey = root && entryOf(root).key
  const serverIssuerKey = serverIssuer && entryOf(serverIssuer).key
  if (root === undefined || rootKey === undefined) throw unfit('no root with its key')
  if (issuer === undefined) throw unfit('no issuer of client certificates')
  if (serverIssuer === undefined || serverIssuerKey === undefined) throw unfit('no issuer of server certificates')
  const others = certificates.filter((each) => each !== root && each !== issuer && each !== serverIssuer).map(entryOf)
  return {
    rootKey,
    root: { certificate: root, key: rootKey },
    issuer: entryOf(issuer),
    serverIssuer: { certificate: serverIssuer, key: serverIssuerKey },
    ...(others.length === 0 ? {} : { others }),
  }
}

export const rootSha256 = (certificate: X509Certificate): string => sha256Hex(certificate.raw)

/** SHA-256 of the keys' SubjectPublicKeyInfo: names what is in the secret of the issuers, which nobody here may read. */
export const keyVersion = (...keys: KeyObject[]): string =>
  sha256Hex(Buffer.concat(keys.map((key) => spkiOf(key.type === 'private' ? createPublicKey(key) : key))))

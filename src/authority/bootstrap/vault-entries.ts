import type { KeyObject } from 'node:crypto'
import { issuerIdOf } from '../../pki/issuer.ts'
import { privateKeyPem, spkiOf } from '../../pki/keys.ts'
import { signedBy, usageProblem } from '../../pki/path.ts'
import { certificatePem } from '../../pki/pem.ts'
import { readCertificate } from '../../pki/read-certificate.ts'
import { BootstrapProblem } from './keys.ts'
import { entriesOf, keyVersion, type Vault, type VaultEntry, type VaultEntryWithKey } from './vault.ts'

/** What a vault holds of each kind, during a rotation and without one; and which of it comes first. */

export const idOf = ({ certificate }: VaultEntry): string => issuerIdOf(spkiOf(certificate.publicKey))

const isRoot = ({ certificate }: VaultEntry): boolean => signedBy(certificate, certificate)
const hasKey = (entry: VaultEntry): entry is VaultEntryWithKey => entry.key !== undefined
const isFor =
  (usage: 'client' | 'server') =>
  (entry: VaultEntry): boolean =>
    !isRoot(entry) && usageProblem(readCertificate(entry.certificate.raw), usage) === undefined

/** The roots whose keys are there, the settled one first. */
export const rootsIn = (vault: Vault): VaultEntryWithKey[] => entriesOf(vault).filter(isRoot).filter(hasKey)

/** The root that was made last: the one of what is made from now on. Serial numbers of ours begin with the time. */
export const newestRoot = (vault: Vault): VaultEntryWithKey => {
  const made = ({ certificate }: VaultEntry) =>
    `${certificate.validFromDate.toISOString()} ${certificate.serialNumber.padStart(40, '0')}`
  return rootsIn(vault).reduce((newest, each) => (made(each) > made(newest) ? each : newest))
}

/** The issuers of clients, the settled one first. */
export const issuersIn = (vault: Vault): VaultEntry[] => entriesOf(vault).filter(isFor('client'))

/** The issuers of servers, the settled one first. */
export const serverIssuersIn = (vault: Vault): VaultEntryWithKey[] =>
  entriesOf(vault).filter(isFor('server')).filter(hasKey)

export const rootsPem = (vault: Vault): string =>
  rootsIn(vault)
    .map(({ certificate }) => certificatePem(certificate.raw))
    .join('')

/** How a rotation stands, as the control table says: ids of issuers. */
export interface RotationState {
  active?: string
  removed: ReadonlySet<string>
  /** Keys in KMS by the id of their issuer. */
  kmsKeys: ReadonlyMap<string, string>
}
export const noRotation: RotationState = { removed: new Set(), kmsKeys: new Map() }

/**
 * The vault with the issuer that signs now as the settled one, and its root and its root's issuer of servers beside it; never
 * an issuer that was removed, while there is another. The same object when that is how it is. Throws BootstrapProblem.
 */
export const arrangeVault = (vault: Vault, { active, removed }: RotationState): Vault => {
  const issuers = issuersIn(vault).filter((each) => !removed.has(idOf(each)))
  const issuer = issuers.find((each) => idOf(each) === active) ?? issuers[0] ?? vault.issuer
  if (issuer === vault.issuer) return vault
  const root = rootsIn(vault).find(({ certificate }) => signedBy(issuer.certificate, certificate))
  const serverIssuer = root && serverIssuersIn(vault).find(({ certificate }) => signedBy(certificate, root.certificate))
  if (root === undefined || serverIssuer === undefined)
    throw new BootstrapProblem(`the secret ca-key holds the issuer ${idOf(issuer)} and not all that stands beside it`, {
      next: 'Put back the version that was there before (`aws secretsmanager update-secret-version-stage`).',
    })
  const settled: VaultEntry[] = [root, issuer, serverIssuer]
  const others = entriesOf(vault).filter((each) => !settled.includes(each))
  return { root, issuer, serverIssuer, ...(others.length === 0 ? {} : { others }) }
}

/** The vault without some of what is not settled. */
export const withoutOthers = (vault: Vault, goes: (entry: VaultEntry) => boolean): Vault => {
  const { others = [], ...settled } = vault
  const stays = others.filter((each) => !goes(each))
  return { ...settled, ...(stays.length === 0 ? {} : { others: stays }) }
}

export interface IssuerKeys {
  /** Names the text: the id of its version in the secret. */
  version: string
  pem: string
}

const keysOf = (issuers: VaultEntry[]): KeyObject[] => issuers.flatMap(({ key }) => key ?? [])
const inOneOrder = (issuers: VaultEntry[]): VaultEntry[] =>
  [...issuers].sort((one, other) => (idOf(one) < idOf(other) ? -1 : 1))

/**
 * What the secret `issuer-key` must hold: the keys of the issuers whose certificates are published; a server refuses a key
 * without its certificate. Undefined when all of them are in a key service.
 */
export const issuerKeysFor = (vault: Vault, published: readonly KeyObject[]): IssuerKeys | undefined => {
  const shown = issuersIn(vault).filter(({ certificate }) =>
    published.some((each) => each.equals(certificate.publicKey)),
  )
  const keys = keysOf(inOneOrder(shown))
  return keys.length === 0 ? undefined : { version: keyVersion(...keys), pem: keys.map(privateKeyPem).join('') }
}

/** Versions of `issuer-key` that a rotation may have left there: some of these keys. */
export const issuerKeyVersions = (vault: Vault): Set<string> => {
  const keys = keysOf(inOneOrder(issuersIn(vault))).slice(0, 10)
  const versions = new Set<string>()
  for (let some = 1; some < 2 ** keys.length; some++)
    versions.add(keyVersion(...keys.filter((_, index) => some & (2 ** index))))
  return versions
}

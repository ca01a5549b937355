import type { Clock } from '../../core/time.ts'
import { generateKeyPair, publicKeyOf } from '../../pki/keys.ts'
import { signedBy } from '../../pki/path.ts'
import { certificatePem } from '../../pki/pem.ts'
import type { Signer } from '../../pki/signer.ts'
import type { Authority } from '../../wire/authorities.ts'
import { BootstrapProblem } from '../bootstrap/keys.ts'
import { rootSha256, type Vault, type VaultEntry } from '../bootstrap/vault.ts'
import { idOf, issuersIn, newestRoot } from '../bootstrap/vault-entries.ts'
import { commitVault, type VaultDeps } from '../bootstrap/vault-record.ts'
import { aboutOf, hostnameIn, standingVault } from './found-vault.ts'
import { type KnownAuthorities, mustTrust, refuseSecond, waits } from './known-authorities.ts'
import { certifyIssuer } from './new-authorities.ts'
import { publishIssuer, type Shelves } from './publish-issuers.ts'

export interface VaultIssuerDeps extends VaultDeps, Shelves {
  plane: KnownAuthorities
  /** In KMS; absent: a new key is made, for Secrets Manager. */
  kms?: Signer & { keyArn: string }
  clock: Clock
}

export interface PreparedInVault {
  authority: Authority
  /** It was there from a run before. */
  found: boolean
  /** Parameters and secrets that were written. */
  written: string[]
}

const orders = 'Servers read ca-cert every 5 minutes: `airunner ca list` shows the roots of the one that answers.'

/** The issuer that a run before has made and that has not signed yet. */
const unfinished = (vault: Vault, known: readonly Authority[]): VaultEntry | undefined =>
  issuersIn(vault).find((entry) => {
    const told = known.find(({ issuer_id }) => issuer_id === idOf(entry))
    // One that no server knows was never told to them: all others are in what servers read.
    return told === undefined ? entry !== vault.issuer : waits(told)
  })

/**
 * Makes a new issuer below the newest root of a deployment's vault, tells the plane, and puts it where servers read; one
 * that a run before has begun is brought to its end, so that there are never two of them.
 */
export const prepareIssuerInVault = async (deps: VaultIssuerDeps): Promise<PreparedInVault> => {
  const { plane, kms, clock } = deps
  const { record, vault } = await standingVault(deps)
  const known = await plane.list()
  const begun = unfinished(vault, known)
  refuseSecond(known, begun && idOf(begun))
  const root = newestRoot(vault)
  mustTrust(known, rootSha256(root.certificate), orders)
  if (begun !== undefined) mustFit(begun, kms)
  if (begun !== undefined && !signedBy(begun.certificate, root.certificate))
    throw new BootstrapProblem(`the issuer ${idOf(begun)} was prepared below the root before the last`, {
      next: `Activate it, or give it up: \`airunner ca remove ${idOf(begun)}\`.`,
    })
  if (kms !== undefined && begun === undefined) {
    const same = issuersIn(vault).find(({ certificate }) => certificate.publicKey.equals(kms.publicKey))
    if (same !== undefined)
      throw new BootstrapProblem(`${kms.keyArn} is the key of the issuer ${idOf(same)}`, {
        next: 'A new issuer has a key of its own: make another in KMS.',
      })
  }

  // 1. Into the vault: from here on there is one. A crash before it leaves a key that nothing names.
  const key = kms === undefined ? generateKeyPair().privateKey : undefined
  const entry = begun ?? {
    certificate: await certifyIssuer({
      root,
      publicKey: kms?.publicKey ?? publicKeyOf(key as NonNullable<typeof key>),
      usage: 'client',
      hostname: hostnameIn(vault),
      now: clock(),
    }),
    ...(key === undefined ? {} : { key }),
  }
  const next = begun === undefined ? { ...vault, others: [...(vault.others ?? []), entry] } : vault
  await commitVault(deps, record, next, aboutOf(record))

  // 2. Told to the plane, which may refuse it. A crash leaves an issuer that the next run tells of.
  const authority = await plane.prepare(certificatePem(entry.certificate.raw), kms?.keyArn)

  // 3. To where servers read. A crash leaves an issuer without its key on any server, which cannot be activated.
  return { authority, found: begun !== undefined, written: await publishIssuer(deps, next, entry) }
}

const mustFit = (entry: VaultEntry, kms: VaultIssuerDeps['kms']): void => {
  if (kms === undefined && entry.key === undefined)
    throw new BootstrapProblem(`the issuer ${idOf(entry)} was begun with a key in KMS, which is not named`, {
      next: 'Give --kms-issuer-key again.',
    })
  if (kms !== undefined && !entry.certificate.publicKey.equals(kms.publicKey))
    throw new BootstrapProblem(`the issuer ${idOf(entry)} was begun with another key than ${kms.keyArn}`, {
      next: `Go on with it${entry.key === undefined ? '' : ' without --kms-issuer-key'}, or give it up: \`airunner ca remove ${idOf(entry)}\`.`,
    })
}

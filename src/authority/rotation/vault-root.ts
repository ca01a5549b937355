import type { X509Certificate } from 'node:crypto'
import type { Clock } from '../../core/time.ts'
import { generateKeyPair, publicKeyOf } from '../../pki/keys.ts'
import { certificatePem } from '../../pki/pem.ts'
import { readTrustBundle } from '../../pki/trust.ts'
import { BootstrapProblem } from '../bootstrap/keys.ts'
import { rootSha256, type Vault, type VaultEntry } from '../bootstrap/vault.ts'
import { idOf, newestRoot, rootsIn } from '../bootstrap/vault-entries.ts'
import { commitVault, type VaultDeps } from '../bootstrap/vault-record.ts'
import { aboutOf, hostnameIn, standingVault } from './found-vault.ts'
import { certifyIssuer, makeRoot } from './new-authorities.ts'
import type { Shelves } from './publish-issuers.ts'

export interface VaultRootDeps extends VaultDeps, Shelves {
  clock: Clock
}

export interface PreparedRoot {
  certificate: X509Certificate
  /** All roots that servers are given from now on. */
  bundlePem: string
  found: boolean
  written: string[]
}

const makeGeneration = async (vault: Vault, now: number): Promise<VaultEntry[]> => {
  const hostname = hostnameIn(vault)
  const root = await makeRoot(hostname, now)
  const key = generateKeyPair().privateKey
  const order = { root, publicKey: publicKeyOf(key), usage: 'server' as const, hostname, now }
  return [root, { certificate: await certifyIssuer(order), key }]
}

/**
 * Makes a second root with its issuer of servers in a deployment's vault, and adds it to the bundle that servers read. The
 * old one stays, with everything below it: nothing is signed by the new one yet. One that was begun is brought to its end.
 */
export const prepareRootInVault = async (deps: VaultRootDeps): Promise<PreparedRoot> => {
  const { parameters, clock } = deps
  const { record, vault } = await standingVault(deps)
  if (record.replaceable !== undefined)
    throw new BootstrapProblem('a new CA is being put in the place of the old one (--force-new-ca)', {
      next: 'Run `airunner bootstrap` to its end first.',
    })
  const newest = newestRoot(vault)
  const second = newest === vault.root ? undefined : newest
  const old = rootsIn(vault).find((each) => each !== newest)
  if (second === undefined && old !== undefined)
    throw new BootstrapProblem(`the root before is still trusted: ${idOf(old)}`, {
      next: `Bring its rotation to the end first: \`airunner ca remove ${idOf(old)}\`.`,
    })
  const more = second === undefined ? await makeGeneration(vault, clock()) : []
  const next = { ...vault, others: [...(vault.others ?? []), ...more] }
  const { certificate } = second ?? (more[0] as VaultEntry)

  // 1. Keys into the vault and the root on record, beside the old one: bootstrap will find it in `ca-cert` and know it.
  const accepted = [...new Set([...(record.accepted_roots ?? []), rootSha256(certificate)])].sort()
  await commitVault(deps, record, next, { ...aboutOf(record), accepted_roots: accepted })

  // 2. To where servers read. A crash before it leaves a root that nobody trusts yet.
  const bundle = readTrustBundle((await parameters.read())['ca-cert'], clock())
  const there = bundle.roots.some(({ raw }) => raw.equals(certificate.raw))
  const bundlePem = there ? bundle.pem : bundle.pem + certificatePem(certificate.raw)
  if (!there) await parameters.write('ca-cert', bundlePem)
  return { certificate, bundlePem, found: second !== undefined, written: there ? [] : ['ca-cert'] }
}

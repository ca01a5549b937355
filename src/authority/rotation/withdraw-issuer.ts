import { type Clock, minute } from '../../core/time.ts'
import { issuerIdOf } from '../../pki/issuer.ts'
import { spkiOf } from '../../pki/keys.ts'
import { readCertificateChain } from '../../pki/trust.ts'
import { BootstrapProblem } from '../bootstrap/keys.ts'
import { isPlaceholder } from '../bootstrap/shelves.ts'
import { rootSha256 } from '../bootstrap/vault.ts'
import { arrangeVault, idOf, issuersIn, type RotationState, withoutOthers } from '../bootstrap/vault-entries.ts'
import { commitVault, type VaultDeps } from '../bootstrap/vault-record.ts'
import { aboutOf, standingVault } from './found-vault.ts'
import { type Shelves, withdrawCertificates, withdrawKeys } from './publish-issuers.ts'

export interface WithdrawIssuerDeps extends VaultDeps, Shelves {
  rotation: RotationState
  /** Live servers that started before a moment (Unix milliseconds): they may have been given the key. */
  startedBefore(at: number): Promise<string[]>
  clock: Clock
}

/** A task is given its secrets some time before its program starts. Milliseconds. */
const taskStart = 2 * minute

export interface WithdrawnIssuer {
  written: string[]
  /** Servers that must be started anew before its certificate can go. */
  waitsFor: readonly string[]
}

/**
 * Takes an issuer that the plane has removed out of the vault and from where servers read. In the other order than it came:
 * a server that holds a key without its certificate refuses all it reads, so the certificate goes when no server has the key.
 */
export const withdrawIssuer = async (deps: WithdrawIssuerDeps, issuerId: string): Promise<WithdrawnIssuer> => {
  const { rotation, secrets, clock } = deps
  if (!rotation.removed.has(issuerId))
    throw new BootstrapProblem(`the issuer ${issuerId} has not been removed from the plane`)
  const { record, vault } = await standingVault(deps)
  const written: string[] = []

  // 1. Out of the vault. What signs now becomes the settled one, in KMS or not. A crash leaves the key with the servers.
  if (issuersIn(vault).some((each) => idOf(each) === issuerId)) {
    const arranged = withoutOthers(arrangeVault(vault, rotation), (each) => idOf(each) === issuerId)
    if (idOf(arranged.issuer) === issuerId)
      throw new BootstrapProblem('the secret ca-key holds no other issuer than the one that was removed')
    const { kms_issuer_key: _, accepted_roots: __, ...about } = aboutOf(record)
    const kms = arranged.issuer.key === undefined ? rotation.kmsKeys.get(idOf(arranged.issuer)) : undefined
    const kmsKey = kms ?? (arranged.issuer.key === undefined ? record.kms_issuer_key : undefined)
    const accepted = new Set([...(record.accepted_roots ?? []), record.root_sha256])
    accepted.delete(rootSha256(arranged.root.certificate))
    await commitVault(deps, record, arranged, {
      ...about,
      ...(kmsKey === undefined ? {} : { kms_issuer_key: kmsKey }),
      ...(accepted.size === 0 ? {} : { accepted_roots: [...accepted].sort() }),
    })
    written.push('ca-key')
  }
  const { vault: now } = await standingVault(deps)

  // 2. Its key, which servers that start from now on do not get. A crash leaves its certificate, of which nobody makes use.
  if (await withdrawKeys(deps, now)) written.push('issuer-key')

  // 3. Its certificate, when all who may have the key are gone.
  const isIt = ({ publicKey }: { publicKey: Parameters<typeof spkiOf>[0] }) =>
    issuerIdOf(spkiOf(publicKey)) === issuerId
  const published = (await deps.parameters.read())['issuer-cert']
  if (isPlaceholder(published) || !readCertificateChain(published).some(isIt)) return { written, waitsFor: [] }
  const { changed_at = clock() } = await secrets.versions('issuer-key')
  const waitsFor = await deps.startedBefore(changed_at + taskStart)
  if (waitsFor.length > 0) return { written, waitsFor }
  if (await withdrawCertificates(deps, 'issuer-cert', isIt)) written.push('issuer-cert')
  return { written, waitsFor: [] }
}

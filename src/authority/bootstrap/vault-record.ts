import type { BootstrapRecord, BootstrapRecords } from '../../store/bootstrap-record.ts'
import { BootstrapProblem } from './keys.ts'
import { type SecretShelf, soonEnough } from './shelves.ts'
import { rootSha256, type Vault, vaultVersion, writeVault } from './vault.ts'

export interface VaultDeps {
  records: BootstrapRecords
  secrets: SecretShelf
}

/**
 * Makes a vault the one of the deployment: in the secret `ca-key`, on record, and labelled. Nothing is done when it is.
 * Throws BootstrapProblem when another run was first.
 */
export const commitVault = async (
  deps: VaultDeps,
  record: BootstrapRecord | undefined,
  vault: Vault,
  more: Omit<BootstrapRecord, 'revision' | 'root_sha256' | 'vault_version'>,
): Promise<BootstrapRecord> => {
  const { secrets } = deps
  const version = vaultVersion(vault)
  const versions = await secrets.versions('ca-key')

  // 1. Keys into the secret, beside the current version. A crash leaves a version that nothing names.
  if (version !== record?.vault_version && version !== versions.current) await stageVault(secrets, version, vault)

  // 2. On record: from here on this is it. Of two runs one succeeds. A crash leaves the label to be moved.
  const next = { root_sha256: rootSha256(vault.root.certificate), vault_version: version, ...more }
  const settled = await putOnRecord(deps, record, next)

  // 3. The label, for people: programs follow the record.
  const { current } = await secrets.versions('ca-key')
  if (current !== version) await secrets.promote('ca-key', version, current)
  return settled
}

const stageVault = async (secrets: SecretShelf, version: string, vault: Vault): Promise<void> => {
  const text = writeVault(vault)
  await secrets.stage('ca-key', version, text)
  // What nobody could read again must not become the root.
  if (
    (await soonEnough(
      () => secrets.read('ca-key', version),
      (read) => read !== undefined,
    )) !== text
  )
    throw new BootstrapProblem('the secret ca-key does not give back what was put into it')
}

const putOnRecord = async (
  { records }: VaultDeps,
  record: BootstrapRecord | undefined,
  next: Omit<BootstrapRecord, 'revision'>,
): Promise<BootstrapRecord> => {
  const same =
    record !== undefined &&
    record.vault_version === next.vault_version &&
    record.root_sha256 === next.root_sha256 &&
    record.kms_issuer_key === next.kms_issuer_key &&
    String(record.accepted_roots ?? []) === String(next.accepted_roots ?? [])
  if (same) return record
  const settled = await records.replace(record, next)
  if (settled === undefined)
    throw new BootstrapProblem('another bootstrap of this deployment was first, and its root is the one', {
      next: 'Run this again: it finds what the other made.',
    })
  return settled
}

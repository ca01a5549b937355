import type { BootstrapRecord } from '../../store/bootstrap-record.ts'
import { BootstrapProblem } from '../bootstrap/keys.ts'
import { readVault, type Vault } from '../bootstrap/vault.ts'
import { idOf } from '../bootstrap/vault-entries.ts'
import type { VaultDeps } from '../bootstrap/vault-record.ts'

export interface StandingVault {
  record: BootstrapRecord
  vault: Vault
}

/** The vault that bootstrap has put on record. Throws BootstrapProblem when there is none. */
export const standingVault = async ({ records, secrets }: VaultDeps): Promise<StandingVault> => {
  const record = await records.get()
  const text = record && (await secrets.read('ca-key', record.vault_version))
  if (record === undefined || text === undefined)
    throw new BootstrapProblem('the secret ca-key holds no authorities that bootstrap has put there', {
      next: 'Run `airunner bootstrap` first; it says what is missing.',
    })
  const { root, issuer, serverIssuer, others } = readVault(text)
  if (root === undefined || issuer === undefined || serverIssuer === undefined)
    throw new BootstrapProblem('the secret ca-key holds the key of a root and nothing else', {
      next: 'Run `airunner bootstrap` first: it makes the issuers.',
    })
  return { record, vault: { root, issuer, serverIssuer, ...(others === undefined ? {} : { others }) } }
}

/** What the record says beside the vault, as it is. */
export const aboutOf = ({ kms_issuer_key, accepted_roots, replaceable }: BootstrapRecord) => ({
  ...(kms_issuer_key === undefined ? {} : { kms_issuer_key }),
  ...(accepted_roots === undefined ? {} : { accepted_roots }),
  ...(replaceable === undefined ? {} : { replaceable }),
})

/** The host name that bootstrap has written into the name of the issuer. */
export const hostnameIn = ({ issuer }: Vault): string =>
  /^CN=airunner issuer (?:[0-9a-f]{16} )?(\S+)$/.exec(issuer.certificate.subject)?.[1] ?? idOf(issuer)

import { sign, verify, X509Certificate } from 'node:crypto'
import { sha256Hex } from '../../core/bytes.ts'
import type { Clock } from '../../core/time.ts'
import { readPrivateKeys } from '../../pki/keys.ts'
import type { Signer } from '../../pki/signer.ts'
import { checkServerChain, readCertificateChain, readTrustBundle, verifyIssuer } from '../../pki/trust.ts'
import type { BootstrapRecord } from '../../store/bootstrap-record.ts'
import type { Registry } from '../../store/registry.ts'
import { readIfThere } from '../private-files.ts'
import type { SettledAdmin } from './admin.ts'
import { findLiveAdmin } from './admin.ts'
import { BootstrapProblem } from './keys.ts'
import { isPlaceholder, type ParameterShelf, parameterNames, type SecretShelf, soonEnough } from './shelves.ts'
import { readVault, rootSha256, type Vault, vaultVersion } from './vault.ts'
import { issuerKeysFor } from './vault-entries.ts'

export interface VerifyDeps {
  hostname: string
  clock: Clock
  record: BootstrapRecord
  /** Of the issuer's key, when it is in KMS. */
  kmsSigner?: Signer
  parameters: ParameterShelf
  secrets: SecretShelf
  registry: Pick<Registry, 'principals' | 'certificates' | 'admins'>
  issuerIds: ReadonlySet<string>
  /** Absent: nobody can get in, which is said elsewhere. */
  admin?: SettledAdmin
}

const attempt = <T>(name: string, problems: string[], read: () => T): T | undefined => {
  try {
    return read()
  } catch (error) {
    problems.push(`${name}: ${(error as Error).message}`)
    return undefined
  }
}

/** Reads everything back, as servers and the administrator will, and throws BootstrapProblem with all that is wrong. */
export const verifyDeployment = async (deps: VerifyDeps): Promise<void> => {
  const look = async (): Promise<string[]> => {
    const problems: string[] = []
    await verifyPublished(deps, problems)
    await verifyKeys(deps, problems)
    await verifyAdmin(deps, problems)
    return problems
  }
  const problems = await soonEnough(look, (found) => found.length === 0)
  if (problems.length === 0) return
  throw new BootstrapProblem(`what was read back is not what was put there:\n${problems.join('\n')}`, {
    next: 'Run it again. If that does not help, somebody else writes there too.',
  })
}

/** What servers are given. */
const verifyPublished = async (
  { hostname, clock, record, parameters }: VerifyDeps,
  problems: string[],
): Promise<void> => {
  const now = clock()
  const read = await parameters.read()
  for (const name of parameterNames) if (isPlaceholder(read[name])) problems.push(`${name}: still the placeholder`)
  if (problems.length > 0) return
  const bundle = attempt('ca-cert', problems, () => readTrustBundle(read['ca-cert'], now))
  if (bundle === undefined) return
  if (!bundle.sha256.includes(record.root_sha256)) problems.push('ca-cert: without the root on record')
  for (const each of bundle.sha256)
    if (each !== record.root_sha256 && !record.accepted_roots?.includes(each))
      problems.push(`ca-cert: somebody has added the root sha256:${each}`)
  for (const { raw } of attempt('issuer-cert', problems, () => readCertificateChain(read['issuer-cert'])) ?? []) {
    const problem = verifyIssuer(new X509Certificate(raw), bundle, now, 'client')
    if (problem !== undefined) problems.push(`issuer-cert: ${problem}`)
  }
  const server = { chainPem: read['server-cert'], keyPem: read['server-key'], hostname, bundle, now }
  for (const problem of checkServerChain(server)) problems.push(`server-cert: ${problem}`)
}

/** That each key is where it belongs: in the vault, in `issuer-key` or KMS, and that it is the one of its certificate. */
const verifyKeys = async (
  { record, secrets, parameters, kmsSigner }: VerifyDeps,
  problems: string[],
): Promise<void> => {
  const text = await secrets.read('ca-key', record.vault_version)
  const vault = text === undefined ? undefined : attempt('ca-key', problems, () => readVault(text))
  if (vault?.root === undefined || vault.issuer === undefined) {
    if (problems.length === 0) problems.push('ca-key: without the version on record')
    return
  }
  if (rootSha256(vault.root.certificate) !== record.root_sha256) problems.push('ca-key: another root than on record')
  if (vaultVersion(vault as Vault) !== record.vault_version) problems.push('ca-key: other certificates than on record')
  if ((await secrets.versions('ca-key')).current !== record.vault_version)
    problems.push('ca-key: the version on record is not the current one')
  const { certificate, key } = vault.issuer
  const published = (await parameters.read())['issuer-cert']
  const known = isPlaceholder(published)
    ? []
    : (attempt('issuer-cert', problems, () => readCertificateChain(published)) ?? [])
  if (!known.some(({ raw }) => raw.equals(certificate.raw))) problems.push('issuer-cert: without the issuer in ca-key')
  const keys = issuerKeysFor(
    vault as Vault,
    known.map(({ publicKey }) => publicKey),
  )
  // The secret is the servers' alone; its version is named by the public keys of what was put there.
  if (keys !== undefined && (await secrets.versions('issuer-key')).current !== keys.version)
    problems.push('issuer-key: not the key of the issuer in ca-key')
  if (key !== undefined) return
  const probe = Buffer.from('airunner bootstrap')
  const signature = await kmsSigner?.sign(probe)
  if (
    signature === undefined ||
    !verify('sha256', probe, { key: certificate.publicKey, dsaEncoding: 'der' }, signature)
  )
    problems.push('the KMS key of the issuer does not sign for its certificate')
}

/** That an admin can get in, and, when its files are here, that they are the ones. */
const verifyAdmin = async (deps: VerifyDeps, problems: string[]): Promise<void> => {
  const { admin } = deps
  if (admin === undefined) return
  if ((await findLiveAdmin(deps)) === undefined) problems.push('the tables hold no admin that can get in')
  if (admin.files === undefined) return
  const [certificatePem, keyPem] = await Promise.all([
    readIfThere(admin.files.adminCert),
    readIfThere(admin.files.adminKey),
  ])
  const leaf = attempt(admin.files.adminCert, problems, () => new X509Certificate(certificatePem ?? ''))
  const key = attempt(admin.files.adminKey, problems, () => readPrivateKeys(keyPem ?? '')[0])
  if (leaf === undefined || key === undefined) return
  const probe = Buffer.from('airunner bootstrap')
  const row = await deps.registry.certificates.get(admin.admin.serial_number)
  if (row?.fingerprint !== sha256Hex(leaf.raw)) problems.push(`${admin.files.adminCert}: not in the certificates table`)
  if (!verify('sha256', probe, leaf.publicKey, sign('sha256', probe, key)))
    problems.push(`${admin.files.adminKey}: not the key of ${admin.files.adminCert}`)
}

import type { X509Certificate } from 'node:crypto'
import { sha256Hex } from '../../core/bytes.ts'
import { signedBy } from '../../pki/path.ts'
import { readCertificateChain } from '../../pki/trust.ts'
import type { Authority } from '../../wire/authorities.ts'
import { BootstrapProblem } from '../bootstrap/keys.ts'
import { isPlaceholder, type Parameters } from '../bootstrap/shelves.ts'
import { entriesOf, rootSha256 } from '../bootstrap/vault.ts'
import { arrangeVault, idOf, type RotationState, rootsIn, withoutOthers } from '../bootstrap/vault-entries.ts'
import { commitVault, type VaultDeps } from '../bootstrap/vault-record.ts'
import { aboutOf, standingVault } from './found-vault.ts'
import { type Shelves, withdrawCertificates } from './publish-issuers.ts'

export interface WithdrawRootDeps extends VaultDeps, Shelves {
  rotation: RotationState
  known: readonly Authority[]
}

const certificatesIn = (text: string): X509Certificate[] => (isPlaceholder(text) ? [] : readCertificateChain(text))

/** Why a root cannot go yet: what still hangs on it. */
export const whatHangsOn = (root: X509Certificate, known: readonly Authority[], published: Parameters): string[] => {
  const issuers = known
    .filter(
      ({ kind, root_sha256: of, state }) => kind === 'issuer' && of === sha256Hex(root.raw) && state !== 'removed',
    )
    .map(({ issuer_id, state }) => `the issuer ${issuer_id} (${state}): \`airunner ca remove ${issuer_id}\``)
  const leftOver = certificatesIn(published['issuer-cert']).some((each) => signedBy(each, root))
  const server = certificatesIn(published['server-cert']).some((each) => signedBy(each, root))
  return [
    ...issuers,
    ...(issuers.length === 0 && leftOver
      ? ['a certificate in issuer-cert: run the removal of its issuer again, with --ca-key-secret']
      : []),
    ...(server ? ['the certificate of the server: `airunner bootstrap --rotate-server-cert`'] : []),
  ]
}

/** Takes a root on which nothing hangs any more from what servers and agents trust, and then from the vault. */
export const withdrawRoot = async (deps: WithdrawRootDeps, rootId: string): Promise<string[]> => {
  const { known, rotation, parameters } = deps
  const { record, vault: before } = await standingVault(deps)
  const vault = arrangeVault(before, rotation)
  const published = await parameters.read()
  const trusted = certificatesIn(published['ca-cert']).find((certificate) => idOf({ certificate }) === rootId)
  const held = rootsIn(vault).find((each) => idOf(each) === rootId)
  const root = held?.certificate ?? trusted
  if (root === undefined)
    throw new BootstrapProblem(`neither ca-cert nor the secret ca-key holds a root ${rootId}`, { missing: true })
  if (held === vault.root)
    throw new BootstrapProblem(`${rootId} is the root of the issuer that signs now`, {
      next: 'Prepare another root and an issuer below it, and activate that issuer first.',
    })
  const hanging = whatHangsOn(root, known, published)
  if (hanging.length > 0)
    throw new BootstrapProblem(`something still hangs on the root ${rootId}:\n${hanging.join('\n')}`, {
      next: 'See to that first, then run this again.',
    })

  // 1. From where servers read. A crash leaves its key in the vault, where bootstrap finds it in order.
  const written = (await withdrawCertificates({ parameters }, 'ca-cert', ({ raw }) => raw.equals(root.raw)))
    ? ['ca-cert']
    : []

  // 2. From the vault, with its issuer of servers, and from the record.
  const goes = (certificate: X509Certificate) => certificate.raw.equals(root.raw) || signedBy(certificate, root)
  const next = withoutOthers(vault, ({ certificate }) => goes(certificate))
  const { accepted_roots: _, ...about } = aboutOf(record)
  const accepted = new Set([...(record.accepted_roots ?? []), record.root_sha256])
  for (const each of [rootSha256(root), rootSha256(next.root.certificate)]) accepted.delete(each)
  await commitVault(deps, record, next, {
    ...about,
    ...(accepted.size === 0 ? {} : { accepted_roots: [...accepted].sort() }),
  })
  return entriesOf(next).length === entriesOf(before).length ? written : [...written, 'ca-key']
}

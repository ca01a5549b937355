import type { CertificateRecord } from '../core/certificate.ts'
import { statusOf } from '../core/certificate.ts'
import type { PrincipalRecord } from '../core/principal.ts'
import type { Registry } from '../store/registry.ts'
import type { RejoinTerms } from './join-ticket.ts'

/**
 * The certificate that a join by the same token or rule has given to this very key, while it is the one in use. Whoever asks
 * for it has not heard of it: the answer was lost, and by now the machine has another proof of the same identity, for a
 * signature or an id token is made anew at each start. It gets what it was given, and no more; without the key it is of no use.
 */
export const joinedWith = async (
  { certificates }: Pick<Registry, 'certificates'>,
  holder: PrincipalRecord,
  terms: RejoinTerms,
  spkiSha256: string,
  now: number,
): Promise<CertificateRecord | undefined> => {
  if (holder.status !== 'active' || holder.rejoin_blocked) return undefined
  if (holder.joined_by !== terms.by || holder.type !== terms.principal_type) return undefined
  const rows = await certificates.getMany(Object.keys(holder.active_serials))
  return rows.find(
    (row) =>
      row.kind === 'enrolled' &&
      row.issued_by === terms.by &&
      row.principal_id === holder.principal_id &&
      row.spki_sha256 === spkiSha256 &&
      statusOf(row, now) === 'active',
  )
}

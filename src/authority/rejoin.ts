import type { CertificateRecord } from '../core/certificate.ts'
import type { PrincipalRecord } from '../core/principal.ts'
import { day } from '../core/time.ts'
import { largestSkew } from '../store/feed.ts'
import type { Registry } from '../store/registry.ts'
import type { RejoinTerms } from './join-ticket.ts'
import { isFullyRevoked } from './revoking.ts'

const recently = (holder: PrincipalRecord, now: number): number[] =>
  (holder.recent_rejoins ?? []).filter((at) => at > now - day)

/** Why nobody may come back under this principal's name on these terms; undefined when somebody may. */
export const whyNoRejoin = (holder: PrincipalRecord, terms: RejoinTerms, now: number): string | undefined => {
  if (!terms.rejoin) return 'the principal exists, and rejoining is not allowed'
  if (holder.status !== 'active') return `the principal is ${holder.status}`
  if (holder.type !== terms.principal_type) return `the principal is of type ${holder.type}`
  if (holder.joined_by !== terms.by && !terms.names_principal) return 'the principal did not join this way'
  if (holder.rejoin_blocked) return 'the principal is barred from rejoining until it is activated'
  if (recently(holder, now).length >= (terms.max_rejoins ?? Number.POSITIVE_INFINITY))
    return 'the principal has rejoined too often within 24 h'
  return undefined
}

/**
 * What a rejoin leaves on the principal's row, beside its places: among it the end of every grace that has begun, by
 * whichever server's clock, for of predecessors there may be thousands.
 */
export const countRejoin = (holder: PrincipalRecord, terms: RejoinTerms, now: number): Partial<PrincipalRecord> => ({
  rejoins: holder.rejoins + 1,
  grace_from: now + 2 * largestSkew,
  // One that an admin registered has from now on joined.
  ...(holder.joined_by === undefined ? { joined_by: terms.by } : {}),
  ...(terms.max_rejoins === undefined ? {} : { recent_rejoins: [...recently(holder, now), now] }),
})

/** Certificates that a rejoin revokes, at most: two for each of ten places, and what room there is for predecessors. */
export const displacedAtOnce = 20

/**
 * What a rejoin revokes: what the principal holds, successors that were never used, and the newest predecessors within
 * their grace (milliseconds), so that their connections end at once. However many more there are, `grace_from` ends them.
 */
export const displacedBy = async (
  registry: Pick<Registry, 'certificates'>,
  holder: PrincipalRecord,
  grace: number,
  now: number,
): Promise<CertificateRecord[]> => {
  const places = Object.entries(holder.active_serials)
    .flatMap(([serial, lineage]) => [serial, lineage.successor])
    .filter((serial) => serial !== undefined)
  const rows = new Map<string, CertificateRecord>()
  let wanted = places
  while (wanted.length > 0) {
    const found = await registry.certificates.getMany(wanted)
    for (const row of found) rows.set(row.serial_number, row)
    wanted = found
      .filter((row) => places.includes(row.serial_number) || (row.superseded_at ?? 0) + grace > now)
      .map((row) => row.renewed_from)
      .filter((serial) => serial !== undefined && !rows.has(serial))
      .slice(0, Math.max(0, displacedAtOnce - rows.size)) as string[]
  }
  return [...rows.values()].filter(
    (row) =>
      !isFullyRevoked(row) &&
      row.expires_at > now &&
      (row.superseded_at === undefined || row.superseded_at + grace > now),
  )
}

import type { Clock } from './time.ts'

export const principalTypes = ['admin', 'worker', 'user', 'service'] as const
export type PrincipalType = (typeof principalTypes)[number]

export const principalStatuses = ['active', 'suspended', 'deleted'] as const
export type PrincipalStatus = (typeof principalStatuses)[number]

/**
 * The life of one place in a principal's quota: the newest certificate that was used, which names the entry, and the
 * successor that waits for its first use. Times in Unix milliseconds.
 */
export interface Lineage {
  expires_at: number
  successor?: string
  successor_expires_at?: number
}

/** A row of the principals table. Times in Unix milliseconds. */
export interface PrincipalRecord {
  principal_id: string
  type: PrincipalType
  status: PrincipalStatus
  created_at: number
  created_by: string
  updated_at: number
  /** Changes by update, suspend, activate, delete: what `If-Match` compares. */
  version: number
  /** Changes by every transaction on this row: what transactions compare. */
  revision: number
  suspended_at?: number
  suspended_reason?: string
  email?: string
  description?: string
  max_certificates: number
  metadata: Record<string, string>
  joined_by?: string
  rejoins: number
  /** When it rejoined by a rule within the last 24 h, oldest first. */
  recent_rejoins?: number[]
  rejoin_blocked: boolean
  /** Superseded before: no grace any more. Set by a rejoin, which displaces whoever held the principal. */
  grace_from?: number
  active_serials: Record<string, Lineage>
}

export const defaultMaxCertificates = 3

/** When the last certificate of a lineage ends, Unix milliseconds. */
export const endOfLineage = (lineage: Lineage): number =>
  Math.max(lineage.expires_at, lineage.successor_expires_at ?? 0)

/** The lineages that count against the quota: those with an unexpired certificate. */
export const liveLineages = (
  principal: Pick<PrincipalRecord, 'active_serials'>,
  now: ReturnType<Clock>,
): Record<string, Lineage> =>
  Object.fromEntries(Object.entries(principal.active_serials).filter(([, lineage]) => endOfLineage(lineage) > now))

/** How many there are. */
export const countLineages = ({ active_serials }: Pick<PrincipalRecord, 'active_serials'>, now: number): number => {
  let live = 0
  for (const serial in active_serials) if (endOfLineage(active_serials[serial] as Lineage) > now) live += 1
  return live
}

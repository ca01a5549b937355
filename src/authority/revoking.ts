import type { Attribution } from '../core/audit.ts'
import { type CertificateRecord, lineageOf, type RevocationReason } from '../core/certificate.ts'
import type { Lineage, PrincipalRecord } from '../core/principal.ts'
import { liveLineages } from '../core/principal.ts'
import type { EventDraft } from '../store/audit-event.ts'
import type { Change } from '../store/feed.ts'
import type { Page } from '../store/pages.ts'
import type { Registry } from '../store/registry.ts'
import type { Write } from '../store/transaction.ts'

/** Certificates per transaction: each takes up to 5 of its 100 items. */
export const revokedAtOnce = 16
const rowsPerPage = 200

/** Reasons after which a machine does not come back by itself, when another than its holder gives them. */
export const blocksRejoin: ReadonlySet<RevocationReason> = new Set(['key_compromise', 'privilege_withdrawn'])

/** Whether a revocation of the row is complete; `revoked = true` by an operator's hand alone is not. */
export const isFullyRevoked = (row: CertificateRecord): boolean => row.revoked && row.revoked_at !== undefined

/** What stays of a principal's places when certificates are gone. */
export const withoutSerials = (lineages: Record<string, Lineage>, gone: ReadonlySet<string>): Record<string, Lineage> =>
  Object.fromEntries(
    Object.entries(lineages).flatMap(([serial, lineage]) => {
      if (gone.has(serial)) return []
      if (lineage.successor === undefined || !gone.has(lineage.successor)) return [[serial, lineage]]
      return [[serial, { expires_at: lineage.expires_at }]]
    }),
  )

/**
 * What falls at once with a certificate: its unused successor, and, when its key is compromised, every live certificate
 * that was renewed from it or has the same key, then the newest of those in between. The certificate itself is last.
 *
 * However long a lineage has become, this reads little: who renews all day with a stolen certificate does not get away by it.
 */
export const fallingWith = async (
  registry: Pick<Registry, 'certificates'>,
  target: CertificateRecord,
  principal: PrincipalRecord | undefined,
  reason: RevocationReason,
  now: number,
): Promise<CertificateRecord[]> => {
  const { certificates } = registry
  const lineages = principal?.active_serials ?? {}
  const falling = new Map<string, CertificateRecord>()
  const add = (row: CertificateRecord | undefined): void => {
    if (row !== undefined && row.serial_number !== target.serial_number) falling.set(row.serial_number, row)
  }
  const successor = lineages[target.serial_number]?.successor
  if (successor !== undefined) add(await certificates.get(successor))
  if (reason === 'key_compromise') {
    const live = Object.entries(liveLineages({ active_serials: lineages }, now))
    const serials = live.flatMap(([serial, lineage]) => [serial, lineage.successor]).filter((one) => one !== undefined)
    const rows = new Map((await certificates.getMany(serials)).map((row) => [row.serial_number, row]))
    let newest: CertificateRecord | undefined
    for (const [serial, lineage] of live) {
      const [used, unused] = [rows.get(serial), rows.get(lineage.successor ?? '')]
      // Used ones follow each other, so the newest descends from any other; but not from one that was not used yet.
      const descends =
        used !== undefined && lineageOf(used) === lineageOf(target) && lineage.successor !== target.serial_number
      if (descends && serial !== target.serial_number) newest = used
      const burnt = descends || used?.spki_sha256 === target.spki_sha256
      if (burnt) add(used)
      if (burnt || unused?.spki_sha256 === target.spki_sha256) add(unused)
    }
    let before = newest?.renewed_from
    while (before !== undefined && before !== target.serial_number && falling.size < revokedAtOnce) {
      const row = await certificates.get(before)
      add(row)
      before = row?.renewed_from
    }
  }
  return [...falling.values(), target].filter((row) => !isFullyRevoked(row))
}

export interface RevokeRestDeps {
  registry: Pick<Registry, 'certificates' | 'crl' | 'keys' | 'commit'>
  clock: () => number
}

/**
 * Revokes what `falls` of all that a principal has held since `since` (Unix ms), newest first, none of which takes a place
 * of its quota any more. What was revoked before is passed over, so the same call again goes on where one was cut off.
 */
export const makeRevokeRest =
  ({ registry, clock }: RevokeRestDeps) =>
  async (
    attribution: Attribution,
    principalId: string,
    reason: RevocationReason,
    since: number,
    falls: (row: CertificateRecord) => boolean,
  ): Promise<void> => {
    const open = (rows: CertificateRecord[]) => rows.filter((row) => !isFullyRevoked(row) && falls(row))
    const revokeSome = (serials: string[]): Promise<undefined> =>
      registry.commit<undefined>({
        attribution,
        exclusive: `principal:${principalId}`,
        plan: async () => {
          const rows = open(await registry.certificates.getMany(serials))
          if (rows.length === 0) return { unchanged: undefined }
          return { ...planRevoked(registry, rows, reason, clock(), []), answer: undefined }
        },
      })
    let page: Page<CertificateRecord> | undefined
    do {
      page = await registry.certificates.list({
        principal_id: principalId,
        limit: rowsPerPage,
        now: clock(),
        horizon: 0,
        ...(page?.next_page_token === undefined ? {} : { page_token: page.next_page_token }),
      })
      const serials = open(page.items).map((row) => row.serial_number)
      for (let at = 0; at < serials.length; at += revokedAtOnce) await revokeSome(serials.slice(at, at + revokedAtOnce))
    } while (page.next_page_token !== undefined && (page.items.at(-1)?.issued_at ?? since) >= since)
  }

/** Whether the key of a certificate is known as compromised. */
export const isBurnt = async (registry: Pick<Registry, 'keys'>, row: CertificateRecord): Promise<boolean> =>
  (await registry.keys.get(row.spki_sha256))?.compromised_at !== undefined

/** Burns the key of a certificate that was revoked before, beside a plan that burns those of `rows`. */
export const planBurn = (
  registry: Pick<Registry, 'keys'>,
  { spki_sha256, principal_id }: CertificateRecord,
  rows: CertificateRecord[],
  now: number,
): Write[] =>
  rows.some((row) => row.spki_sha256 === spki_sha256)
    ? []
    : [{ item: registry.keys.burn(spki_sha256, principal_id, now) }]

/** What happened to the holder and the key of a certificate that had been revoked before for a milder reason. */
export const distrustEvent = (
  { serial_number, principal_id }: CertificateRecord,
  reason: RevocationReason,
  { block, burn }: { block: boolean; burn: boolean },
): EventDraft => ({
  action: 'certificate.distrust',
  target: serial_number,
  after: {
    principal_id,
    revocation_reason: reason,
    ...(block ? { rejoin_blocked: true } : {}),
    ...(burn ? { key_burnt: true } : {}),
  },
})

/** What it takes to revoke a certificate again where its row is no more, as in tables that were restored. */
const onceGone = ({ issuer_id, expires_at, spki_sha256 }: CertificateRecord) => ({ issuer_id, expires_at, spki_sha256 })

/** A transaction that revokes `rows`, at most `revokedAtOnce`; what it changes beside them is in `others`. */
export const planRevoked = (
  registry: Pick<Registry, 'certificates' | 'crl' | 'keys'>,
  rows: CertificateRecord[],
  reason: RevocationReason,
  now: number,
  others: Write[],
): { writes: Write[]; events: [EventDraft, ...EventDraft[]]; changes: Change[] } => {
  const burnt = reason === 'key_compromise' ? [...new Map(rows.map((row) => [row.spki_sha256, row.principal_id]))] : []
  const byPrincipal = new Map<string, string[]>()
  for (const row of rows)
    byPrincipal.set(row.principal_id, [...(byPrincipal.get(row.principal_id) ?? []), row.serial_number])
  return {
    writes: [
      ...rows.flatMap((row) => [
        { item: registry.certificates.revoke(row.serial_number, { revoked_at: now, revocation_reason: reason }) },
        {
          item: registry.crl.put({
            issuer_id: row.issuer_id,
            serial_number: row.serial_number,
            revoked_at: now,
            reason,
            expires_at: row.expires_at,
          }),
        },
      ]),
      ...burnt.map(([spki, principalId]) => ({ item: registry.keys.burn(spki, principalId, now) })),
      ...others,
    ],
    events: rows.map((row) => ({
      action: 'certificate.revoke',
      target: row.serial_number,
      after: { principal_id: row.principal_id, revocation_reason: reason, ...onceGone(row) },
    })) as unknown as [EventDraft, ...EventDraft[]],
    changes: [...byPrincipal].map(([principal_id, serial_numbers]) => ({
      type: 'certificates_revoked',
      principal_id,
      serial_numbers,
    })),
  }
}

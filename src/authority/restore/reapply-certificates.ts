import { type RevocationReason, revocationReasons } from '../../core/certificate.ts'
import type { ExportedEvent } from '../../core/exported-event.ts'
import { isSerialNumber } from '../../core/ids.ts'
import { liveLineages } from '../../core/principal.ts'
import type { Plan, Write } from '../../store/transaction.ts'
import { planAdmins } from '../last-admin.ts'
import { planHolder } from '../revoke.ts'
import { blocksRejoin, isFullyRevoked, planRevoked } from '../revoking.ts'
import type { RestoreDeps } from './deps.ts'

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
const reasonOf = (value: unknown): RevocationReason => revocationReasons.find((one) => one === value) ?? 'unspecified'
const isHash = (value: string | undefined): value is string => value !== undefined && /^[0-9a-f]{64}$/.test(value)

/**
 * Revokes a certificate again, with what followed for its holder and its key. Of one that was issued after the restore point
 * there is no row, so it is not let in; but it stands on the CRL again. `mayBar`: its holder was not activated since.
 */
export const makeReapplyRevocation =
  ({ registry, clock, attribution, count }: RestoreDeps) =>
  async (event: ExportedEvent, principalId: string, mayBar: boolean): Promise<void> => {
    const { target: serial_number, after, at, actor } = event
    if (!isSerialNumber(serial_number)) return
    const reason = reasonOf(after['revocation_reason'])
    const isRevocation = event.action === 'certificate.revoke'
    const distrusted = isRevocation
      ? actor !== principalId && blocksRejoin.has(reason)
      : after['rejoin_blocked'] === true
    const compromised = isRevocation ? reason === 'key_compromise' : after['key_burnt'] === true

    const done = await registry.commit<Parameters<typeof count>[0][]>({
      attribution,
      exclusive: `principal:${principalId}`,
      plan: async () => {
        const [row, holder] = await Promise.all([
          registry.certificates.get(serial_number),
          registry.principals.get(principalId),
        ])
        const now = clock()
        const bar = mayBar && distrusted && holder?.rejoin_blocked === false
        const barred = bar ? (['principals_barred'] as const) : []
        if (isRevocation && row !== undefined && !isFullyRevoked(row)) {
          const holders = await planHolder(registry, holder, [row], bar, now)
          return {
            ...planRevoked(registry, [row], reason, at, holders),
            answer: ['certificates_revoked', ...(compromised ? (['keys_burnt'] as const) : []), ...barred],
          }
        }
        const writes: Write[] = []
        // Tables are restored one by one: a row may know of its revocation, and the CRL not.
        const issuer_id = row?.issuer_id ?? textOf(after['issuer_id'])
        const expires_at = row?.expires_at ?? Number(after['expires_at'])
        const listable = isRevocation && issuer_id !== undefined && expires_at > now
        const listed = listable && !(await registry.crl.has(issuer_id, serial_number))
        const entry = { revoked_at: row?.revoked_at ?? at, reason: row?.revocation_reason ?? reason }
        if (listed) writes.push({ item: registry.crl.put({ issuer_id, serial_number, ...entry, expires_at }) })
        const spki = row?.spki_sha256 ?? textOf(after['spki_sha256'])
        const burns = compromised && isHash(spki) && (await registry.keys.get(spki))?.compromised_at === undefined
        if (burns) writes.push({ item: registry.keys.burn(spki, principalId, at) })
        if (bar && holder) writes.push({ item: registry.principals.change(holder, { rejoin_blocked: true }) })
        if (writes.length === 0) return { unchanged: [] }
        return {
          writes,
          events: [
            {
              action: listed && row === undefined ? 'certificate.revoke_unregistered' : 'certificate.distrust',
              target: serial_number,
              after: { ...after, principal_id: principalId },
            },
          ],
          changes: [
            { type: 'principal_updated', principal_id: principalId },
            // A list without it would be good for hours.
            ...(listed
              ? [{ type: 'certificates_revoked' as const, principal_id: principalId, serial_numbers: [serial_number] }]
              : []),
          ],
          answer: [
            ...(listed ? (['unregistered_listed'] as const) : []),
            ...(burns ? (['keys_burnt'] as const) : []),
            ...barred,
          ],
        }
      },
    })
    for (const what of done) count(what)
  }

/** Ends a certificate again in favour of its successor, also when that was issued after the restore point and is lost. */
export const makeReapplySupersede =
  ({ registry, clock, attribution, count }: RestoreDeps) =>
  async ({ target, after, at }: ExportedEvent, principalId: string): Promise<void> => {
    const successorSerial = textOf(after['superseded_by']) ?? ''
    if (!isSerialNumber(target) || !isSerialNumber(successorSerial)) return
    const done = await registry.commit<boolean>({
      attribution,
      exclusive: `principal:${principalId}`,
      plan: async (): Promise<Plan<boolean> | { unchanged: boolean }> => {
        const [predecessor, successor, holder] = await Promise.all([
          registry.certificates.get(target),
          registry.certificates.get(successorSerial),
          registry.principals.get(principalId),
        ])
        if (predecessor === undefined || predecessor.superseded_by !== undefined) return { unchanged: false }
        const now = clock()
        const { issuer_id, expires_at } = predecessor
        const writes: Write[] = [{ item: registry.certificates.supersede(target, successorSerial, at) }]
        // From the supersession on: how long the servers' grace is, nobody here knows, and it is mostly over.
        const entry = { issuer_id, serial_number: target, revoked_at: at, superseded_at: at, expires_at }
        if (!predecessor.revoked && expires_at > now)
          writes.push({ item: registry.crl.put({ ...entry, reason: 'superseded' }) })
        const isGood = successor !== undefined && !successor.revoked
        if (isGood && successor.first_used_at === undefined)
          writes.push({ item: registry.certificates.firstUse(successorSerial, at) })
        if (holder !== undefined) {
          const { [target]: place, ...others } = liveLineages(holder, now)
          const active_serials =
            isGood && place !== undefined
              ? { ...others, [successorSerial]: { expires_at: successor.expires_at } }
              : others
          writes.push({ item: registry.principals.change(holder, { active_serials }) })
          writes.push(...(await planAdmins(registry, [{ ...holder, active_serials }], now)))
        }
        return {
          writes,
          events: [
            {
              action: 'certificate.supersede',
              target,
              after: { principal_id: principalId, superseded_by: successorSerial },
            },
          ],
          changes: [
            { type: 'certificate_superseded', principal_id: principalId, serial_number: target, superseded_at: at },
          ],
          answer: true,
        }
      },
    })
    if (done) count('certificates_superseded')
  }

import { ControlError } from '../core/errors.ts'
import { liveLineages, type PrincipalRecord } from '../core/principal.ts'
import { hour } from '../core/time.ts'
import type { Registry } from '../store/registry.ts'
import type { Write } from '../store/transaction.ts'

/** How long an admin's certificate must still be good for the admin to count. Milliseconds. */
const mustOutlive = hour

/** Latest expiry of what a principal holds and has used, or could use from the start; 0 when it holds nothing. */
export const latestExpiry = (lineages: PrincipalRecord['active_serials']): number =>
  Math.max(0, ...Object.values(lineages).map((lineage) => lineage.expires_at))

const isGuarded = (admins: Record<string, number>, now: number): boolean =>
  Object.values(admins).some((expiresAt) => expiresAt > now + mustOutlive)

/**
 * Keeps the list of admins in step with a change of some principals: `after` holds each one's state when the transaction
 * is through. Throws `last_admin` when that would leave nobody with a certificate good for another hour; but not where what
 * was decided before is only done again.
 */
export const planAdmins = async (
  registry: Pick<Registry, 'admins'> & { lastAdminMayGo?: boolean },
  after: PrincipalRecord[],
  now: number,
): Promise<Write[]> => {
  const changed = after.filter((principal) => principal.type === 'admin')
  if (changed.length === 0) return []
  const read = await registry.admins.get()
  const admins = Object.fromEntries(Object.entries(read.admins).filter(([, expiresAt]) => expiresAt > now))
  for (const principal of changed) {
    const expiresAt = principal.status === 'active' ? latestExpiry(liveLineages(principal, now)) : 0
    if (expiresAt > now) admins[principal.principal_id] = expiresAt
    else delete admins[principal.principal_id]
  }
  if (registry.lastAdminMayGo !== true && isGuarded(read.admins, now) && !isGuarded(admins, now))
    throw new ControlError(
      'last_admin',
      'no admin would be left with a certificate good for another hour: issue a certificate to another admin first',
    )
  const same = JSON.stringify(Object.entries(admins).sort()) === JSON.stringify(Object.entries(read.admins).sort())
  return same ? [] : [{ item: registry.admins.replace(read, admins) }]
}

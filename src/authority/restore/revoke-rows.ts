import type { CertificateRecord } from '../../core/certificate.ts'
import { planHolder } from '../revoke.ts'
import { isFullyRevoked, planRevoked, revokedAtOnce } from '../revoking.ts'
import { type RestoreDeps, sideBySide } from './deps.ts'

/**
 * Revokes every unexpired certificate of which `falls` says so, read row by row and by no index; admins' as well. What is
 * revoked already is passed over, so a run that was cut off is run again.
 */
export const makeRevokeRows =
  ({ registry, clock, attribution, count }: RestoreDeps) =>
  async (falls: (row: CertificateRecord) => boolean): Promise<void> => {
    const open = (rows: CertificateRecord[]) =>
      rows.filter((row) => !isFullyRevoked(row) && row.expires_at > clock() && falls(row))

    const revokeSome = async (principalId: string, serials: string[]): Promise<void> => {
      const revoked = await registry.commit<number>({
        attribution,
        exclusive: `principal:${principalId}`,
        plan: async () => {
          const rows = open(await registry.certificates.getMany(serials))
          if (rows.length === 0) return { unchanged: 0 }
          const now = clock()
          const holder = await registry.principals.get(principalId)
          const others = await planHolder(registry, holder, rows, false, now)
          return { ...planRevoked(registry, rows, 'unspecified', now, others), answer: rows.length }
        },
      })
      for (let i = 0; i < revoked; i++) count('certificates_revoked')
    }

    for await (const page of registry.certificates.everyPage()) {
      const byPrincipal = Map.groupBy(open(page), (row) => row.principal_id)
      await sideBySide(byPrincipal, async ([principalId, rows]) => {
        const serials = rows.map((row) => row.serial_number)
        for (let at = 0; at < serials.length; at += revokedAtOnce)
          await revokeSome(principalId, serials.slice(at, at + revokedAtOnce))
      })
    }
  }

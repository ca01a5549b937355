import type { Admitted, Source } from '../auth/caller.ts'
import type { CertificateRecord } from '../core/certificate.ts'
import { ControlError, type ErrorCode } from '../core/errors.ts'
import { liveLineages } from '../core/principal.ts'
import type { Registry } from '../store/registry.ts'
import type { Write } from '../store/transaction.ts'
import { planAdmins } from './last-admin.ts'

export interface FirstUseDeps {
  registry: Pick<Registry, 'principals' | 'certificates' | 'admins' | 'crl' | 'commit'>
  clock: () => number
  /** How long the predecessor lives on, milliseconds. */
  supersedeGrace: number
}

/** A certificate that outlives its grace is on CRLs from then on; where the holder was careful it has expired before. */
const listed = (
  registry: Pick<Registry, 'crl'>,
  { issuer_id, serial_number, expires_at }: CertificateRecord,
  superseded_at: number,
  revoked_at: number,
): Write[] =>
  revoked_at >= expires_at
    ? []
    : [
        {
          item: registry.crl.put({
            issuer_id,
            serial_number,
            revoked_at,
            reason: 'superseded',
            superseded_at,
            expires_at,
          }),
        },
      ]

/**
 * Records that a successor was used for the first time, which supersedes its predecessor: in one transaction, before the
 * request is answered. When this fails, nothing has changed and the request is answered 503. What it returns is a reason
 * to refuse the successor.
 */
export const makeRecordFirstUse =
  ({ registry, clock, supersedeGrace }: FirstUseDeps) =>
  async (caller: Admitted, source: Source): Promise<ErrorCode | undefined> => {
    const { principal_id } = caller.principal
    const { serial_number } = caller.certificate
    return registry.commit<ErrorCode | undefined>({
      attribution: { actor: principal_id, ...source },
      exclusive: `principal:${principal_id}`,
      plan: async () => {
        const predecessorSerial = caller.certificate.renewed_from
        // In one breath: one call.
        const [successor, holder, predecessor] = await Promise.all([
          registry.certificates.get(serial_number),
          registry.principals.get(principal_id),
          predecessorSerial === undefined ? undefined : registry.certificates.get(predecessorSerial),
        ])
        // Revoked or gone meanwhile: admission reads again and says so.
        if (
          successor === undefined ||
          successor.revoked ||
          successor.first_used_at !== undefined ||
          predecessorSerial === undefined
        )
          return { unchanged: undefined }
        if (holder === undefined || holder.status !== 'active') return { unchanged: undefined }
        // Revoked by an operator's hand, which does not reach what was renewed from it.
        if (predecessor?.revoked) return { unchanged: 'certificate_revoked' }
        const now = clock()
        const { [predecessorSerial]: _ended, ...others } = liveLineages(holder, now)
        const active_serials = { ...others, [serial_number]: { expires_at: successor.expires_at } }
        // A predecessor's row may be gone with its TTL, and never is superseded by two.
        if (predecessor?.superseded_by !== undefined && predecessor.superseded_by !== serial_number)
          throw new ControlError('internal_error', 'a certificate has two successors in use')
        const supersede: Write[] =
          predecessor === undefined
            ? []
            : [
                { item: registry.certificates.supersede(predecessorSerial, serial_number, now) },
                ...listed(registry, predecessor, now, now + supersedeGrace),
              ]
        return {
          writes: [
            { item: registry.principals.change(holder, { active_serials }) },
            { item: registry.certificates.firstUse(serial_number, now) },
            ...supersede,
            ...(await planAdmins(registry, [{ ...holder, active_serials }], now)),
          ],
          events: [
            {
              action: 'certificate.supersede',
              target: predecessorSerial,
              after: { principal_id, superseded_by: serial_number },
            },
          ],
          changes: [
            { type: 'certificate_superseded', principal_id, serial_number: predecessorSerial, superseded_at: now },
          ],
          answer: undefined,
        }
      },
    })
  }

import { type AuthorityRecord, type StoredAuthorities, stateOf } from '../../core/authority.ts'
import { timeOrderedId } from '../../core/ids.ts'
import type { Issuer } from '../../pki/issuer.ts'
import type { Registry } from '../../store/registry.ts'
import { exclusive, unwritten, writesOf } from '../authorities/deps.ts'
import type { RotationState } from './vault-entries.ts'

/** How a rotation stands: which issuer signs, which were removed, and which have their key in KMS. */
export const readRotation = async ({ authorities }: Pick<Registry, 'authorities'>): Promise<RotationState> => {
  const { issuers, active } = await authorities.read()
  const ids = (wanted: (record: AuthorityRecord) => boolean) => issuers.filter(wanted).map(({ issuer_id }) => issuer_id)
  return {
    ...(active === undefined ? {} : { active: active.issuer_id }),
    removed: new Set(ids((record) => stateOf(record, active?.issuer_id) === 'removed')),
    kmsKeys: new Map(
      issuers.flatMap(({ issuer_id, kms_key_id }) => (kms_key_id === undefined ? [] : [[issuer_id, kms_key_id]])),
    ),
  }
}

/**
 * Has the issuer of a new CA sign, when an issuer of the old one is written down as the one that does: no server that has
 * read the new values could sign anything. One transaction; does nothing when it is so, or nothing is written down.
 */
export const activateNewIssuer = async (
  registry: Pick<Registry, 'authorities' | 'commit'>,
  issuer: Issuer,
  now: number,
): Promise<void> => {
  const { issuer_id } = issuer
  await registry.commit<undefined>({
    attribution: { actor: 'bootstrap', request_id: timeOrderedId(now), remote_address: 'local' },
    exclusive,
    plan: async () => {
      const stored: StoredAuthorities = await registry.authorities.read()
      // Where nobody has rotated yet, servers go by their configuration.
      if (stored.active === undefined || stored.active.adopted === true || stored.active.issuer_id === issuer_id)
        return { unchanged: undefined }
      const before = stored.active.issuer_id
      const read = stored.issuers.find((each) => each.issuer_id === issuer_id) ?? unwritten(issuer)
      const after: AuthorityRecord = { ...read, state: 'active', activated_at: now, version: read.version + 1 }
      return {
        writes: writesOf({ registry: registry as Registry }, stored, [[read, after]], { issuer_id, adopted: true }),
        events: [
          {
            action: 'authority.activate',
            target: issuer_id,
            after: { state: 'active', replaces: before, reason: 'bootstrap --force-new-ca' },
          },
        ],
        changes: [{ type: 'authorities_changed' }],
        answer: undefined,
      }
    },
  })
}

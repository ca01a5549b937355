import { randomUUID } from 'node:crypto'
import type { CrlHead } from '../../core/crl.ts'
import { ControlError } from '../../core/errors.ts'
import { second } from '../../core/time.ts'
import type { Issuer } from '../../pki/issuer.ts'
import { spkiOf } from '../../pki/keys.ts'
import { withDeadline } from '../../store/deadline.ts'
import type { Registry } from '../../store/registry.ts'
import { lifeOfCrl } from './due.ts'
import type { Workshop } from './workshop.ts'

export interface PublishCrlDeps {
  registry: Pick<Registry, 'crlFiles' | 'workLeases' | 'tell'>
  workshop: Pick<Workshop, 'run'>
  clock: () => number
  /** Whether these are still the tables of before, as a look that begins now finds: restored ones forget revocations. */
  tablesHold: () => Promise<boolean>
  /** Told of an own list before the other servers are. */
  onPublished: (published: Published) => void
}

export interface PublishOrder {
  issuer: Issuer
  /** The last one of an issuer that is removed: good until its certificate ends. */
  final?: boolean
  /** Whether a list is still needed once it is this server's turn; by default it is. */
  stillDue?: (newest: CrlHead | undefined) => boolean
}

export interface Published {
  head: CrlHead
  der: Buffer
  /** Records that name no certificate. */
  unreadable: number
}

/** A builder that does not renew its lease for so long has crashed. Milliseconds. */
const leaseTime = 15 * second
const renewEvery = 5 * second

/**
 * Makes the next list of an issuer and publishes it, one server at a time; undefined when another is at it, was faster, or
 * none is due. Throws `issuer_unavailable` when this process has not the issuer's key, or the key service does not answer,
 * and `store_unavailable` while it is not known whether the tables were restored.
 */
export const makePublishCrl = ({ registry, workshop, clock, tablesHold, onPublished }: PublishCrlDeps) => {
  const owner = randomUUID()
  return async ({ issuer, final = false, stillDue = () => true }: PublishOrder): Promise<Published | undefined> => {
    const { issuer_id, signer } = issuer
    if (signer === undefined) throw new ControlError('issuer_unavailable', 'this server has not the key of the issuer')
    // 1. The lease. A crash from here to 4 leaves it, for 15 s; then another server takes over.
    const lease = (until: number) => registry.workLeases.take(`crl:${issuer_id}`, owner, clock(), until)
    if (!(await lease(clock() + leaseTime))) return undefined
    const renewing = setInterval(() => void lease(clock() + leaseTime).catch(() => undefined), renewEvery)
    try {
      // 2. What there is; all numbers come from there. Never below the seconds of now: a restored table knows an older number
      // than relying parties have seen.
      const before = await registry.crlFiles.head(issuer_id)
      const read_at = clock()
      if (!stillDue(before)) return undefined
      const this_update = Math.floor(read_at / second) * second
      const number = Math.max((before?.number ?? 0) + 1, this_update / second)
      const next_update = final && issuer.not_after > this_update ? issuer.not_after : this_update + lifeOfCrl
      const build_id = randomUUID()
      const fields = { issuer: issuer.subject, key_id: issuer.key_id, number, this_update, next_update }
      const encoded = await workshop.run('encode', {
        issuer_id,
        build_id,
        fields,
        previous_update: before?.this_update,
      })
      // After all was read: nothing is signed that could let in what was revoked.
      if (!(await tablesHold())) throw new ControlError('store_unavailable', 'the tables are not known to be right')
      const signature = await signer.sign(encoded.tbs)
      // 3. Chunks under the build's own name. A crash leaves them unread, and the next builder removes them.
      const spki = spkiOf(signer.publicKey)
      const written = await workshop.run('finish', { issuer_id, build_id, signature, spki, next_update })
      const head: CrlHead = {
        issuer_id,
        number,
        build_id,
        this_update,
        next_update,
        read_at,
        ...(encoded.next_due === undefined ? {} : { next_due: encoded.next_due }),
        final,
        entries: encoded.entries,
        chunks: written.chunks,
        size: written.der.length,
        sha256: written.sha256,
        build_ms: encoded.milliseconds,
      }
      // 4. The head, if the one that was read is still there. From now on it is what every server gives out.
      if (!(await withDeadline(5 * second, () => registry.crlFiles.publish(head, before?.number)))) return undefined
      const published = { head, der: Buffer.from(written.der), unreadable: encoded.unreadable }
      onPublished(published)
      // 5. The others are told; without it they look within seconds.
      await withDeadline(5 * second, () => registry.tell([{ type: 'crl_published', issuer_id }])).catch(() => undefined)
      // 6. Older chunks go. Those that a crash leaves here, the next builder removes.
      await workshop.run('remove', { issuer_id, chunks: written.others }).catch(() => undefined)
      return published
    } finally {
      clearInterval(renewing)
      // Given back, so that the next change need not wait for its end.
      await lease(0).catch(() => undefined)
    }
  }
}
export type PublishCrl = ReturnType<typeof makePublishCrl>

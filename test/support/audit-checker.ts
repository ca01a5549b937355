import { hashOfEvent, noHash } from '../../src/core/audit-chain.ts'
import { canonicalJson } from '../../src/core/canonical.ts'
import { eventFromItem, plainEvent } from '../../src/store/audit-event.ts'
import { linkFromItem } from '../../src/store/audit-link.ts'
import type { Item } from '../../src/store/client.ts'

/**
 * Says every breach of what the audit chains promise, from all items of the control table: each event is linked at most
 * once, as it stands in both its copies, and no chain has a gap or a fork. `complete`: each is linked exactly once.
 */
export const findAuditBreaches = (control: Item[], complete: boolean): string[] => {
  const breaches: string[] = []
  const must = (holds: boolean, what: string): void => {
    if (!holds) breaches.push(what)
  }
  const of = (prefix: string) => control.filter((item) => String(item['pk']).startsWith(prefix))
  const events = new Map(of('AUDIT#').map((item) => [String(item['sk']), eventFromItem(item)] as const))
  const copies = new Map(of('TARGET#').map((item) => [String(item['sk']), eventFromItem(item)] as const))
  for (const [id, event] of events)
    must(canonicalJson(copies.get(id)) === canonicalJson(event), `event ${id}: its copy by target says something else`)

  const linked = new Map<string, string>()
  const ends = new Map<string, { seq: number; hash: string }>()
  for (const item of of('AUDITLINKS#').sort((a, b) => (`${a['pk']}${a['sk']}` < `${b['pk']}${b['sk']}` ? -1 : 1))) {
    const chain = String(item['pk']).slice('AUDITLINKS#'.length)
    const link = linkFromItem(item)
    const before = ends.get(chain) ?? { seq: 0, hash: noHash }
    must(link.first_seq === before.seq + 1, `chain ${chain}: ${link.first_seq} follows ${before.seq}`)
    must(link.prev_hash === before.hash, `chain ${chain}: link ${link.first_seq} follows another hash`)
    let prev_hash = link.prev_hash
    for (const [i, { event_id, hash }] of link.entries.entries()) {
      must(!linked.has(event_id), `event ${event_id} is linked twice: in ${linked.get(event_id)} and ${chain}`)
      linked.set(event_id, chain)
      const event = events.get(event_id)
      must(event !== undefined, `event ${event_id} is linked in ${chain} and not there`)
      if (event !== undefined) {
        const own = hashOfEvent({ ...plainEvent(event), chain, seq: link.first_seq + i, prev_hash })
        must(own === hash, `event ${event_id} reads back otherwise than it was linked`)
      }
      prev_hash = hash
    }
    ends.set(chain, { seq: link.first_seq + link.entries.length - 1, hash: prev_hash })
  }
  for (const row of of('AUDITCHAINS#OPEN')) {
    const end = ends.get(String(row['sk'])) ?? { seq: 0, hash: noHash }
    must(row['seq'] === end.seq && row['hash'] === end.hash, `chain ${row['sk']}: its end is another`)
  }
  if (complete) for (const id of events.keys()) must(linked.has(id), `event ${id} is in no chain`)
  return breaches
}

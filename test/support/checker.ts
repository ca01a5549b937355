import { ScanCommand } from '@aws-sdk/lib-dynamodb'
import type { CertificateRecord } from '../../src/core/certificate.ts'
import { liveLineages, type PrincipalRecord } from '../../src/core/principal.ts'
import { certificateFromItem } from '../../src/store/certificates.ts'
import type { Item, Store } from '../../src/store/client.ts'
import { principalFromItem } from '../../src/store/principals.ts'
import { findAuditBreaches } from './audit-checker.ts'
import { findControlBreaches } from './control-checker.ts'

const scan = async (store: Store, TableName: string): Promise<Item[]> => {
  const items: Item[] = []
  let ExclusiveStartKey: Item | undefined
  do {
    const page = await store.documents.send(new ScanCommand({ TableName, ConsistentRead: true, ExclusiveStartKey }))
    items.push(...((page.Items ?? []) as Item[]))
    ExclusiveStartKey = page.LastEvaluatedKey
  } while (ExclusiveStartKey !== undefined)
  return items
}

const versionActions = new Set(['principal.update', 'principal.suspend', 'principal.activate', 'principal.delete'])

/**
 * Reads all three tables and says every breach of the invariants of the data contract; none is an empty list. `allLinked`:
 * all is quiet, and each audit event must be in a chain.
 */
export const findBreaches = async (
  store: Store,
  now = Date.now(),
  { allLinked = false }: { allLinked?: boolean } = {},
): Promise<string[]> => {
  const breaches: string[] = []
  const must = (holds: boolean, what: string): void => {
    if (!holds) breaches.push(what)
  }
  const principals = new Map(
    (await scan(store, store.tables.principals)).map(principalFromItem).map((row) => [row.principal_id, row] as const),
  )
  const certificates = new Map(
    (await scan(store, store.tables.certificates))
      .map(certificateFromItem)
      .map((row) => [row.serial_number, row] as const),
  )
  const control = await scan(store, store.tables.control)
  const byKey = new Map(control.map((item) => [`${item['pk']}|${item['sk']}`, item]))
  const events = control.filter((item) => String(item['pk']).startsWith('AUDIT#'))
  const eventsOf = (target: string, action: string) =>
    events.filter((event) => event['target'] === target && event['action'] === action && event['outcome'] === 'success')

  breaches.push(...findAuditBreaches(control, allLinked), ...findControlBreaches(control, allLinked))
  for (const event of events)
    must(
      byKey.has(`TARGET#${event['target']}|${event['event_id']}`),
      `event ${event['event_id']} has no copy by target`,
    )

  for (const row of certificates.values()) {
    const id = row.serial_number
    must(
      eventsOf(id, 'certificate.issue').length + eventsOf(id, 'certificate.renew').length === 1,
      `${id}: issue events`,
    )
    must(eventsOf(id, 'certificate.revoke').length === (row.revoked_at === undefined ? 0 : 1), `${id}: revoke events`)
    must(
      eventsOf(id, 'certificate.supersede').length === (row.superseded_by === undefined ? 0 : 1),
      `${id}: supersede events`,
    )
    const crl = byKey.get(`CRL#${row.issuer_id}#${id.slice(-2)}|${id}`)
    // One that was superseded has a record as well, unless it expired before its grace was over.
    if (row.revoked_at !== undefined || row.superseded_by === undefined)
      must((crl !== undefined) === (row.revoked_at !== undefined), `${id}: CRL record`)
    if (crl !== undefined) {
      const [reason, superseded] =
        row.revoked_at === undefined ? ['superseded', row.superseded_at] : [row.revocation_reason, undefined]
      must(crl['reason'] === reason && crl['superseded_at'] === superseded, `${id}: what its CRL record says`)
      must(crl['expires_at'] === row.expires_at, `${id}: expiry of its CRL record`)
      if (row.revoked_at !== undefined) must(crl['revoked_at'] === row.revoked_at, `${id}: time of its CRL record`)
    }
    const key = byKey.get(`KEY#${row.spki_sha256}|KEY`)
    must(key?.['principal_id'] === row.principal_id, `${id}: its key belongs to ${key?.['principal_id']}`)
    if (row.revocation_reason === 'key_compromise')
      must(key?.['compromised_at'] !== undefined, `${id}: key is not burnt`)
    if (row.superseded_by !== undefined) {
      const successor = certificates.get(row.superseded_by)
      must(
        successor?.renewed_from === id && successor.first_used_at !== undefined,
        `${id}: superseded by one never used`,
      )
    }
  }
  for (const action of ['certificate.issue', 'certificate.renew', 'certificate.revoke', 'certificate.supersede'])
    for (const event of events.filter((one) => one['action'] === action))
      must(certificates.has(String(event['target'])), `${action} of ${event['target']}: no such row`)

  for (const principal of principals.values()) checkPrincipal(principal)

  // A join token never yields more identities than its uses, and each use is one certificate.
  const tokens = new Map(
    control.filter((item) => String(item['pk']).startsWith('JOINTOKEN#')).map((item) => [item['join_token_id'], item]),
  )
  for (const [id, token] of tokens) {
    const actor = `join_token:${id}`
    const yielded = [...certificates.values()].filter((row) => row.issued_by === actor)
    const born = [...principals.values()].filter((row) => row.created_by === actor)
    must(Number(token['uses']) <= Number(token['max_uses']), `${actor}: more uses than it has`)
    must(yielded.length === token['uses'], `${actor}: ${yielded.length} certificates by ${token['uses']} uses`)
    must(born.length <= Number(token['max_uses']), `${actor}: ${born.length} identities`)
    must(eventsOf(String(id), 'join_token.create').length === 1, `${actor}: create events`)
    must(eventsOf(String(id), 'join_token.use').length === token['uses'], `${actor}: use events`)
    const revoked = token['revoked_at'] === undefined ? 0 : 1
    must(eventsOf(String(id), 'join_token.revoke').length === revoked, `${actor}: revoke events`)
    must(byKey.get(`JOINTOKENS|${id}`)?.['token_sha256'] === token['token_sha256'], `${actor}: is not listed`)
    must(!JSON.stringify(token).includes('airj_'), `${actor}: its secret is kept`)
  }
  for (const row of certificates.values()) {
    if (row.kind !== 'enrolled') continue
    must(/^join_(token|rule):[0-9a-f]{32}$/.test(row.issued_by), `${row.serial_number}: enrolled by ${row.issued_by}`)
  }
  for (const principal of principals.values())
    must(
      eventsOf(principal.principal_id, 'principal.rejoin').length === principal.rejoins,
      `${principal.principal_id}: rejoin events`,
    )

  const listed = (byKey.get('ADMINS|ADMINS')?.['admins'] ?? {}) as Record<string, number>
  for (const principal of principals.values()) {
    if (principal.type !== 'admin' || principal.status !== 'active') {
      must(listed[principal.principal_id] === undefined, `${principal.principal_id}: listed as an admin`)
      continue
    }
    const latest = Math.max(0, ...Object.values(liveLineages(principal, now)).map((lineage) => lineage.expires_at))
    must((listed[principal.principal_id] ?? 0) === latest, `${principal.principal_id}: admins says another expiry`)
  }
  return breaches

  function checkPrincipal(principal: PrincipalRecord): void {
    const id = principal.principal_id
    const changes = events.filter(
      (event) => event['target'] === id && versionActions.has(String(event['action'])),
    ).length
    must(eventsOf(id, 'principal.create').length === 1, `${id}: create events`)
    must(principal.version === 1 + changes, `${id}: version ${principal.version} after ${changes} changes`)
    const lineages = liveLineages(principal, now)
    must(Object.keys(lineages).length <= principal.max_certificates, `${id}: more lineages than its quota`)
    for (const [serial, lineage] of Object.entries(lineages)) {
      const row = certificates.get(serial)
      must(
        row !== undefined && isLive(row, now) && row.principal_id === id,
        `${id}: ${serial} is not a live certificate of it`,
      )
      if (lineage.successor === undefined) continue
      const successor = certificates.get(lineage.successor)
      must(
        successor !== undefined &&
          !successor.revoked &&
          successor.first_used_at === undefined &&
          successor.renewed_from === serial,
        `${id}: ${lineage.successor} is not an unused successor of ${serial}`,
      )
    }
    const accounted = new Set(Object.entries(lineages).flatMap(([serial, lineage]) => [serial, lineage.successor]))
    for (const row of certificates.values())
      if (row.principal_id === id && isLive(row, now))
        must(accounted.has(row.serial_number), `${id}: ${row.serial_number} is live and takes no place`)
  }
}

const isLive = (row: CertificateRecord, now: number): boolean =>
  !row.revoked && row.superseded_by === undefined && row.expires_at > now

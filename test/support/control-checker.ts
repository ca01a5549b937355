import { createHash } from 'node:crypto'
import { hashOfCheckpoint, noHash } from '../../src/core/audit-chain.ts'
import type { Item } from '../../src/store/client.ts'

/** What the control table is made of. */
const kinds = new Set(
  'ADMINS KEY ANSWER FEED AUDIT TARGET AUDITCHAINS AUDITLINKS AUDITCHECKPOINTS CRL CRLS CRLCHUNKS REVOCATION REVOCATIONS JOINTOKEN JOINTOKENS JOINRULES PROOF DEPARTURES LEASE BOOTSTRAP STORE AGENTS COMMANDS AUTHORITIES TRUST SERVERS'.split(
    ' ',
  ),
)

const bySk = (a: Item, b: Item): number => (String(a['sk']) < String(b['sk']) ? -1 : 1)

/**
 * Says every breach in what the control table says of issuers, roots, lists and checkpoints, from all of its items. `quiet`:
 * nobody is writing lists or checkpoints.
 */
export const findControlBreaches = (control: Item[], quiet: boolean): string[] => {
  const breaches: string[] = []
  const must = (holds: boolean, what: string): void => {
    if (!holds) breaches.push(what)
  }
  const of = (partition: string) => control.filter((item) => item['pk'] === partition)
  for (const { pk, sk } of control) must(kinds.has(String(pk).split('#')[0] ?? ''), `${pk}|${sk}: of no known kind`)

  // One issuer signs, and each change of one has its event.
  const rows = of('AUTHORITIES').filter(({ sk }) => sk !== 'ACTIVE')
  const pointer = of('AUTHORITIES').find(({ sk }) => sk === 'ACTIVE')
  const active = rows.filter(({ state }) => state === 'active').map(({ sk }) => sk)
  must(active.join() === String(pointer?.['issuer_id'] ?? ''), `${active} are active, ${pointer?.['issuer_id']} signs`)
  const changes = control.filter(
    ({ pk, action, outcome }) =>
      String(pk).startsWith('AUDIT#') && String(action).startsWith('authority.') && outcome === 'success',
  )
  for (const { sk, version } of rows) {
    const told = changes.filter(({ target }) => target === sk).length
    must(version === told, `issuer ${sk}: version ${version} after ${told} events`)
  }
  for (const { sk, sha256 } of of('TRUST'))
    must(
      Array.isArray(sha256) && sha256.length > 0 && sha256.every((one) => /^[0-9a-f]{64}$/.test(one)),
      `trust bundle ${sk}: its roots`,
    )
  const [mark] = of('STORE')
  if (mark !== undefined)
    must(
      /^[0-9a-f]{32}$/.test(String(mark['epoch'])) && Number(mark['number']) >= 1 && Number(mark['moved_at']) > 0,
      `the tables' mark: ${JSON.stringify(mark)}`,
    )
  if (!quiet) return breaches

  for (const { sk, build_id, chunks, size, sha256 } of of('CRLS')) {
    const parts = of(`CRLCHUNKS#${sk}`).filter((item) => String(item['sk']).startsWith(`${build_id}#`))
    const der = Buffer.concat(parts.sort(bySk).map(({ octets }) => Buffer.from(octets as Uint8Array)))
    must(parts.length === chunks && der.length === size, `CRL of ${sk}: ${parts.length} of ${chunks} chunks`)
    must(createHash('sha256').update(der).digest('hex') === sha256, `CRL of ${sk}: its octets are others`)
  }
  let before = { n: 0, hash: noHash }
  for (const { document } of of('AUDITCHECKPOINTS').sort(bySk)) {
    const checkpoint = JSON.parse(String(document))
    must(
      checkpoint.n === before.n + 1 && checkpoint.prev_hash === before.hash,
      `checkpoint ${checkpoint.n} does not follow ${before.n}`,
    )
    before = { n: checkpoint.n, hash: hashOfCheckpoint(checkpoint) }
  }
  const [last] = of('AUDITCHECKPOINTS#LAST')
  must((last?.['n'] ?? 0) === before.n && (last?.['hash'] ?? noHash) === before.hash, 'the last checkpoint is another')
  return breaches
}

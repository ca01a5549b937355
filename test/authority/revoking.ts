import { createPrivateKey } from 'node:crypto'
import t from 'tap'
import { fallingWith, withoutSerials } from '../../src/authority/revoking.ts'
import type { CertificateRecord, RevocationReason } from '../../src/core/certificate.ts'
import { day } from '../../src/core/time.ts'
import { findBreaches } from '../support/checker.ts'
import { identityOf, makeRequest } from '../support/client.ts'
import { certificateRow, principalRow } from '../support/http-apps.ts'
import { makeJoiner } from '../support/joining.ts'
import { startPlane, type TestPlane } from '../support/plane.ts'
import { openTestRegistry } from '../support/registry.ts'
import { startTestStore } from '../support/store.ts'

const store = await startTestStore()
const test = openTestRegistry(store)
t.teardown(async () => {
  test.close()
  await store.stop()
})
const now = Date.now()
const expires_at = now + day

/**
 * The rows of one lineage, `name-0` first: each superseded by the next, but the last; `unused` adds one that waits for its
 * first use. Keys are their own unless told.
 */
const lineage = (name: string, length: number, more: { unused?: true; key?: string } = {}): CertificateRecord[] => {
  const rows = Array.from({ length: length + (more.unused ? 1 : 0) }, (_, i): CertificateRecord => {
    const used = i < length
    return {
      ...certificateRow(`${name}-${i}`, principalRow('worker-1', 'worker')),
      expires_at,
      spki_sha256: more.key ?? `key of ${name}-${i}`,
      issued_at: now + i,
      ...(i === 0 ? {} : { renewed_from: `${name}-${i - 1}`, lineage: `${name}-0` }),
      ...(used && i > 0 ? { first_used_at: now + i } : {}),
      ...(i < length - 1 ? { superseded_by: `${name}-${i + 1}`, superseded_at: now + i } : {}),
    }
  })
  return rows
}

const placesOf = (...rows: CertificateRecord[][]) =>
  Object.fromEntries(
    rows.flatMap((some) => {
      const used = some.filter((row) => row.renewed_from === undefined || row.first_used_at !== undefined).at(-1)
      const unused = some.find((row) => row.renewed_from !== undefined && row.first_used_at === undefined)
      if (used === undefined || used.revoked) return []
      const successor = unused && { successor: unused.serial_number, successor_expires_at: expires_at }
      return [[used.serial_number, { expires_at, ...successor }]]
    }),
  )

const a = lineage('a', 4, { unused: true })
const b = lineage('b', 1, { key: 'key of a-1' })
const c = lineage('c', 2, { unused: true })
const d = lineage('d', 1).map((row) => ({ ...row, revoked: true, revoked_at: now }))
await test.plant({ certificates: [...a, ...b, ...c, ...d] })
const holder = { ...principalRow('worker-1', 'worker'), active_serials: placesOf(a, b, c, d) }

const cases: [string, RevocationReason, string, string[]][] = [
  ['one without a successor', 'unspecified', 'b-0', ['b-0']],
  ['one with an unused successor', 'unspecified', 'a-3', ['a-3', 'a-4']],
  ['an unused successor', 'unspecified', 'a-4', ['a-4']],
  ['an unused successor, compromised: not what it was renewed from', 'key_compromise', 'a-4', ['a-4']],
  ['a superseded one', 'unspecified', 'a-1', ['a-1']],
  [
    'the first, compromised: all that was renewed from it',
    'key_compromise',
    'a-0',
    ['a-0', 'a-1', 'a-2', 'a-3', 'a-4'],
  ],
  [
    'one in the middle: none before it, but the other one of its key',
    'key_compromise',
    'a-1',
    ['a-1', 'a-2', 'a-3', 'a-4', 'b-0'],
  ],
  ['the newest used one: none before it', 'key_compromise', 'a-3', ['a-3', 'a-4']],
  ['the other one of a key', 'key_compromise', 'b-0', ['b-0']],
  ['another lineage', 'key_compromise', 'c-0', ['c-0', 'c-1', 'c-2']],
  ['one that is revoked', 'key_compromise', 'd-0', []],
]
t.test('what falls with', async (t) => {
  for (const [name, reason, serial, expected] of cases) {
    const target = await test.registry.certificates.get(serial)
    if (target === undefined) throw new Error(serial)
    const rows = await fallingWith(test.registry, target, holder, reason, now)
    t.same(rows.map((row) => row.serial_number).sort(), expected, `${name}, ${reason}`)
    if (expected.length > 0) t.equal(rows.at(-1)?.serial_number, serial, 'itself last')
  }
})

t.test('a lineage that was made very long hides nothing live, and costs few reads', async (t) => {
  const long = lineage('long', 400, { unused: true })
  await test.plant({ certificates: long })
  const [first] = long
  if (first === undefined) throw new Error('it is long')
  test.calls.clear()
  const rows = await fallingWith(
    test.registry,
    first,
    { ...holder, active_serials: { ...holder.active_serials, ...placesOf(long) } },
    'key_compromise',
    now,
  )
  const fallen = rows.map((row) => row.serial_number)
  t.ok(['long-399', 'long-400', 'long-398', 'long-0'].every((serial) => fallen.includes(serial)))
  t.notOk(fallen.some((serial) => !serial.startsWith('long')))
  const reads = [...test.calls.values()].reduce((sum, one) => sum + one, 0)
  t.ok(reads < 25, `${reads} reads`)
})

t.test('places without what is gone', async (t) => {
  const places = { x: { expires_at: 1, successor: 'y', successor_expires_at: 2 }, z: { expires_at: 3 } }
  t.same(withoutSerials(places, new Set(['y'])), { x: { expires_at: 1 }, z: { expires_at: 3 } })
  t.same(withoutSerials(places, new Set(['x', 'y'])), { z: { expires_at: 3 } })
  t.same(withoutSerials(places, new Set(['other'])), places)
})

const eventsOn = async (plane: TestPlane, serial: string): Promise<{ after: object }[]> =>
  (await plane.admin.get(`/v1/audit-events?target=${serial}&action=certificate.distrust`)).body.items

t.test('whoever revoked itself first is barred all the same when another gives a reason of distrust', async (t) => {
  const plane = await startPlane(t)
  const joiner = makeJoiner(plane)
  t.teardown(joiner.client.close)
  const { join_token } = await joiner.createToken({ principal_id: 'box-1', rejoin: true, max_uses: 5 })
  const first = await joiner.join(join_token)
  const { serial_number } = first.body.certificate
  const path = `/v1/certificates/${serial_number}/revoke`
  const self = await plane.clientOf(identityOf(first.body, first.key)).post(path, { reason: 'unspecified' })
  t.equal(self.status, 200)
  const box = async () => (await plane.admin.get('/v1/principals/box-1')).body

  t.same((await plane.admin.post(path, { reason: 'superseded' })).body, self.body, 'a mild reason changes nothing')
  t.equal((await box()).rejoin_blocked, false)
  t.same((await plane.admin.post(path, { reason: 'privilege_withdrawn' })).body, self.body, 'its row stays as it is')
  t.equal((await box()).rejoin_blocked, true)
  t.equal((await joiner.join(join_token)).status, 401)
  t.same((await plane.admin.post(path, { reason: 'key_compromise' })).body, self.body)
  const { csr_pem } = await makeRequest(createPrivateKey(first.key))
  const issued = await plane.admin.post('/v1/certificates', { principal_id: 'box-1', csr_pem })
  t.equal(issued.body.code, 'key_already_registered')
  const events = await eventsOn(plane, serial_number)
  t.match(events, [
    { after: { revocation_reason: 'key_compromise', key_burnt: true } },
    { after: { revocation_reason: 'privilege_withdrawn', rejoin_blocked: true } },
  ])

  t.same((await plane.admin.post(path, { reason: 'key_compromise' })).body, self.body)
  t.same((await plane.admin.post(path, { reason: 'privilege_withdrawn' })).body, self.body)
  t.same(await eventsOn(plane, serial_number), events, 'again changes nothing')
  t.same(await findBreaches(plane.store.store), [])
})

t.test('nor does what was renewed from it live on, when its key turns out to be compromised', async (t) => {
  const plane = await startPlane(t)
  const { client, issued } = await plane.enrol('worker-1')
  const { csr_pem, key } = await makeRequest()
  const renewed = await client.post('/v1/renewals', { csr_pem })
  const successor = plane.clientOf(identityOf(renewed.body, key))
  t.equal((await successor.get('/v1/whoami')).status, 200)
  const path = `/v1/certificates/${issued.certificate.serial_number}/revoke`
  t.equal((await successor.post(path, { reason: 'superseded' })).status, 200)
  t.equal((await successor.get('/v1/whoami')).status, 200)
  t.equal((await plane.admin.post(path, { reason: 'key_compromise' })).body.revocation_reason, 'superseded')
  t.equal((await successor.get('/v1/whoami')).body.code, 'certificate_revoked')
  t.equal((await plane.admin.get('/v1/principals/worker-1')).body.rejoin_blocked, true)
  t.same(await findBreaches(plane.store.store), [])
})

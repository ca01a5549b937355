import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import type { CertificateRecord } from '../../src/core/certificate.ts'
import { timeOrderedId } from '../../src/core/ids.ts'
import type { PrincipalRecord } from '../../src/core/principal.ts'
import { day, dayOf, hour, toRfc3339 } from '../../src/core/time.ts'
import { eventItems } from '../../src/store/audit-event.ts'
import type { Item } from '../../src/store/client.ts'
import { patiently } from '../support/client.ts'
import { startPlane } from '../support/plane.ts'

const rowsInList = 120
const plane = await startPlane(t)
const { store } = plane.store
const now = Date.now()

// Each principal may ask 50 times a second; this test asks oftener.
const admins = [plane.admin]
for (let i = 0; i < 30; i++) admins.push((await plane.enrol(`admin-${i}`, 'admin')).client)
let asked = 0
const get = (path: string) => patiently(() => (admins[asked++ % admins.length] as typeof plane.admin).get(path))

const putPrincipal = (row: Partial<PrincipalRecord> & { principal_id: string }): Promise<void> =>
  store.put({
    TableName: store.tables.principals,
    Item: { type: 'worker', status: 'active', created_at: now, active_serials: {}, ...row },
  })

const issuerId = '00112233aabbccdd'
const putCertificate = async (row: Partial<CertificateRecord> = {}): Promise<string> => {
  const serial_number = randomBytes(16).toString('hex')
  const expires_at = row.expires_at ?? now + day
  const Item: Item = {
    serial_number,
    fingerprint: randomBytes(32).toString('hex'),
    principal_id: 'worker-1',
    principal_type: 'worker',
    subject_dn: '',
    spiffe_id: '',
    issuer_id: issuerId,
    issued_at: now - day,
    not_before: now - day,
    issued_by: 'admin-test',
    kind: 'issued',
    revoked: false,
    certificate_der: Buffer.alloc(600),
    spki_sha256: '',
    ttl: Math.floor(now / 1000) + 400 * 86_400,
    ...row,
    expires_at,
    expiry_day: dayOf(expires_at),
  }
  await store.put({ TableName: store.tables.certificates, Item })
  return serial_number
}

const putEvent = async (at: number, draft: { action: string; target: string; actor: string }): Promise<string> => {
  const id = timeOrderedId(at)
  const { actor, ...event } = draft
  await store.transact(eventItems(store, id, event, { actor, request_id: 'test', remote_address: 'test' }))
  return id
}

// biome-ignore lint/suspicious/noExplicitAny: rows of three lists
type Row = any
interface Walked {
  items: Row[]
  pages: number
}

/** Follows a list to its end. */
const walk = async (
  path: string,
  limit: number,
  between: (page: number) => Promise<unknown> = async () => undefined,
): Promise<Walked> => {
  const items: Row[] = []
  let token: string | undefined
  for (let pages = 1; ; pages++) {
    const url = new URL(path, 'https://localhost')
    url.searchParams.set('limit', String(limit))
    if (token !== undefined) url.searchParams.set('page_token', token)
    const { status, body } = await get(`${url.pathname}${url.search}`)
    if (status !== 200) throw new Error(JSON.stringify(body))
    if (body.items.length > limit) throw new Error(`a page of ${body.items.length}`)
    items.push(...body.items)
    token = body.next_page_token
    if (token === undefined) return { items, pages }
    if (pages > 400) throw new Error('the list does not end')
    await between(pages)
  }
}

const isSorted = (values: string[], order: 'up' | 'down'): boolean =>
  values.every(
    (value, i) => i === 0 || (order === 'up' ? (values[i - 1] as string) <= value : (values[i - 1] as string) >= value),
  )

/** Each of the expected exactly once; `others` says whether more may be among them. */
const eachOnce = (t: Test, found: string[], expected: string[], others: 'none' | 'some' = 'none'): void => {
  t.equal(new Set(found).size, found.length, 'none twice')
  const missing = expected.filter((one) => !found.includes(one))
  t.same(missing, [], 'none missing')
  if (others === 'none') t.equal(found.length, expected.length, 'and no others')
}

// Principals: some share a moment of creation, so that a page ends in the middle of it.
const made = Array.from({ length: rowsInList }, (_, i) => ({
  principal_id: `list-${i}`,
  type: (['worker', 'service', 'user'] as const)[i % 3] as PrincipalRecord['type'],
  status: (['active', 'active', 'suspended', 'deleted'] as const)[i % 4] as PrincipalRecord['status'],
  created_at: now - day - Math.floor(i / 10),
}))
await Promise.all(made.map(putPrincipal))
await putPrincipal({ principal_id: 'worker-1' })
// Certificates of worker-1, in all states, over 40 days of expiry from 20 days ago on; and of others.
const states = ['active', 'revoked', 'superseded', 'expired'] as const
const certificates = await Promise.all(
  Array.from({ length: rowsInList }, async (_, i) => {
    const status = states[i % 4] as (typeof states)[number]
    const expires_at = status === 'expired' ? now - (i % 20) * day - hour : now + (i % 20) * day + hour
    const serial = await putCertificate({
      expires_at,
      issued_at: now - day - Math.floor(i / 10),
      ...(i % 2 === 0 ? {} : { issuer_id: 'ffeeddccbbaa9988' }),
      ...(status === 'revoked' ? { revoked: true, revoked_at: now } : {}),
      ...(status === 'superseded' ? { superseded_by: '0'.repeat(32), superseded_at: now } : {}),
    })
    return { serial, status, expires_at, issuer_id: i % 2 === 0 ? issuerId : 'ffeeddccbbaa9988' }
  }),
)
const strangers = await Promise.all(
  Array.from({ length: 30 }, (_, i) => putCertificate({ principal_id: 'worker-2', expires_at: now + i * day + hour })),
)
// Events, over some days, on targets of their own.
const events = await Promise.all(
  Array.from({ length: rowsInList }, async (_, i) => {
    const at = now - 60_000 - Math.floor(i / 4) * 2 * hour
    const draft = { action: i % 3 === 0 ? 'list.a' : 'list.b', target: `target-${i % 2}`, actor: `actor-${i % 5}` }
    return { id: await putEvent(at, draft), at, ...draft }
  }),
)

const idsOf = ({ items }: Walked): string[] => items.map((one) => one.principal_id)
const serialsOf = ({ items }: Walked): string[] => items.map((one) => one.serial_number)
const eventIdsOf = ({ items }: Walked): string[] => items.map((one) => one.event_id)

t.test('principals over pages of 7, each exactly once, while others are being added', async (t) => {
  let added = 0
  const walked = await walk('/v1/principals', 7, () =>
    putPrincipal({ principal_id: `late-${added++}`, created_at: Date.now() }),
  )
  eachOnce(t, idsOf(walked), [...made.map((one) => one.principal_id), 'worker-1', 'admin-test'], 'some')
  t.ok(walked.pages >= rowsInList / 7, `${walked.pages} pages, ${added} added meanwhile`)
  for (const status of ['active', 'suspended', 'deleted'])
    t.ok(
      isSorted(
        walked.items.filter((one) => one.status === status).map((one) => one.created_at),
        'down',
      ),
      `${status}: newest first`,
    )
})

t.test('principals by status, by type, and by both', async (t) => {
  for (const status of ['active', 'suspended', 'deleted', undefined])
    for (const type of ['worker', 'service', 'user', undefined]) {
      const query = new URLSearchParams({ ...(status && { status }), ...(type && { type }) })
      const found = idsOf(await walk(`/v1/principals?${query}`, 7)).filter((id) => id.startsWith('list-'))
      const expected = made.filter((one) => (!status || one.status === status) && (!type || one.type === type))
      eachOnce(
        t,
        found,
        expected.map((one) => one.principal_id),
      )
    }
})

t.test(
  'certificates of a principal over pages of 7, newest first, each exactly once, while others are being added',
  async (t) => {
    const walked = await walk('/v1/certificates?principal_id=worker-1', 7, () =>
      putCertificate({ issued_at: Date.now() }),
    )
    eachOnce(
      t,
      serialsOf(walked),
      certificates.map((one) => one.serial),
      'some',
    )
    t.ok(
      isSorted(
        walked.items.map((one) => one.issued_at),
        'down',
      ),
    )
  },
)

t.test(
  'certificates by expiry over pages of 7, soonest first, each exactly once, while others are being added',
  async (t) => {
    let turn = 0
    const walked = await walk('/v1/certificates', 7, () => putCertificate({ expires_at: now + (turn++ % 30) * day }))
    eachOnce(t, serialsOf(walked), [...certificates.map((one) => one.serial), ...strangers], 'some')
    t.ok(
      isSorted(
        walked.items.map((one) => one.expires_at),
        'up',
      ),
    )
  },
)

t.test('certificates by each filter and their combinations', async (t) => {
  const soon = now + 5 * day
  for (const principal_id of ['worker-1', undefined])
    for (const status of [...states, undefined])
      for (const expires_before of [soon, undefined])
        for (const issuer_id of [issuerId, undefined]) {
          const query = new URLSearchParams({
            ...(principal_id && { principal_id }),
            ...(status && { status }),
            ...(expires_before && { expires_before: toRfc3339(expires_before) }),
            ...(issuer_id && { issuer_id }),
          })
          const walked = await walk(`/v1/certificates?${query}`, principal_id ? 7 : 40)
          const expected = certificates.filter(
            (one) =>
              (!status || one.status === status) &&
              (!expires_before || one.expires_at < expires_before) &&
              (!issuer_id || one.issuer_id === issuer_id),
          )
          const known = new Set(certificates.map((one) => one.serial))
          const found = serialsOf(walked)
          t.equal(new Set(found).size, found.length, `${query}: none twice`)
          t.same(
            found.filter((one) => known.has(one)).sort(),
            expected.map((one) => one.serial).sort(),
            `${query}: those, and no others`,
          )
          if (status) t.ok(walked.items.every((one) => one.status === status))
          if (issuer_id) t.ok(walked.items.every((one) => one.issuer_id === issuer_id))
          if (principal_id) t.ok(walked.items.every((one) => one.principal_id === principal_id))
        }
})

const since = toRfc3339(now - 30 * day)

t.test('audit events over pages of 7, newest first, each exactly once, while others are being added', async (t) => {
  const walked = await walk(`/v1/audit-events?since=${since}`, 7, () =>
    putEvent(Date.now(), { action: 'list.late', target: 'late', actor: 'late' }),
  )
  eachOnce(
    t,
    eventIdsOf(walked),
    events.map((one) => one.id),
    'some',
  )
  t.ok(
    isSorted(
      walked.items.map((one) => one.at),
      'down',
    ),
  )
})

t.test('audit events by target, actor, action and time', async (t) => {
  const [from, until] = [now - 40 * hour, now - 10 * hour]
  for (const target of ['target-1', undefined])
    for (const actor of ['actor-2', undefined])
      for (const action of ['list.a', undefined])
        for (const window of [true, false]) {
          const query = new URLSearchParams({
            ...(target && { target }),
            ...(actor && { actor }),
            ...(action && { action }),
            ...(window ? { since: toRfc3339(from), until: toRfc3339(until) } : { since }),
          })
          const walked = await walk(`/v1/audit-events?${query}`, 7)
          const expected = events.filter(
            (one) =>
              (!target || one.target === target) &&
              (!actor || one.actor === actor) &&
              (!action || one.action === action) &&
              (!window || (one.at >= from && one.at <= until)),
          )
          const found = eventIdsOf(walked)
          t.equal(new Set(found).size, found.length, `${query}: none twice`)
          const known = new Set(events.map((one) => one.id))
          t.same(found.filter((one) => known.has(one)).sort(), expected.map((one) => one.id).sort(), `${query}`)
        }
})

t.test('without since, the last 24 hours', async (t) => {
  const found = eventIdsOf(await walk('/v1/audit-events?target=target-0', 50))
  eachOnce(
    t,
    found,
    events.filter((one) => one.target === 'target-0' && one.at >= now - day).map((one) => one.id),
  )
})

const firstToken = async (path: string): Promise<string> => {
  const { body } = await get(`${path}${path.includes('?') ? '&' : '?'}limit=7`)
  if (body.next_page_token === undefined) throw new Error(`${path} has one page`)
  return body.next_page_token
}

const mismatches: [from: string, to: string][] = [
  ['/v1/principals', '/v1/principals?status=active'],
  ['/v1/principals?status=active', '/v1/principals?status=suspended'],
  ['/v1/principals?type=worker', '/v1/principals?type=service'],
  ['/v1/principals?type=worker', '/v1/principals?type=worker&status=active'],
  ['/v1/principals', '/v1/certificates'],
  ['/v1/certificates', '/v1/principals'],
  ['/v1/certificates', '/v1/audit-events'],
  ['/v1/certificates', '/v1/certificates?principal_id=worker-1'],
  ['/v1/certificates?principal_id=worker-1', '/v1/certificates?principal_id=worker-2'],
  ['/v1/certificates?status=active', '/v1/certificates?status=revoked'],
  [`/v1/certificates?issuer_id=${issuerId}`, '/v1/certificates?issuer_id=ffeeddccbbaa9988'],
  [
    `/v1/certificates?expires_before=${toRfc3339(now + 10 * day)}`,
    `/v1/certificates?expires_before=${toRfc3339(now + 11 * day)}`,
  ],
  ['/v1/audit-events?target=target-0', '/v1/audit-events?target=target-1'],
  ['/v1/audit-events?actor=actor-1', '/v1/audit-events?actor=actor-2'],
  ['/v1/audit-events?action=list.a', '/v1/audit-events?action=list.b'],
  [`/v1/audit-events?since=${since}`, `/v1/audit-events?since=${toRfc3339(now - 29 * day)}`],
  [`/v1/audit-events?since=${since}`, '/v1/audit-events'],
  [
    `/v1/audit-events?since=${since}&until=${toRfc3339(now)}`,
    `/v1/audit-events?since=${since}&until=${toRfc3339(now - hour)}`,
  ],
]

t.test('a page token with other filters is refused', async (t) => {
  for (const [from, to] of mismatches) {
    const token = await firstToken(from)
    const { status, body } = await get(`${to}${to.includes('?') ? '&' : '?'}page_token=${token}`)
    t.same([status, body.code], [400, 'page_token_mismatch'], `${from} → ${to}`)
  }
})

t.test('a page token that no list has given out is refused, however near it comes', async (t) => {
  const paths = ['/v1/principals', '/v1/certificates', '/v1/certificates?principal_id=worker-1', '/v1/audit-events']
  for (const path of paths) {
    const token = await firstToken(path)
    const position = JSON.parse(Buffer.from(token, 'base64url').toString()) as Record<string, unknown>
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const key = position['k'] as Record<string, unknown> | undefined
    const garbage = [
      'x',
      '____',
      'a'.repeat(1024),
      token.slice(0, -4),
      encode(null),
      encode([]),
      encode('text'),
      encode({}),
      encode({ ...position, f: 5 }),
      ...(key
        ? [
            ...Object.keys(key).map((name) =>
              encode({ ...position, k: { ...key, [name]: typeof key[name] === 'number' ? 'text' : 5 } }),
            ),
            ...Object.keys(key).map((name) => encode({ ...position, k: { ...key, [name]: null } })),
            ...Object.keys(key).map((name) => encode({ ...position, k: { ...key, [name]: { S: 'x' } } })),
            encode({ ...position, k: { ...key, more: 'x' } }),
            encode({ ...position, k: {} }),
            encode({ ...position, k: 'text' }),
            encode({ ...position, p: 'another' }),
          ]
        : [
            encode({ ...position, b: 'not hex' }),
            encode({ ...position, b: 5 }),
            encode({ ...position, s: 'text' }),
            encode({ ...position, s: 1e300 }),
            encode({ ...position, s: 1.5 }),
          ]),
    ]
    for (const one of garbage) {
      const { status, body } = await get(`${path}${path.includes('?') ? '&' : '?'}page_token=${one}`)
      t.equal(status, 400, `${path}: ${Buffer.from(one, 'base64url').toString().slice(0, 200)}`)
      t.ok(['invalid_request', 'page_token_mismatch'].includes(body.code), body.code)
    }
  }
})

t.test('limits from 1 to 500 are taken, and no others', async (t) => {
  for (const path of ['/v1/principals', '/v1/certificates', '/v1/audit-events']) {
    for (const limit of ['0', '501', '-1', '1.5', 'many', '', '1e2']) {
      const { status, body } = await get(`${path}?limit=${limit}`)
      t.same([status, body.code], [400, 'invalid_request'], `${path} ${limit}`)
    }
    for (const limit of [1, 500]) {
      const { status, body } = await get(`${path}?limit=${limit}`)
      t.equal(status, 200)
      t.ok(body.items.length <= limit)
    }
    t.equal((await get(`${path}?limits=5`)).status, 400, 'an unknown parameter')
  }
})

import { execFile, spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { day, hour, minute, second } from '../../src/core/time.ts'
import { missingOpenssl } from '../pki/fixtures/openssl.ts'
import { eventually } from '../support/agent-stream.ts'
import { findBreaches } from '../support/checker.ts'
import { identityOf, makeRequest, patiently } from '../support/client.ts'
import { type Member, type RunningServer, startPlane, type TestPlane } from '../support/plane.ts'
import { giveIssuers, makeNextIssuer, prepare, step, whenReady } from '../support/rotation.ts'

t.setTimeout(200_000)

const run = promisify(execFile)
const base = 'http://pki.example.com'

/** A plane whose clock jumps. */
const start = async (t: Test, flags: Record<string, string> = {}) => {
  let jumped = 0
  const clock = () => Date.now() + jumped
  const options = { buildsCrls: true, clock, flags: { publicUrl: base, ...flags } }
  const plane = await startPlane(t, options)
  const jump = (milliseconds: number): void => {
    jumped += milliseconds
  }
  return { plane, options, clock, jump }
}
const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds))

const pathOf = (plane: TestPlane) => `/pki/issuers/${plane.authority.issuer.issuer_id}.crl`
const fetchCrl = async (plane: TestPlane, server: RunningServer = plane.server, init: RequestInit = {}) => {
  for (;;) {
    const answer = await fetch(`http://${server.pki}${pathOf(plane)}`, init)
    if (answer.status !== 503) return answer
    await answer.arrayBuffer()
    await pause(50)
  }
}
/** What openssl reads from a list: its number, its times, and the reason and time of each serial number. */
const readCrl = async (answer: Response) => {
  const der = Buffer.from(await answer.arrayBuffer())
  const { stdout } = spawnSync('openssl', ['crl', '-inform', 'DER', '-noout', '-text'], {
    input: der,
    encoding: 'utf8',
  })
  const timeOf = (label: string) => Date.parse(new RegExp(`${label}: (.*)`).exec(stdout)?.[1] ?? '')
  const entries = stdout.split('Serial Number: ').slice(1)
  return {
    der,
    number: Number(/CRL Number: \n\s+(\d+)/.exec(stdout)?.[1]),
    thisUpdate: timeOf('Last Update'),
    nextUpdate: timeOf('Next Update'),
    reasons: Object.fromEntries(
      entries.map((entry) => [entry.slice(0, 32).toLowerCase(), /Reason Code: \n\s+(.*)/.exec(entry)?.[1] ?? 'none']),
    ) as Record<string, string>,
  }
}
type Crl = Awaited<ReturnType<typeof readCrl>>

/** The first list of which `is` holds. It may take a minute, by promise, and longer on a machine that has other work. */
const listWhere = async (plane: TestPlane, is: (crl: Crl) => boolean, server = plane.server): Promise<Crl> => {
  for (const until = Date.now() + 2 * minute; ; await pause(250)) {
    const crl = await readCrl(await fetchCrl(plane, server))
    if (is(crl)) return crl
    if (Date.now() > until) throw new Error('no such list')
  }
}
const serialOf = ({ issued }: Pick<Member, 'issued'>) => issued.certificate.serial_number
const revoke = async (plane: TestPlane, serial: string, reason: string): Promise<void> => {
  const { status, body } = await patiently(() => plane.admin.post(`/v1/certificates/${serial}/revoke`, { reason }))
  if (status !== 200) throw new Error(JSON.stringify(body))
}

t.test('what is revoked is on the list, which openssl follows', { skip: missingOpenssl }, async (t) => {
  const { plane } = await start(t)
  const first = await fetchCrl(plane)
  t.match(Object.fromEntries(first.headers), {
    'content-type': 'application/pkix-crl',
    'cache-control': /^public, max-age=([0-9]|[1-5]\d|60)$/,
    etag: /^"[0-9a-f]{32}"$/,
    'last-modified': /GMT$/,
  })
  const empty = await readCrl(first)
  t.equal(empty.nextUpdate - empty.thisUpdate, day)
  t.same(empty.reasons, {})

  // What a cache asks.
  const etag = first.headers.get('etag') ?? ''
  const modified = first.headers.get('last-modified') ?? ''
  for (const headers of [{ 'if-none-match': etag }, { 'if-modified-since': modified }] as Record<string, string>[])
    t.equal((await fetchCrl(plane, plane.server, { headers })).status, 304)
  const other = { 'if-none-match': '"other"', 'if-modified-since': modified }
  t.equal((await fetchCrl(plane, plane.server, { headers: other })).status, 200, 'the tag counts, not the time')
  const head = await fetchCrl(plane, plane.server, { method: 'HEAD' })
  t.same([head.headers.get('content-length'), await head.text()], [String(empty.der.length), ''])
  for (const path of ['0123456789abcdef.crl', `${plane.authority.issuer.issuer_id}.CRL`, '.crl'])
    t.equal((await fetch(`http://${plane.server.pki}/pki/issuers/${path}`)).status, 404, path)

  const [good, bad, suspended] = [await plane.enrol('good'), await plane.enrol('bad'), await plane.enrol('suspended')]
  const text = new X509Certificate(good.identity.certificate).toString()
  const { stdout } = await run('openssl', [
    'x509',
    '-noout',
    '-ext',
    'crlDistributionPoints,authorityInfoAccess',
    '-in',
    join(t.testdir({ 'c.pem': text }), 'c.pem'),
  ])
  t.match(stdout, `URI:${base}${pathOf(plane)}`)
  t.match(stdout, `OCSP - URI:${base}/pki/ocsp`)
  t.match(stdout, `CA Issuers - URI:${base}${pathOf(plane).replace('.crl', '.cer')}`)

  await revoke(plane, serialOf(bad), 'key_compromise')
  const { status } = await patiently(() => plane.admin.post('/v1/principals/suspended/suspend', { reason: 'a test' }))
  t.equal(status, 200)
  const crl = await listWhere(plane, ({ reasons }) => serialOf(bad) in reasons)
  t.same(crl.reasons, { [serialOf(bad)]: 'Key Compromise' }, 'who is suspended is not on it')
  t.notOk(serialOf(suspended) in crl.reasons)
  t.ok(crl.number > empty.number)

  const path = t.testdir({
    'root.pem': plane.authority.root_pem,
    'good.pem': good.identity.certificate,
    'bad.pem': bad.identity.certificate,
    'crl.der': crl.der,
  })
  const verify = (name: string) =>
    run('openssl', [
      'verify',
      '-crl_check',
      ...['-CAfile', join(path, 'root.pem'), '-untrusted', join(path, name), '-CRLfile', join(path, 'crl.der')],
      join(path, name),
    ])
  t.match(await verify('good.pem'), { stdout: /OK/ })
  await t.rejects(verify('bad.pem'), { message: /certificate revoked/ })
  const metrics = await (await fetch(`http://${plane.server.metrics}/metrics`)).text()
  const label = `issuer="${plane.authority.issuer.issuer_id}"`
  t.match(metrics, new RegExp(`airunner_crl_age_seconds\\{${label}\\} \\d`))
  t.match(metrics, `airunner_crl_entries{${label}} 1`)
  t.match(metrics, /airunner_crl_build_seconds_count [1-9]/)
  t.ok(await eventually(() => plane.server.logged.some(({ event }) => event === 'crl_published')))
  t.match(
    plane.server.logged.find(({ event }) => event === 'crl_published'),
    { issuer_id: plane.authority.issuer.issuer_id, entries: 0, number: empty.number },
  )
})

t.test(
  'superseded is on it when its grace is over, and a revocation of it says more',
  { skip: missingOpenssl },
  async (t) => {
    const { plane, jump } = await start(t, { supersedeGrace: '300s' })
    const old = await plane.enrol('worker-1')
    const { key, csr_pem } = await makeRequest()
    const renewed = await patiently(() => old.client.post('/v1/renewals', { csr_pem }))
    const used = plane.clientOf(identityOf(renewed.body, key))
    t.equal((await patiently(() => used.get('/v1/whoami'))).status, 200)
    const other = await plane.enrol('worker-2')
    await revoke(plane, serialOf(other), 'unspecified')
    const during = await listWhere(plane, ({ reasons }) => serialOf(other) in reasons)
    t.same(during.reasons, { [serialOf(other)]: 'none' }, 'not while it is let in')
    jump(6 * minute)
    const after = await listWhere(plane, ({ reasons }) => serialOf(old) in reasons)
    t.same(after.reasons, { [serialOf(other)]: 'none', [serialOf(old)]: 'Superseded' })
    await revoke(plane, serialOf(old), 'privilege_withdrawn')
    const last = await listWhere(plane, ({ reasons }) => reasons[serialOf(old)] !== 'Superseded')
    t.equal(last.reasons[serialOf(old)], 'Privilege Withdrawn')
    t.same(await findBreaches(plane.store.store), [])
  },
)

t.test('time: expired ones leave one list later, and a list is never old', { skip: missingOpenssl }, async (t) => {
  const { plane, jump, clock } = await start(t)
  const brief = await plane.enrol('brief', 'worker', 300)
  await revoke(plane, serialOf(brief), 'superseded')
  const on = await listWhere(plane, ({ reasons }) => serialOf(brief) in reasons)
  jump(6 * hour + minute)
  const once = await listWhere(plane, ({ number }) => number > on.number)
  t.ok(clock() - once.thisUpdate < minute, 'renewed after 6 hours')
  t.ok(serialOf(brief) in once.reasons, 'it has expired, and is on one list since')
  jump(6 * hour + minute)
  const gone = await listWhere(plane, ({ number }) => number > once.number)
  t.same(gone.reasons, {})

  const head = await plane.server.plane.publishCrl(plane.authority.issuer.issuer_id, { final: true })
  t.equal(head.next_update, plane.authority.issuer.not_after)
  const final = await readCrl(await fetchCrl(plane))
  t.equal(final.nextUpdate, plane.authority.issuer.not_after)
  await t.rejects(plane.server.plane.publishCrl('0123456789abcdef'), { code: 'not_found' })
})

t.test('what is revoked after its issuer was removed is on its last list', { skip: missingOpenssl }, async (t) => {
  const { plane } = await start(t)
  const { admin, authority, server } = plane
  const { issuer_id, not_after } = authority.issuer
  const late = await plane.enrol('late')
  const next = await makeNextIssuer(authority.root, 'next issuer')
  await prepare(admin, next)
  await giveIssuers(server, authority, [next])
  t.equal((await whenReady(() => step(admin, next.issuer_id, 'activate'))).status, 200)
  const { key, csr_pem } = await makeRequest()
  const { body } = await patiently(() => admin.post('/v1/renewals', { csr_pem }))
  const newAdmin = plane.clientOf(identityOf(body, key))
  const removed = await step(newAdmin, issuer_id, 'remove', { force: true, reason: 'a test' })
  t.equal(removed.status, 200, removed.body.detail)
  const last = await listWhere(plane, ({ nextUpdate }) => nextUpdate === not_after)
  t.notOk(serialOf(late) in last.reasons)
  await patiently(() => newAdmin.post(`/v1/certificates/${serialOf(late)}/revoke`, { reason: 'key_compromise' }))
  const after = await listWhere(plane, ({ reasons }) => serialOf(late) in reasons)
  t.equal(after.reasons[serialOf(late)], 'Key Compromise')
  t.equal(after.nextUpdate, not_after, 'it is a last one as well')
  t.ok(after.number > last.number)
})

t.test(
  'two servers give out the same, and one without the key gives out what the others build',
  { skip: missingOpenssl },
  async (t) => {
    const { plane, options } = await start(t)
    await fetchCrl(plane)
    const servers = [
      plane.server,
      await plane.startServer(options),
      await plane.startServer({ ...options, env: { AIRUNNER_ISSUER_KEY: '' } }),
    ]
    const member = await plane.enrol('worker-1')
    await revoke(plane, serialOf(member), 'cessation_of_operation')
    const lists = await Promise.all(
      servers.map((server) => listWhere(plane, ({ reasons }) => serialOf(member) in reasons, server)),
    )
    t.ok(lists.every(({ reasons }) => reasons[serialOf(member)] === 'Cessation Of Operation'))
    await pause(3 * second)
    const newest = await Promise.all(servers.map(async (server) => (await fetchCrl(plane, server)).headers.get('etag')))
    t.equal(new Set(newest).size, 1)
    const published = servers.flatMap(({ logged }) => logged.filter(({ event }) => event === 'crl_published'))
    const numbers = published.map(({ number }) => Number(number))
    t.equal(new Set(numbers).size, numbers.length, 'no number is used twice')
    t.notOk(servers[2]?.logged.some(({ event }) => event === 'crl_published'))
    t.ok(published.length <= 8, `${published.length} lists for one revocation and two starts`)
  },
)

import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { confirmRestore } from '../../src/authority/restore/confirm.ts'
import type { StoreAccess } from '../../src/authority/restore/store-access.ts'
import type { ExportedEvent } from '../../src/core/exported-event.ts'
import { timeOrderedId } from '../../src/core/ids.ts'
import { controlKey } from '../../src/store/schema.ts'
import { findBreaches } from '../support/checker.ts'
import { startPlane, type TestPlane } from '../support/plane.ts'
import { openTestRegistry } from '../support/registry.ts'
import { makeNextIssuer } from '../support/rotation.ts'

let clock = Date.now()
const event = (
  action: string,
  target: string,
  after: object = {},
  more: Partial<ExportedEvent> = {},
): ExportedEvent => {
  clock += 10
  const base = { event_id: timeOrderedId(clock), at: clock, actor: 'admin-9', action, target, before: {} }
  return { ...base, after: { ...after }, ...more }
}

const start = async (t: Test) => {
  const plane = await startPlane(t)
  const opened = openTestRegistry(plane.store)
  t.teardown(opened.close)
  const access: StoreAccess = {
    registry: { ...opened.registry, lastAdminMayGo: true },
    memory: undefined,
    state: async () => ({ inside: undefined, outside: undefined, verdict: undefined }),
  }
  const confirm = (events: ExportedEvent[], dry_run = false, through = access) =>
    confirmRestore(through, { taken_at: Date.now(), how: { events, until: Date.now() }, dry_run, clock: Date.now })
  const principal = async (id: string) => (await plane.admin.get(`/v1/principals/${id}`)).body
  const status = async ({ issued }: Awaited<ReturnType<TestPlane['enrol']>>) =>
    (await opened.registry.certificates.get(issued.certificate.serial_number))?.revoked
  // Which issuer signs is written down a moment after the start.
  while ((await opened.registry.authorities.read()).active === undefined)
    await new Promise((wait) => setTimeout(wait, 50))
  return { plane, access, confirm, principal, status, registry: opened.registry }
}
const revoked = (
  member: Awaited<ReturnType<TestPlane['enrol']>>,
  reason: string,
  more: Partial<ExportedEvent> = {},
) => {
  const { serial_number, principal_id } = member.issued.certificate
  return event('certificate.revoke', serial_number, { principal_id, revocation_reason: reason }, more)
}

t.test('the last status stays, and who revoked itself is not barred', async (t) => {
  const { plane, confirm, principal, status } = await start(t)
  const [back, away, self, barred, forgiven] = await Promise.all(
    ['back', 'away', 'self', 'barred', 'forgiven'].map((id) => plane.enrol(id)),
  )
  if (!back || !away || !self || !barred || !forgiven) throw new Error('not enrolled')
  await plane.admin.post('/v1/principals/back/suspend', { reason: 'before the copy' })
  const events = [
    event('principal.activate', 'away'),
    event('principal.suspend', 'back'),
    event('principal.suspend', 'away', { suspended_reason: 'why' }),
    event('principal.activate', 'back'),
    revoked(self, 'key_compromise', { actor: 'self' }),
    revoked(barred, 'key_compromise'),
    revoked(forgiven, 'privilege_withdrawn'),
    event('principal.activate', 'forgiven'),
  ]
  const dry = await confirm(events, true)
  t.equal(await status(self), false, 'a dry run changes nothing')
  const { done } = await confirm(events.toReversed())
  t.match(done, { certificates_revoked: 3, principals_suspended: 1, principals_activated: 1, principals_barred: 1 })
  t.match(dry.done, done, 'and counts the same')
  t.match(await principal('back'), { status: 'active' })
  t.match(await principal('away'), { status: 'suspended', suspended_reason: 'why' })
  t.match(await principal('self'), { rejoin_blocked: false })
  t.match(await principal('barred'), { rejoin_blocked: true })
  t.match(await principal('forgiven'), { rejoin_blocked: false })
  t.same(await findBreaches(plane.store.store), [])
})

t.test('a run that is cut off anywhere is run again to the same end', async (t) => {
  const { plane, access, confirm, status, principal } = await start(t)
  const members = await Promise.all(['a', 'b', 'c', 'd'].map((id) => plane.enrol(id)))
  const events = [
    ...members.slice(0, 3).map((member) => revoked(member, 'key_compromise')),
    event('principal.suspend', 'a'),
    event('principal.delete', 'b'),
  ]
  for (let commits = 0; commits < 4; commits++) {
    let left = commits
    const commit: typeof access.registry.commit = (operation) => {
      if (left-- <= 0) throw new Error('cut off')
      return access.registry.commit(operation)
    }
    await t.rejects(confirm(events, false, { ...access, registry: { ...access.registry, commit } }), /cut off/)
  }
  await confirm(events)
  t.same(await Promise.all(members.map(status)), [true, true, true, false])
  t.match([await principal('a'), await principal('b')], [{ status: 'suspended' }, { status: 'deleted' }])
  const { done } = await confirm(events)
  t.same(
    Object.values(done).filter((count) => count > 0),
    [],
    'once more changes nothing',
  )
  t.same(await findBreaches(plane.store.store), [])
})

t.test('what ended stands on the CRL again, also where one table alone was restored', async (t) => {
  const { plane, confirm, registry } = await start(t)
  const [renewed, known, unknown] = await Promise.all(['renewed', 'known', 'unknown'].map((id) => plane.enrol(id)))
  if (!renewed || !known || !unknown) throw new Error('not enrolled')
  const { serial_number, issuer_id, expires_at } = known.issued.certificate
  await plane.admin.post(`/v1/certificates/${serial_number}/revoke`, { reason: 'superseded' })
  // The row has it, the table of everything else has not.
  const Key = controlKey.crl(issuer_id, serial_number)
  await plane.store.store.transact([{ Delete: { TableName: plane.store.tables.control, Key } }])
  const lost = timeOrderedId(Date.now())
  const superseded = renewed.issued.certificate.serial_number
  const after = { issuer_id, expires_at: Date.parse(expires_at) }
  const events = [
    event('certificate.supersede', superseded, { principal_id: 'renewed', superseded_by: lost }),
    event('certificate.revoke', serial_number, { principal_id: 'known', revocation_reason: 'superseded' }),
    event('certificate.revoke', lost, { principal_id: 'unknown', revocation_reason: 'unspecified', ...after }),
  ]
  const listed = () => Promise.all([superseded, serial_number, lost].map((one) => registry.crl.has(issuer_id, one)))
  t.same(await listed(), [false, false, false])
  await confirm(events)
  t.same(await listed(), [true, true, true])
  const { done } = await confirm(events)
  t.notOk(
    Object.values(done).some((count) => count > 0),
    'once more changes nothing',
  )
  const breaches = await findBreaches(plane.store.store)
  t.same(
    breaches.filter((breach) => breach.startsWith(serial_number)),
    [],
  )
})

t.test('mass revocations, issuers, join rules, and the last admin', async (t) => {
  const { plane, confirm, registry, status } = await start(t)
  const worker = await plane.enrol('worker-1')
  const rule = async () => {
    const answer = await plane.admin.post('/v1/join-rules', {
      method: 'aws_iam',
      principal_type: 'worker',
      principal_id_template: 'w-{session_name}',
      aws_iam: { account_ids: ['123456789012'], role_names: ['r'], trust_session_name: true },
    })
    if (answer.status !== 201) throw new Error(JSON.stringify(answer.body))
    return String(answer.body.join_rule_id)
  }
  const [changed, described, deleted] = [await rule(), await rule(), await rule()]
  clock = Date.now() + 5000
  const [open, ended, dry] = [timeOrderedId(clock), timeOrderedId(clock), timeOrderedId(clock)]
  const { done, by_hand } = await confirm([
    event('revocation.start', open, { principal_id: 'nobody', reason: 'unspecified', dry_run: false }),
    event('revocation.start', ended, { all: true, reason: 'unspecified', dry_run: false }),
    event('revocation.start', dry, { all: true, reason: 'unspecified', dry_run: true }),
    event('revocation.complete', ended),
    event('join_rule.update', changed, { aws_iam: {} }),
    event('join_rule.update', described, { description: 'x' }),
    event('join_rule.delete', deleted),
    event('principal.suspend', 'admin-test'),
    event('authority.retire', 'f'.repeat(16)),
    event('certificate.issue', 'e'.repeat(32)),
  ])
  t.match(done, { mass_revocations_begun: 1, join_rules_disabled: 1, join_rules_deleted: 1, principals_suspended: 1 })
  t.match(await registry.revocations.get(open), { filter: { principal_id: 'nobody' } })
  t.same([await registry.revocations.get(ended), await registry.revocations.get(dry)], [undefined, undefined])
  const rules = new Map((await registry.joinRules.all()).map((one) => [one.join_rule_id, one.enabled]))
  t.same([rules.get(changed), rules.get(described), rules.get(deleted)], [false, true, undefined])
  t.match(await registry.principals.get('admin-test'), { status: 'suspended' }, 'though no other admin is left')
  t.match(
    by_hand.join('\n'),
    /issuer f{16} was retired: do it again\n.*join rules.*\n1 certificates were issued after/s,
  )
  t.equal(await status(worker), false)

  const { issuer_id } = worker.issued.certificate
  const removed = await confirm([event('authority.activate', issuer_id), event('authority.remove', issuer_id)])
  t.match(removed.by_hand.join('\n'), /was removed, and signs in the restored tables: activate another one first/)
  t.equal(removed.done.certificates_revoked, 2, 'the admin’s as well')
  t.equal(await status(worker), true)
})

t.test('a rotation is gone through again, as far as the tables know its issuers', async (t) => {
  const { plane, confirm, registry } = await start(t)
  const old = plane.authority.issuer.issuer_id
  const next = await makeNextIssuer(plane.authority.root, 'next issuer')
  const row = async (id: string) => {
    const { issuers, active } = await registry.authorities.read()
    return [issuers.find((one) => one.issuer_id === id)?.state, active?.issuer_id === id]
  }
  const prepared = await plane.admin.post('/v1/authorities', { certificate_pem: next.pem })
  t.equal(prepared.status, 201, JSON.stringify(prepared.body))
  const { issuer_id } = prepared.body
  const rotation = [
    event('authority.prepare', issuer_id, { state: 'prepared' }),
    event('authority.activate', issuer_id, { state: 'active', replaces: old }),
    event('authority.deactivate', old, { state: 'prepared', replaced_by: issuer_id }),
    event('authority.retire', old, { state: 'retired' }),
    event('authority.remove', old, { state: 'removed' }),
  ]
  t.match((await confirm(rotation.slice(0, 3), true)).done, { issuers_activated: 1, issuers_removed: 0 })
  t.same(await row(old), ['active', true], 'a dry run')
  t.match((await confirm(rotation.slice(0, 4))).done, { issuers_activated: 1, issuers_retired: 1 })
  t.same(
    [await row(issuer_id), await row(old)],
    [
      ['active', true],
      ['retired', false],
    ],
  )
  const { done, by_hand } = await confirm(rotation)
  t.match(done, { issuers_activated: 0, issuers_retired: 0, issuers_removed: 1, certificates_revoked: 1 })
  t.match(by_hand.join('\n'), new RegExp(`issuer ${old} is removed again: remove it once more for its last CRL`))
  t.same(await row(old), ['removed', false])
  const again = await confirm(rotation)
  t.same(Object.values(again.done).filter(Boolean), [], 'once more changes nothing')

  const unknown = await confirm([
    event('authority.activate', 'f'.repeat(16)),
    event('authority.remove', 'e'.repeat(16)),
  ])
  t.match(unknown.by_hand, [
    /issuer f{16} signed last: prepare it again/,
    /issuer e{16} was removed, and the restored tables do not know it/,
  ])
  t.same(await row(issuer_id), ['active', true])
})

t.test('what an event may hold that it should not: nothing comes of it', async (t) => {
  const { plane, confirm, status } = await start(t)
  const worker = await plane.enrol('worker-1')
  const { serial_number } = worker.issued.certificate
  const { done } = await confirm([
    event('certificate.revoke', serial_number, {}),
    event('certificate.revoke', serial_number, { principal_id: 7 }),
    event('certificate.revoke', 'x', { principal_id: 'worker-1', revocation_reason: 'unspecified' }),
    event('certificate.revoke', randomBytes(16).toString('hex'), { principal_id: 'worker-1', issuer_id: 'i' }),
    event('certificate.distrust', serial_number, { principal_id: 'worker-1' }),
    event('certificate.supersede', serial_number, { principal_id: 'worker-1', superseded_by: 'x' }),
    event('principal.suspend', 'nobody'),
    event('principal.delete', '../..'),
    event('join_token.use', 'x'),
    event('join_token.revoke', 'x'),
    event('join_rule.delete', 'x'),
    event('authority.remove', 'x'),
  ])
  t.same(
    Object.entries(done).filter(([, count]) => count > 0),
    [],
  )
  t.equal(await status(worker), false)
})

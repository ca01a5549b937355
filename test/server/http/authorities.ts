import t, { type Test } from 'tap'
import { eventually } from '../../support/agent-stream.ts'
import { findBreaches } from '../../support/checker.ts'
import { identityOf, makeRequest } from '../../support/client.ts'
import { startPlane, type TestPlane } from '../../support/plane.ts'
import {
  authorityOf,
  giveIssuers,
  makeNextIssuer,
  makeNextRoot,
  type NextIssuer,
  prepare,
  step,
  whenReady,
} from '../../support/rotation.ts'

const forced = { force: true, reason: 'a test' }
type State = 'unknown' | 'prepared' | 'active' | 'retired' | 'removed'

/** A plane whose registry knows that its first issuer signs, and two that are next. */
const start = async (t: Test) => {
  const plane = await startPlane(t)
  const { root, issuer } = plane.authority
  const next = await makeNextIssuer(root, 'next issuer')
  const other = await makeNextIssuer(root, 'other issuer')
  await giveIssuers(plane.server, plane.authority, [next, other])
  const read = (id: string) => authorityOf(plane.admin, id)
  t.ok(await eventually(async () => (await read(issuer.issuer_id))?.version === 1), 'the first server wrote it down')
  const events = async (id: string): Promise<string[]> =>
    (await plane.admin.get(`/v1/audit-events?target=${id}`)).body.items
      .map((event: { action: string; outcome: string; actor: string }) => `${event.action} by ${event.actor}`)
      .reverse()
  return { plane, next, other, first: issuer.issuer_id, read, events }
}

/** Brings an issuer into a state, from any other; the one that signs meanwhile is `other`. */
const bring = async (plane: TestPlane, next: NextIssuer, other: string, state: State): Promise<void> => {
  const must = async (answer: Promise<{ status: number; body: unknown }>) => {
    const { status, body } = await answer
    if (status > 201) throw new Error(JSON.stringify(body))
  }
  const { admin } = plane
  await must(step(admin, other, 'activate', forced))
  if (state === 'unknown') return
  await must(prepare(admin, next))
  // From wherever it was: removed is prepared again by now, and by way of active all else is as well.
  await must(step(admin, next.issuer_id, 'activate', forced))
  if (state === 'active') return
  await must(step(admin, other, 'activate', forced))
  if (state === 'prepared') return
  await must(step(admin, next.issuer_id, 'retire', forced))
  if (state === 'removed') await must(step(admin, next.issuer_id, 'remove', forced))
}

/** Every state and every verb: what becomes of it. */
const table: Record<State, Record<'prepare' | 'activate' | 'retire' | 'remove', [number, State | string]>> = {
  unknown: {
    prepare: [201, 'prepared'],
    activate: [404, 'not_found'],
    retire: [404, 'not_found'],
    remove: [404, 'not_found'],
  },
  prepared: {
    prepare: [200, 'prepared'],
    activate: [200, 'active'],
    retire: [200, 'retired'],
    remove: [200, 'removed'],
  },
  active: {
    prepare: [200, 'active'],
    activate: [200, 'active'],
    retire: [409, 'invalid_transition'],
    remove: [409, 'invalid_transition'],
  },
  retired: {
    prepare: [200, 'retired'],
    activate: [200, 'active'],
    retire: [200, 'retired'],
    remove: [200, 'removed'],
  },
  removed: {
    prepare: [200, 'prepared'],
    activate: [409, 'invalid_transition'],
    retire: [409, 'invalid_transition'],
    remove: [200, 'removed'],
  },
}

t.test('every state and every verb: what the table says, once, and the same again', async (t) => {
  const { plane, next, first, read, events } = await start(t)
  const { admin, authority } = plane
  for (const [state, verbs] of Object.entries(table) as [State, (typeof table)[State]][])
    for (const [verb, [status, becomes]] of Object.entries(verbs)) {
      // What nobody has heard of is another one each time, and in no configuration: its key comes with it.
      const target = state === 'unknown' ? await makeNextIssuer(authority.root, 'unheard of') : next
      await bring(plane, target, first, state)
      const name = `${verb} of one that is ${state}`
      const before = (await events(target.issuer_id)).length
      const body = verb === 'activate' ? forced : {}
      const ask = (options = {}) =>
        verb === 'prepare'
          ? prepare(admin, target)
          : admin.post(`/v1/authorities/${target.issuer_id}/${verb}`, body, options)
      const answer = await whenReady(() => ask())
      t.equal(answer.status, status, `${name}: ${JSON.stringify(answer.body)}`)
      if (status >= 400) {
        t.equal(answer.body.code, becomes, name)
        t.equal((await events(target.issuer_id)).length, before, `${name}: no event of what did not happen`)
        continue
      }
      t.equal(answer.body.state, becomes, name)
      t.equal((await events(target.issuer_id)).length, before + (state === becomes ? 0 : 1), `${name}: one event`)
      const again = await ask()
      t.equal(again.status, 200, `${name}, again`)
      t.same(again.body, answer.body, `${name}, again: unchanged`)
      t.equal((await read(target.issuer_id)).state, becomes)
    }
  t.same(await findBreaches(plane.store.store), [])
})

t.test('a lost answer is given again by its key, and another body is refused', async (t) => {
  const { plane, next, events } = await start(t)
  const ask = (body: object) => plane.admin.post('/v1/authorities', body, { key: 'one' })
  const made = await ask({ certificate_pem: next.pem })
  const again = await ask({ certificate_pem: next.pem })
  t.same([made.status, again.status, again.headers['idempotency-replayed']], [201, 201, 'true'])
  t.same(again.body, made.body)
  t.equal((await ask({ certificate_pem: next.pem, kms_key_id: 'x' })).body.code, 'idempotency_key_reused')
  const known = () => plane.admin.post('/v1/authorities', { certificate_pem: next.pem }, { key: 'two' })
  t.same([(await known()).status, (await known()).status], [200, 200], 'one that was there is kept as such')
  t.same(await events(next.issuer_id), ['authority.prepare by admin-test'])
})

t.test('the list has roots and issuers, those of the configuration alone included', async (t) => {
  const { plane, next, first } = await start(t)
  const { body } = await plane.admin.get('/v1/authorities')
  const shown = body.items.map(({ kind, state, version }: Record<string, unknown>) => `${kind} ${state} ${version}`)
  t.same(shown.sort(), ['issuer active 1', 'issuer prepared 0', 'issuer prepared 0', 'root trusted 0'])
  const issuer = body.items.find(({ issuer_id }: { issuer_id: string }) => issuer_id === first)
  const root = body.items.find(({ kind }: { kind: string }) => kind === 'root')
  t.equal(issuer.root_sha256, root.sha256)
  t.equal(issuer.subject_dn, 'CN=test issuer')
  const paged: string[] = []
  for (let token = ''; ; ) {
    const page = (await plane.admin.get(`/v1/authorities?limit=1${token}`)).body
    paged.push(...page.items.map(({ issuer_id }: { issuer_id: string }) => issuer_id))
    if (page.next_page_token === undefined) break
    token = `&page_token=${page.next_page_token}`
  }
  t.same(
    paged,
    body.items.map(({ issuer_id }: { issuer_id: string }) => issuer_id),
    'in pages of one',
  )
  t.equal((await plane.admin.get(`/v1/authorities/${'0'.repeat(16)}`)).body.code, 'not_found')
  t.equal((await plane.admin.get(`/v1/authorities/${root.issuer_id}`)).body.state, 'trusted')
  t.equal((await step(plane.admin, root.issuer_id, 'activate')).body.code, 'not_found', 'a root is never activated')

  const details = await whenReady(async () => {
    const answer = await plane.admin.get(`/v1/authorities/${next.issuer_id}`)
    return answer.body.rollout.stragglers_total === 0 ? answer : { ...answer, body: { code: 'rotation_not_ready' } }
  })
  t.match(details.body.rollout, { servers: [{ has_key: true }], stragglers: [], active_certificates: 0 })
  const counted = (await plane.admin.get(`/v1/authorities/${first}`)).body.rollout
  t.match(counted, { active_certificates: 1, active_certificates_complete: true })

  const worker = await plane.enrol('worker-1')
  t.equal((await worker.client.get('/v1/authorities')).body.code, 'permission_denied')
})

t.test('what is no issuer of this plane is not prepared', async (t) => {
  const { plane, next } = await start(t)
  const { authority, admin } = plane
  const foreign = await makeNextRoot('foreign root')
  const expired = await makeNextIssuer(authority.root, 'short', 1000)
  const worker = await plane.enrol('worker-1')
  const reused = await makeNextIssuer(authority.root, 'same key')
  const key = await makeRequest(reused.privateKey)
  const issued = await admin.post('/v1/certificates', { principal_id: 'worker-1', csr_pem: key.csr_pem })
  t.equal(issued.status, 201)
  await new Promise((resolve) => setTimeout(resolve, 1100))
  const bad: [string, string, string][] = [
    ['no PEM', 'certificate', 'invalid_request'],
    ['nothing', ' ', 'invalid_request'],
    ['two certificates', next.pem + next.pem, 'invalid_request'],
    ['a private key', next.key_pem, 'invalid_request'],
    ['a certificate and text', `hello\n${next.pem}`, 'invalid_request'],
    ['a leaf', worker.issued.certificate_pem, 'invalid_request'],
    ['one of a foreign root', (await makeNextIssuer(foreign.root, 'foreign')).pem, 'invalid_request'],
    ['a foreign root', foreign.pem, 'invalid_request'],
    ['a root of ours', authority.root_pem, 'invalid_request'],
    ['an issuer of servers', (await makeNextIssuer(authority.root, 's', undefined, 'server')).pem, 'invalid_request'],
    ['one that has ended', expired.pem, 'invalid_request'],
    ['one with the key of a client', reused.pem, 'key_already_registered'],
    ['one that is too long', `${next.pem}${' '.repeat(8192)}`, 'invalid_request'],
  ]
  for (const [name, certificate_pem, code] of bad) {
    const answer = await admin.post('/v1/authorities', { certificate_pem })
    t.equal(answer.body.code, code, `${name}: ${JSON.stringify(answer.body)}`)
    t.notMatch(JSON.stringify(answer.body), /[A-Za-z0-9+/]{40}/, `${name}: nothing of it is repeated`)
  }
  for (const kms_key_id of ['', 'a b', 'x'.repeat(513), '$(id)'])
    t.equal((await prepare(admin, next, { kms_key_id })).body.code, 'invalid_request', kms_key_id.slice(0, 20))
  for (const verb of ['activate', 'retire', 'remove'])
    t.equal(
      (await step(admin, next.issuer_id, verb, { force: true })).body.code,
      'invalid_request',
      `${verb}: no reason`,
    )
  const same = await makeNextIssuer(authority.root, 'again')
  t.equal((await prepare(admin, same)).status, 201)
  const renewed = { pem: await reissue(same) }
  t.equal((await prepare(admin, renewed)).body.code, 'invalid_transition', 'another certificate of the same key')
  const usual = await prepare(admin, same, { kms_key_id: 'alias/issuer' })
  t.same(
    [usual.status, usual.body.kms_key_id, usual.body.version],
    [200, 'alias/issuer', 2],
    'its key may be named later',
  )

  async function reissue({ privateKey }: NextIssuer): Promise<string> {
    const { createIssuer } = await import('../../../src/pki/ca.ts')
    const { createPublicKey } = await import('node:crypto')
    const order = { root: authority.root, publicKey: createPublicKey(privateKey), usage: 'client' as const }
    return (await createIssuer({ ...order, common_name: 'again', now: Date.now() })).pem
  }
})

t.test('nobody is locked out unawares, and the last admin not at all', async (t) => {
  const { plane, next, first } = await start(t)
  const { admin } = plane
  t.equal((await whenReady(() => step(admin, next.issuer_id, 'activate'))).status, 200)
  const retired = await step(admin, first, 'retire', { renew_within_seconds: 60 })
  t.equal(retired.body.state, 'retired', JSON.stringify(retired.body))
  // Certificates that were on their way when the issuer was replaced have arrived by then.
  await new Promise((resolve) => setTimeout(resolve, 1100))
  const refused = await step(admin, first, 'remove')
  t.equal(refused.body.code, 'rotation_not_ready')
  t.match(refused.body.stragglers, [{ kind: 'agent', id: 'admin-test', detail: /holds the certificate/ }])
  t.equal((await step(admin, first, 'remove', forced)).body.code, 'last_admin', 'not even by force')

  const { key, csr_pem } = await makeRequest()
  const renewed = plane.clientOf(identityOf((await admin.post('/v1/renewals', { csr_pem })).body, key))
  t.equal((await renewed.get('/v1/whoami')).status, 200)
  const removed = await whenReady(() => step(renewed, first, 'remove'))
  t.equal(removed.body.state, 'removed', JSON.stringify(removed.body))
  t.equal((await admin.get('/v1/whoami')).body.code, 'certificate_untrusted', 'an open connection, its next request')
  const again = plane.clientOf(admin.identity)
  t.equal((await again.get('/v1/whoami')).body.code, 'certificate_untrusted', 'a new one is told as well')
  t.equal((await renewed.get('/v1/whoami')).status, 200)
  const published = await fetch(`http://${plane.server.pki}/pki/issuers/${first}.cer`)
  t.equal(published.status, 200, 'its certificate is published still')
  const join = await makeRequest()
  t.equal((await renewed.post('/v1/renewals', { csr_pem: join.csr_pem })).status, 201)
  t.ok(plane.server.logged.some(({ event, issuer_id }) => event === 'authority_removed' && issuer_id === first))
})

import t from 'tap'
import type { StoredAuthorities } from '../../src/core/authority.ts'
import { day, hour, minute } from '../../src/core/time.ts'
import { makeAuthorities } from '../../src/server/authorities.ts'
import { makeEndings } from '../../src/server/endings.ts'
import { environmentSource } from '../../src/server/secret-texts.ts'
import { checkSecrets } from '../../src/server/secrets.ts'
import { makeAuthority } from '../support/authority.ts'
import { makeNextIssuer, makeNextRoot } from '../support/rotation.ts'

const start = Date.now()
const authority = await makeAuthority(start)
const brief = await makeNextIssuer(authority.root, 'brief', hour)
const briefRoot = await makeNextRoot('brief root', hour)
/** It ends later than its root: a root of the same key and name had signed it. */
const { root: longRoot } = await makeNextRoot('brief root', 10 * day, briefRoot.root.signer)
const below = await makeNextIssuer(longRoot, 'below the brief root')
const first = authority.issuer.issuer_id
const later = start + 2 * hour

const environment = (...issuers: { pem: string; key_pem: string }[]) => ({
  ...authority.env,
  AIRUNNER_CA_CERT: briefRoot.pem + authority.root_pem,
  AIRUNNER_ISSUER_CERT: issuers.map(({ pem }) => pem).join('') + authority.env.AIRUNNER_ISSUER_CERT,
  AIRUNNER_ISSUER_KEY: issuers.map(({ key_pem }) => key_pem).join('') + authority.env.AIRUNNER_ISSUER_KEY,
})
const check = async (env: Record<string, string>, now: number) =>
  checkSecrets(await environmentSource(env).read(), { hostname: 'localhost', now })
const needed = async (env: Record<string, string>, now: number) => {
  const { secrets, problems } = await check(env, now)
  if (secrets === undefined) throw new Error(JSON.stringify(problems))
  return secrets
}
const ids = (some: { issuer_id: string }[]) => some.map(({ issuer_id }) => issuer_id)

/** What a server makes of it, by a clock that moves. */
const hold = async (env: Record<string, string>, stored: StoredAuthorities = { issuers: [] }) => {
  let now = start
  const secrets = await needed(env, now)
  const profile = { hostname: 'localhost', oid_arc: '1.3.6.1.4.1.99999.1' }
  const authorities = makeAuthorities({ secrets: () => secrets, stored: () => stored, profile, clock: () => now })
  const said: Record<string, unknown>[] = []
  const endings = makeEndings({ clock: () => now, log: { warn: (fields) => void said.push(fields) } })
  return {
    authorities,
    said,
    at: (time: number) => {
      now = time
      endings(authorities())
      return authorities()
    },
  }
}
const activeIs = (issuer_id: string): StoredAuthorities => ({ issuers: [], active: { issuer_id, version: 1 } })

t.test('at the start, what has ended beside others is set aside with its key, and nothing else is', async (t) => {
  const good = await needed(environment(brief, below), start)
  t.same(ids(good.issuers), [brief.issuer_id, below.issuer_id, first])
  t.same(good.ended, [])
  const after = await needed(environment(brief, below), later)
  t.same(ids(after.issuers), [first])
  t.same(after.bundle.pem, authority.root_pem)
  t.same(
    after.ended.map(({ kind, variable }) => `${kind} ${variable}`),
    ['root AIRUNNER_CA_CERT', 'issuer AIRUNNER_ISSUER_CERT', 'issuer AIRUNNER_ISSUER_CERT'],
  )
  const held = makeAuthorities({
    secrets: () => after,
    stored: () => ({ issuers: [] }),
    profile: { hostname: 'localhost', oid_arc: '1.3.6.1.4.1.99999.1' },
    clock: () => later,
  })()
  t.equal(held.keys.size, 5, 'their keys are never those of clients: two roots, three issuers, and no more')
})

t.test('all have ended: that is refused', async (t) => {
  const alone = { ...authority.env, AIRUNNER_ISSUER_CERT: brief.pem, AIRUNNER_ISSUER_KEY: brief.key_pem }
  const cases: [string, Record<string, string>, RegExp][] = [
    ['the only issuer', alone, /AIRUNNER_ISSUER_CERT: the issuer expired at/],
    ['the only root', { ...authority.env, AIRUNNER_CA_CERT: briefRoot.pem }, /AIRUNNER_CA_CERT: .*expired at/],
    [
      'the root of the only issuer',
      { ...environment(below), AIRUNNER_ISSUER_CERT: below.pem, AIRUNNER_ISSUER_KEY: below.key_pem },
      /AIRUNNER_ISSUER_CERT: the issuer does not chain to the trust bundle/,
    ],
    [
      'one has, and the other is of a foreign root',
      { ...environment(brief), AIRUNNER_CA_CERT: (await makeNextRoot('foreign')).pem },
      /does not chain to the trust bundle/,
    ],
  ]
  for (const [what, env, wanted] of cases) {
    const { secrets, problems } = await check(env, later)
    t.equal(secrets, undefined, what)
    t.match(problems.map(({ name, message }) => `${name}: ${message}`).join('\n'), wanted, what)
  }
})

t.test('while it runs: what has ended signs nothing, vouches for nothing and is not published', async (t) => {
  const { at, said } = await hold(environment(brief, below), activeIs(first))
  const before = at(start)
  t.same(ids(before.issuers), [brief.issuer_id, below.issuer_id, first])
  t.equal(at(start + minute), before, 'worked out once')
  const after = at(later)
  t.not(after, before)
  t.same(ids(after.issuers), [first])
  t.equal(after.active?.issuer.issuer_id, first)
  t.same(after.usableKeys(), [first])
  t.notMatch(after.truststorePem, brief.pem)
  t.notMatch(after.truststorePem, briefRoot.pem)
  t.equal(after.trustBundle.roots_pem, authority.root_pem)
  t.not(after.trustBundle.version, before.trustBundle.version)
  t.notOk(after.certificates.has(brief.issuer_id))
  t.ok(after.trusts(brief.issuer_id), 'its certificates have ended as well, and are told that')
  t.notOk(after.trusts(below.issuer_id), 'its certificates have not: no root vouches for them')
  t.ok(after.removed.every(({ signer }) => signer === undefined))
  t.ok(after.rootsEnd > later && after.issuersEnd > later, 'the server is ready')
  const ignored = said.filter(({ event }) => String(event).endsWith('_expired_ignored'))
  t.match(ignored, [
    { event: 'root_expired_ignored', remedy: 'take it out of AIRUNNER_CA_CERT' },
    { event: 'issuer_expired_ignored', issuer_id: brief.issuer_id, remedy: 'take it out of AIRUNNER_ISSUER_CERT' },
    { event: 'issuer_expired_ignored', issuer_id: below.issuer_id },
  ])
  at(later + day)
  t.equal(said.filter(({ event }) => String(event).endsWith('_expired_ignored')).length, 3, 'each is told once')
  t.same(ids(at(start).issuers), ids(before.issuers), 'a clock that was set back gives it back')
})

t.test('the active one ends: nothing signs, unless nobody has ever chosen', async (t) => {
  const chosen = await hold(environment(brief), activeIs(brief.issuer_id))
  t.equal(chosen.at(start).active?.issuer.issuer_id, brief.issuer_id)
  const after = chosen.at(later)
  t.equal(after.active, undefined)
  t.ok((after.issuerEnd as number) < later, 'the metric and the probe say so')
  t.ok(after.issuersEnd < later)
  // By the configuration alone, it is as if that had been started anew.
  const adopted = await hold(environment(brief), {
    issuers: [],
    active: { issuer_id: brief.issuer_id, version: 1, adopted: true },
  })
  t.equal(adopted.at(later).active?.issuer.issuer_id, first)
  const alone = await hold({
    ...authority.env,
    AIRUNNER_ISSUER_CERT: brief.pem,
    AIRUNNER_ISSUER_KEY: brief.key_pem,
  })
  t.equal(alone.at(later).active, undefined)
  t.ok(alone.authorities().issuersEnd < later)
})

t.test('what is about to end is told every day, except of those that may end in peace', async (t) => {
  const row = (state: 'prepared' | 'retired') => ({
    issuer_id: brief.issuer_id,
    certificate_der: Buffer.from(brief.pem.replace(/-.*-/g, ''), 'base64'),
    state,
    version: 1,
  })
  const soon = (said: Record<string, unknown>[]) => said.filter(({ event }) => String(event).endsWith('_expires_soon'))
  const used = await hold(environment(brief, below), { ...activeIs(first), issuers: [row('prepared')] })
  used.at(start)
  used.at(start + minute)
  t.match(soon(used.said), [
    { event: 'issuer_expires_soon', issuer_id: brief.issuer_id },
    { event: 'issuer_expires_soon', issuer_id: below.issuer_id },
    { event: 'root_expires_soon' },
  ])
  t.equal(soon(used.said).length, 3)
  const yearsEnd = start + 364 * day
  used.at(yearsEnd)
  used.at(yearsEnd + hour)
  t.match(soon(used.said).slice(3), [{ event: 'issuer_expires_soon', issuer_id: first }])
  t.equal(soon(used.said).length, 4)
  used.at(yearsEnd + day - minute)
  t.equal(soon(used.said).length, 4)
  const retired = await hold(environment(brief), { ...activeIs(first), issuers: [row('retired')] })
  retired.at(start)
  t.same(soon(retired.said), [], 'a retired one, and a root below which nothing is used')
})

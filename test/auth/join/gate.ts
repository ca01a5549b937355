import t from 'tap'
import { makeBoundedAudit } from '../../../src/auth/bounded-audit.ts'
import { makeFailedProofs, sourceOf } from '../../../src/auth/join/failed-proofs.ts'
import { makeJoinGate, type Refusal } from '../../../src/auth/join/gate.ts'
import { JoinKeyTaken, JoinRefused, JoinUnproven } from '../../../src/auth/join/proof.ts'
import { makeRuleReader } from '../../../src/authority/rule-reader.ts'
import { ControlError } from '../../../src/core/errors.ts'
import type { EventDraft } from '../../../src/store/audit-event.ts'

t.test('who counts as one source', async (t) => {
  const table: [string, string][] = [
    ['192.0.2.7', '192.0.2.7'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8:0:0:ffff::1', '2001:db8:0:0::/64'],
    ['2001:0db8:0000:0000:1:2:3:4', '2001:db8:0:0::/64'],
    ['2001:db8:0:1::1', '2001:db8:0:1::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['1:2:3:4:5:6:7::', '1:2:3:4::/64'],
    ['', ''],
  ]
  for (const [address, source] of table) t.equal(sourceOf(address), source, address)
})

t.test('thirty failures a minute and source', async (t) => {
  let now = 1e12
  const failed = makeFailedProofs(() => now)
  for (let i = 0; i < 30; i++) {
    t.equal(failed.wait('192.0.2.7'), 0)
    t.equal(failed.count('192.0.2.7'), 0)
  }
  now += 500
  t.equal(failed.wait('192.0.2.7'), 60)
  now += 20_000
  t.equal(failed.count('192.0.2.7'), 40)
  t.equal(failed.count('192.0.2.8'), 0, 'another address is another source')
  now += 40_000
  t.equal(failed.wait('192.0.2.7'), 0)
  t.equal(failed.count('192.0.2.7'), 0)
  for (let i = 0; i < 30; i++) failed.count(`2001:db8::${i}`)
  t.ok(failed.count('2001:db8::ffff') > 0, 'a /64 is one source')
  now -= 3_600_000
  t.equal(failed.count('192.0.2.7'), 0, 'a clock that was set back does not lock anybody out')
})

t.test('sources beyond ten thousand: the longest known is forgotten', async (t) => {
  const failed = makeFailedProofs(() => 1e12)
  for (let i = 0; i < 40; i++) failed.count('192.0.2.7')
  for (let i = 0; i < 10_000; i++) failed.count(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`)
  t.equal(failed.wait('192.0.2.7'), 0)
})

const openGate = (clock: () => number) => {
  const events: (EventDraft & { actor: string })[] = []
  const refusals: Refusal[] = []
  const audit = makeBoundedAudit({
    record: async (event, { actor }) => void events.push({ ...event, actor }),
    clock,
    onFailure: () => {},
    action: 'join.refuse',
  })
  const gate = makeJoinGate({
    failed: makeFailedProofs(clock),
    unanswered: makeFailedProofs(clock),
    audit,
    onRefused: (refusal) => refusals.push(refusal),
  })
  return { gate, audit, events, refusals }
}

t.test('at the gate the reason stays behind', async (t) => {
  let now = 1e12
  const { gate, audit, events, refusals } = openGate(() => now)
  const source = { remote_address: '2001:db8::1', request_id: 'r' }
  const refused = (error: Error) => gate.run(source, 'token', () => Promise.reject(error))

  t.equal(await gate.run(source, 'token', async () => 'in'), 'in')
  const thrown = await refused(new JoinRefused('because', { by: 'join_token:1', principal_id: 'a' })).catch((e) => e)
  t.match(thrown, { code: 'join_refused', message: '' })
  t.notOk(thrown instanceof JoinRefused)
  t.match(events, [
    { action: 'join.refuse', target: '1', actor: 'join_token:1', after: { reason: 'because', principal_id: 'a' } },
  ])
  t.match(refusals, [{ method: 'token', reason: 'because', by: 'join_token:1' }])
  await t.rejects(refused(new ControlError('store_unavailable', '')), { code: 'store_unavailable' }, 'no refusal')
  t.equal(events.length, 1)

  for (let i = 0; i < 29; i++)
    await t.rejects(refused(new JoinRefused(`${'x'.repeat(2000)}`)), { code: 'join_refused' })
  t.match(events.at(-1), { target: '2001:db8:0:0::/64', actor: 'unknown' })
  t.equal(String(events.at(-1)?.after?.['reason']).length, 512)
  await t.rejects(refused(new JoinRefused('late')), { code: 'rate_limited', retryAfterSeconds: 60 })
  t.throws(() => gate.demandPatience(source), { code: 'rate_limited' })
  t.doesNotThrow(() => gate.demandPatience({ ...source, remote_address: '2001:db8:1::1' }))
  t.equal(await gate.run(source, 'token', async () => 'in'), 'in', 'a good proof is let in all the same')
  t.equal(events.length, 10)
  now += 60_000
  audit.sweep()
  t.match(events.at(-1), { action: 'join.refuse', actor: 'system', code: 'suppressed', after: { suppressed: 21 } })
  t.doesNotThrow(() => gate.demandPatience(source))
})

t.test('a key that is taken is told as that, and counted', async (t) => {
  const { gate, events } = openGate(() => 1e12)
  const source = { remote_address: '192.0.2.7', request_id: 'r' }
  const taken = () =>
    gate.run(source, 'token', () => Promise.reject(new JoinKeyTaken({ by: 'join_token:1', principal_id: 'a' })))
  for (let i = 0; i < 30; i++) await t.rejects(taken(), { code: 'key_already_registered', message: '' })
  await t.rejects(taken(), { code: 'rate_limited', retryAfterSeconds: 60 })
  t.match(events[0], { action: 'join.refuse', code: 'key_already_registered', target: '1', after: { reason: /key/ } })
  t.equal(events.length, 10)
})

t.test(
  'the silence of others is not counted as a failure of who asks, and nobody makes us ask without end',
  async (t) => {
    let now = 1e12
    const { gate, events, refusals } = openGate(() => now)
    const source = { remote_address: '192.0.2.7', request_id: 'r' }
    const silent = (method: string) => gate.run(source, method, () => Promise.reject(new JoinUnproven('STS is away')))
    const told = { code: 'issuer_unavailable', message: '', retryAfterSeconds: 5 }
    for (let i = 0; i < 40; i++) {
      const thrown = await silent('oidc').catch((error) => error)
      t.match(thrown, told)
      t.notOk(thrown instanceof JoinRefused, 'the reason stays behind')
    }
    t.match(events[0], { action: 'join.refuse', code: 'issuer_unavailable', after: { reason: 'STS is away' } })
    t.equal(events.length, 10)
    t.match(refusals[0], { code: 'issuer_unavailable', reason: 'STS is away' })
    t.doesNotThrow(() => gate.demandPatience(source), 'keys of issuers are asked for seldom anyway')
    const refused = gate.run(source, 'token', () => Promise.reject(new JoinRefused('because')))
    await t.rejects(refused, { code: 'join_refused' }, 'and a refusal is answered as one')

    for (let i = 0; i < 30; i++) await t.rejects(silent('aws_iam'), told)
    now += 10_000
    t.throws(() => gate.demandPatience(source), { code: 'issuer_unavailable', retryAfterSeconds: 50 })
    t.doesNotThrow(() => gate.demandPatience({ ...source, remote_address: '192.0.2.8' }))
    now += 50_000
    t.doesNotThrow(() => gate.demandPatience(source))
  },
)

t.test('rules are read anew for each join, and in a flood as they were', async (t) => {
  let now = 1e12
  let reads = 0
  const { read, forget } = makeRuleReader({
    all: async () => {
      reads += 1
      if (reads === 210) throw new Error('the store is away')
      return []
    },
    clock: () => now,
  })
  for (let i = 0; i < 500; i++) await read()
  t.equal(reads, 200)
  now += 1000
  for (let i = 0; i < 9; i++) await read()
  t.equal(reads, 209)
  await t.rejects(read())
  await read()
  t.equal(reads, 211, 'a failure is not kept')
  for (let i = 0; i < 500; i++) await read()
  t.equal(reads, 400)
  forget()
  await read()
  t.equal(reads, 401, 'what was changed here is seen here at once')
})

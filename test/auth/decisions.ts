import t from 'tap'
import type { Presented } from '../../src/auth/caller.ts'
import { type Decision, makeDecisions } from '../../src/auth/decisions.ts'

const presentedBy = (serial: string, principal?: string): Presented => ({
  serial_number: serial,
  fingerprint: `fingerprint of ${serial}`,
  issuer_id: '0',
  not_before: 0,
  expires_at: 1,
  ...(principal === undefined ? {} : { claimed: { principal_id: principal, principal_type: 'worker' } }),
})
const decisionOn = (presented: Presented): Decision => ({
  presented,
  rows: { certificate: undefined, principal: undefined },
  read_at: 0,
  used_at: 0,
  good_until: 1,
})
const [a, b, other] = [presentedBy('1', 'worker-1'), presentedBy('2', 'worker-1'), presentedBy('3', 'worker-2')]

const drops: [string, (decisions: ReturnType<typeof makeDecisions>) => void, Presented[]][] = [
  ['a serial number', (decisions) => decisions.dropSerial('1'), [a]],
  ['a principal', (decisions) => decisions.dropPrincipal('worker-1'), [a, b]],
  ['everything', (decisions) => decisions.dropAll(), [a, b, other]],
  ['what nobody holds', (decisions) => decisions.dropSerial('unknown'), []],
]
for (const [name, drop, gone] of drops) {
  t.test(`dropping ${name} takes what is kept, and what is being read`, async (t) => {
    const decisions = makeDecisions()
    for (const one of [a, b, other]) decisions.set(decisionOn(one))
    const since = decisions.epoch()
    drop(decisions)
    for (const one of [a, b, other]) {
      t.equal(decisions.get(one.fingerprint) === undefined, gone.includes(one), one.serial_number)
      t.equal(decisions.changedSince(since, one), gone.includes(one))
      t.notOk(decisions.changedSince(decisions.epoch(), one), 'a read that begins now is good')
    }
    t.equal(decisions.all().length, 3 - gone.length)
  })
}

t.test('a decision that is set anew is found by its new subjects alone', async (t) => {
  const decisions = makeDecisions()
  decisions.set(decisionOn(a))
  decisions.set(decisionOn({ ...a, claimed: { principal_id: 'worker-9', principal_type: 'worker' } }))
  decisions.dropPrincipal('worker-1')
  t.ok(decisions.get(a.fingerprint))
  decisions.dropPrincipal('worker-9')
  t.notOk(decisions.get(a.fingerprint))
})

t.test('more drops than are remembered overtake every read under way, and memory stays bounded', async (t) => {
  const decisions = makeDecisions()
  const since = decisions.epoch()
  for (let i = 0; i < 10_000; i++) decisions.dropSerial(`gone ${i}`)
  t.notOk(decisions.changedSince(since, a))
  decisions.dropSerial('one more')
  t.ok(decisions.changedSince(since, a))
  t.notOk(decisions.changedSince(decisions.epoch(), a))
})

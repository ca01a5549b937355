import { UpdateCommand } from '@aws-sdk/lib-dynamodb'
import t from 'tap'
import { makeAdmit } from '../../src/auth/admission.ts'
import type { Presented } from '../../src/auth/caller.ts'
import { makeDecisions } from '../../src/auth/decisions.ts'
import { makeRecheck } from '../../src/auth/recheck.ts'
import { isControlError } from '../../src/core/errors.ts'
import { minute, second } from '../../src/core/time.ts'
import { makeAdmissionRows } from '../../src/store/admission-rows.ts'
import { eventually } from '../support/agent-stream.ts'
import { certificateRow, principalRow } from '../support/http-apps.ts'
import { openTestRegistry } from '../support/registry.ts'
import { startTestStore } from '../support/store.ts'

const engine = await startTestStore()
const test = openTestRegistry(engine)
t.teardown(async () => {
  test.close()
  await engine.stop()
})
const source = { remote_address: '127.0.0.1', request_id: 'r' }
const start = Date.UTC(2026, 5, 1)
const rules = () => ({ supersede_grace: 5 * minute, trusts: () => true })
let made = 0

/** Admission of one worker over the real store, on a clock that the test sets; reads can be held up on their way back. */
const open = async () => {
  const principal = principalRow(`worker-${made}`, 'worker')
  const certificate = certificateRow((made++).toString(16).padStart(32, '0'), principal)
  await test.plant({ principals: [principal], certificates: [certificate] })
  const { serial_number, fingerprint, issuer_id, not_before, expires_at } = certificate
  const claimed = { principal_id: principal.principal_id, principal_type: principal.type }
  const presented: Presented = { serial_number, fingerprint, issuer_id, not_before, expires_at, claimed }
  const decisions = makeDecisions()
  const rows = makeAdmissionRows(test.store)
  let now = start
  let reads = 0
  let held: Promise<void> = Promise.resolve()
  const clock = () => now
  const admit = makeAdmit({
    rules,
    knowIssuers: () => undefined,
    decisions,
    clock,
    readRows: async (wanted) => {
      reads++
      const wait = held
      const found = await rows.read(wanted)
      await wait
      return found
    },
    recordFirstUse: async () => undefined,
    onDenied: () => undefined,
  })
  const setByHand = (revoked: boolean) =>
    test.store.documents.send(
      new UpdateCommand({
        TableName: test.store.tables.certificates,
        Key: { serial_number },
        UpdateExpression: 'SET revoked = :revoked',
        ExpressionAttributeValues: { ':revoked': revoked },
      }),
    )
  return {
    presented,
    decisions,
    clock,
    rows,
    setByHand,
    reads: () => reads,
    pass: (milliseconds: number) => {
      now += milliseconds
    },
    /** Reads that begin now give what they found when the returned function is called. */
    hold: () => {
      const { promise, resolve } = Promise.withResolvers<void>()
      held = promise
      return () => {
        held = Promise.resolve()
        resolve()
      }
    },
    /** `admitted`, or the code of the refusal. */
    ask: () =>
      admit(presented, source).then(
        () => 'admitted',
        (error: unknown) => (isControlError(error) ? error.code : String(error)),
      ),
  }
}

const ages: [string, number, number][] = [
  ['at once', 0, 1],
  ['just within its life', 45 * second - 1, 1],
  ['at its end', 45 * second, 2],
  ['on a clock that was set back', -2 * second, 2],
]
for (const [name, age, reads] of ages) {
  t.test(`a decision used ${name}: ${reads === 1 ? 'no read' : 'read anew'}`, async (t) => {
    const one = await open()
    t.equal(await one.ask(), 'admitted')
    one.pass(age)
    t.equal(await one.ask(), 'admitted')
    t.equal(one.reads(), reads)
  })
}

t.test('a denial is believed for a second', async (t) => {
  const one = await open()
  await one.setByHand(true)
  t.equal(await one.ask(), 'certificate_revoked')
  await one.setByHand(false)
  one.pass(second - 1)
  t.equal(await one.ask(), 'certificate_revoked')
  one.pass(1)
  t.equal(await one.ask(), 'admitted')
})

t.test('what expires or is superseded while its decision is kept is refused without a read', async (t) => {
  const one = await open()
  one.pass(one.presented.expires_at - start - second)
  t.equal(await one.ask(), 'admitted')
  one.pass(second)
  t.equal(await one.ask(), 'certificate_expired')
})

t.test('rows that were read before a change are not kept after it', async (t) => {
  const one = await open()
  const release = one.hold()
  const asked = [one.ask(), one.ask()]
  t.ok(await eventually(() => one.reads() === 1))
  await one.setByHand(true)
  one.decisions.dropSerial(one.presented.serial_number)
  release()
  t.same(await Promise.all(asked), ['certificate_revoked', 'certificate_revoked'])
  t.equal(one.reads(), 2, 'both shared the read that was overtaken, and the next one')
})

t.test('a recheck that was overtaken by a newer decision does not undo it', async (t) => {
  const one = await open()
  t.equal(await one.ask(), 'admitted')
  one.pass(44 * second)
  const read = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  const recheck = makeRecheck({
    rules,
    decisions: one.decisions,
    held: () => [],
    isChanging: () => false,
    readMany: async (wanted) => {
      const found = await one.rows.readMany(wanted)
      read.resolve()
      await release.promise
      return found
    },
    clock: one.clock,
    onLost: () => t.fail('nothing is lost'),
    onSilence: () => t.fail('nor silent'),
    onFailure: (error) => t.fail(String(error)),
  })
  const round = recheck.round()
  await read.promise
  await one.setByHand(true)
  one.pass(2 * second)
  t.equal(await one.ask(), 'certificate_revoked')
  release.resolve()
  await round
  t.equal(await one.ask(), 'certificate_revoked')
  recheck.stop()
})

t.test('what the regular look finds before the feed does is told with its time', async (t) => {
  const one = await open()
  t.equal(await one.ask(), 'admitted')
  await one.setByHand(true)
  const lost: unknown[] = []
  let revoked_at: number | undefined
  const recheck = makeRecheck({
    rules,
    decisions: one.decisions,
    held: () => [{ presented: one.presented }],
    isChanging: () => false,
    readMany: async (wanted) =>
      (await one.rows.readMany(wanted)).map((rows) => {
        if (rows.certificate === undefined || revoked_at === undefined) return rows
        return { ...rows, certificate: { ...rows.certificate, revoked_at } }
      }),
    clock: one.clock,
    onLost: (_presented, code, since) => lost.push([code, since]),
    onSilence: () => t.fail('not silent'),
    onFailure: (error) => t.fail(String(error)),
  })
  t.teardown(recheck.stop)
  await recheck.round()
  revoked_at = one.clock() - 700
  await recheck.round()
  t.same(lost, [
    ['certificate_revoked', undefined],
    ['certificate_revoked', revoked_at],
  ])
})

t.test('who asks for the end of its own rights is not cut by the regular look before it has its answer', async (t) => {
  const one = await open()
  t.equal(await one.ask(), 'admitted')
  await one.setByHand(true)
  const lost: string[] = []
  const recheck = makeRecheck({
    rules,
    decisions: one.decisions,
    held: () => [],
    isChanging: (principalId) => /^worker-\d+$/.test(principalId),
    readMany: one.rows.readMany,
    clock: one.clock,
    onLost: (_presented, code) => lost.push(code),
    onSilence: () => t.fail('not silent'),
    onFailure: (error) => t.fail(String(error)),
  })
  t.teardown(recheck.stop)
  await recheck.round()
  t.same(lost, [])
  await recheck.round()
  t.same(lost, ['certificate_revoked'], 'but nobody is spared twice by writing on and on')
})

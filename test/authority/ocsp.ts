import t from 'tap'
import type { AnswerOcspDeps } from '../../src/authority/ocsp/answer-ocsp.ts'
import { makeRevocationStatus } from '../../src/authority/ocsp/revocation-status.ts'
import type { CertificateRecord } from '../../src/core/certificate.ts'
import { day, hour, minute } from '../../src/core/time.ts'
import { certId, ocspRequest } from '../support/ocsp.ts'
import { answering, goodRequest, holder, issuer, now, responder, rowOf, serials } from '../support/ocsp-answers.ts'

const tryLater = 3
const { ask } = answering()

t.test('what a row says, by either hash, with parameters or without', async (t) => {
  for (const hash of ['sha1', 'sha256'] as const)
    for (const parameters of [true, false]) {
      const ids = Object.values(serials).map((serial) => certId(issuer, serial, { hash, parameters }))
      const { code, singles, signed, produced_at } = await ask(ocspRequest(ids))
      t.equal(code, 0)
      t.ok(signed)
      t.equal(produced_at, '20261121120000Z')
      t.same(
        singles.map(({ id: _id, ...rest }) => rest),
        [
          { status: 'good' },
          { status: 'revoked', revoked_at: '20261121110000Z', reason: 9 },
          { status: 'unknown' },
          { status: 'unknown' },
        ].map((single) => ({ ...single, this_update: '20261121120000Z', next_update: '20261121130000Z' })),
        'one of another issuer is unknown to this one',
      )
      t.same(
        singles.map(({ id }) => id),
        ids,
        'repeated octet by octet',
      )
    }
})

const reasons: [string, number | undefined][] = [
  ['unspecified', undefined],
  ['key_compromise', 1],
  ['affiliation_changed', 3],
  ['superseded', 4],
  ['cessation_of_operation', 5],
  ['privilege_withdrawn', 9],
  ['a word of somebody with the AWS CLI', undefined],
]
for (const [reason, code] of reasons)
  t.test(`reason ${reason} is ${code ?? 'left out'}`, async (t) => {
    const row = rowOf(serials.good, { revoked: true, revoked_at: now, revocation_reason: reason as 'unspecified' })
    const { singles } = await answering({ readRows: async () => [row] }).ask(goodRequest)
    t.equal(singles[0]?.status, 'revoked')
    t.equal(singles[0]?.reason, code)
  })

const superseded = (ago: number) => rowOf(serials.good, { superseded_by: serials.nobody, superseded_at: now - ago })
const statuses: [string, CertificateRecord, number | undefined, object][] = [
  ['in its grace', superseded(minute), undefined, { status: 'good', next_update: '20261121120400Z' }],
  [
    'at the end of its grace',
    superseded(5 * minute),
    undefined,
    { status: 'revoked', reason: 4, revoked_at: '20261121120000Z' },
  ],
  ['long after it', superseded(hour), undefined, { status: 'revoked', reason: 4, revoked_at: '20261121110500Z' }],
  [
    'in a grace that a rejoin ended',
    superseded(minute),
    now,
    { status: 'revoked', reason: 4, revoked_at: '20261121115900Z' },
  ],
  ['in a grace that began after a rejoin', superseded(minute), now - hour, { status: 'good' }],
  [
    'revoked, whatever else it is',
    { ...superseded(hour), revoked: true, revoked_at: now, revocation_reason: 'key_compromise' },
    undefined,
    { status: 'revoked', reason: 1 },
  ],
  [
    'revoked by hand: since it was issued, as nobody knows better',
    rowOf(serials.good, { revoked: true }),
    undefined,
    { status: 'revoked', revoked_at: '20261120120000Z', reason: undefined },
  ],
  ['expired', rowOf(serials.good, { expires_at: now - day }), undefined, { status: 'good' }],
]
for (const [name, row, grace_from, expected] of statuses)
  t.test(`a certificate ${name}`, async (t) => {
    const principal = { ...holder, ...(grace_from === undefined ? {} : { grace_from }) }
    const statusOf = makeRevocationStatus({ supersedeGrace: 5 * minute, readPrincipal: async () => principal })
    const { singles } = await answering({ readRows: async () => [row], statusOf }).ask(goodRequest)
    t.match(singles[0], expected)
  })

t.test('whoever does not answer us: try later, and never good', async (t) => {
  const silent = () => Promise.reject(new Error('silence'))
  const cases: Partial<AnswerOcspDeps>[] = [
    { readRows: silent },
    { responderOf: silent },
    { mayWork: () => false },
    { isOpen: () => false },
    {
      readRows: async () => [superseded(minute)],
      statusOf: makeRevocationStatus({ supersedeGrace: hour, readPrincipal: silent }),
    },
  ]
  for (const fault of cases) t.same(await answering(fault).ask(goodRequest), { code: tryLater, singles: [] })
})

t.test('a fault of ours is an internal error, told to the log alone', async (t) => {
  const signer = { ...responder.signer, sign: () => Promise.reject(new Error('secret')) }
  const { ask, faults, outcomes } = answering({ responderOf: async () => ({ ...responder, signer }) })
  t.same(await ask(goodRequest), { code: 2, singles: [] })
  t.equal(faults.length, 1)
  t.same(outcomes, ['internal_error'])
})

t.test(
  'an answer is kept for a minute, costs nothing meanwhile, and is dropped when its certificate changes',
  async (t) => {
    let at = now
    let reads = 0
    let row = rowOf(serials.good)
    let slow: Promise<void> | undefined
    const { ask, drop } = answering({
      clock: () => at,
      mayWork: () => reads < 6,
      readRows: async () => {
        reads++
        const read = [row]
        await slow
        return read
      },
    })
    const status = async () => (await ask(goodRequest)).singles[0]?.status
    for (let times = 0; times < 50; times++) t.equal(await status(), 'good')
    t.equal(reads, 1)
    t.equal((await ask(ocspRequest([certId(issuer, serials.good, { hash: 'sha256' })]))).singles[0]?.status, 'good')
    t.equal(reads, 2, 'the other hash is another answer')
    at += minute
    t.equal(await status(), 'good')
    t.equal(reads, 3, 'a row that was changed by hand is seen')
    row = rowOf(serials.good, { revoked: true, revoked_at: at })
    t.equal(await status(), 'good', 'nobody has told us')
    drop(serials.good)
    t.equal(await status(), 'revoked')
    t.equal(reads, 4)

    const turn = Promise.withResolvers<void>()
    drop(serials.good)
    row = rowOf(serials.good)
    slow = turn.promise
    const during = status()
    await new Promise((resolve) => setImmediate(resolve))
    row = rowOf(serials.good, { revoked: true, revoked_at: at })
    drop(serials.good)
    turn.resolve()
    await during
    t.equal(await status(), 'revoked', 'what was read before the change is not kept')
  },
)

t.test('while the tables may have forgotten something, what was kept is not said either', async (t) => {
  let open = true
  const { ask } = answering({ isOpen: () => open })
  t.equal((await ask(goodRequest)).singles[0]?.status, 'good')
  open = false
  t.equal((await ask(goodRequest)).code, tryLater)
})

t.test('guesses are not kept', async (t) => {
  let reads = 0
  const { ask } = answering({
    readRows: async () => {
      reads++
      return []
    },
  })
  for (let times = 0; times < 3; times++) t.equal((await ask(goodRequest)).singles[0]?.status, 'unknown')
  t.equal(reads, 3)
})

import { createPrivateKey } from 'node:crypto'
import { UpdateCommand } from '@aws-sdk/lib-dynamodb'
import t from 'tap'
import { generateKeyPair, privateKeyPem } from '../../src/pki/keys.ts'
import { createResponderCertificate } from '../../src/pki/ocsp-responder.ts'
import { certificatePem } from '../../src/pki/pem.ts'
import { makeShiftedClock } from '../support/agent.ts'
import type { AwsFault } from '../support/aws-service.ts'
import { identityOf, makeRequest } from '../support/client.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { startKms } from '../support/kms.ts'
import { askOcsp, certId, ocspRequest } from '../support/ocsp.ts'
import { type Member, type RunningServer, startPlane, type TestPlane } from '../support/plane.ts'

const tryLater = 3
const serialOf = ({ issued }: Member) => issued.certificate.serial_number

/** What a server says of a certificate: a status, or a code in its place. */
const statusOnce = async ({ authority, server }: TestPlane, serial: string, at: RunningServer = server) => {
  const { code, singles } = await askOcsp(at.pki, ocspRequest([certId(authority.issuer, serial)]))
  return singles[0]?.status ?? code
}

/** The same, asked again while it is too busy: a machine under load is no fault of what is tested. */
const statusAt = async (plane: TestPlane, serial: string, at?: RunningServer) => {
  for (let tries = 0; ; tries++) {
    const status = await statusOnce(plane, serial, at)
    if (status !== tryLater || tries === 600) return status
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

const until = async (holds: () => Promise<boolean>, patience = 60_000): Promise<boolean> => {
  for (const end = Date.now() + patience; Date.now() < end; ) {
    if (await holds()) return true
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return false
}

t.test('a revocation is in the next answer of the same server, and of another within the feed interval', async (t) => {
  const plane = await startPlane(t)
  const other = await plane.startServer()
  const member = await plane.enrol('worker-1')
  const serial = serialOf(member)
  for (const server of [plane.server, other]) t.equal(await statusAt(plane, serial, server), 'good')
  const { status } = await plane.admin.post(`/v1/certificates/${serial}/revoke`, { reason: 'key_compromise' })
  t.equal(status, 200)
  t.equal(await statusAt(plane, serial), 'revoked')
  t.ok(await until(async () => (await statusAt(plane, serial, other)) === 'revoked'), 'long before a kept answer ends')
  const { singles } = await askOcsp(other.pki, ocspRequest([certId(plane.authority.issuer, serial)]))
  t.equal(singles[0]?.reason, 1)
  const text = await (await fetch(`http://${plane.server.metrics}/metrics`)).text()
  t.match(text, /airunner_ocsp_responses_total\{status="good"\} 1\n/)
  t.match(text, /airunner_ocsp_responses_total\{status="revoked"\} 1\n/)
})

t.test('a suspended principal’s certificate stays good, a renewed one ends with its grace', async (t) => {
  const clock = makeShiftedClock()
  const plane = await startPlane(t, { clock: clock.now, flags: { supersedeGrace: '1m' } })
  const member = await plane.enrol('worker-1')
  const serial = serialOf(member)
  t.equal((await plane.admin.post('/v1/principals/worker-1/suspend', { reason: 'a drill' })).status, 200)
  t.equal(await statusAt(plane, serial), 'good')
  t.equal((await plane.admin.post('/v1/principals/worker-1/activate')).status, 200)

  const { key, csr_pem } = await makeRequest()
  const renewed = await member.client.post('/v1/renewals', { csr_pem })
  t.equal(renewed.status, 201)
  const successor = plane.clientOf(identityOf(renewed.body, key))
  t.equal((await successor.get('/v1/whoami')).status, 200)
  const request = ocspRequest([certId(plane.authority.issuer, serial)])
  const { singles } = await askOcsp(plane.server.pki, request)
  t.equal(singles[0]?.status, 'good')
  const ends = await plane.store.store.get({
    TableName: plane.store.tables.certificates,
    Key: { serial_number: serial },
  })
  const graceEnds = new Date(Number(ends?.['superseded_at']) + 60_000).toISOString().replaceAll(/[-:T]|\.\d+/g, '')
  t.equal(singles[0]?.next_update, graceEnds, 'nobody may go on it for longer')
  clock.forward(61_000)
  const after = await askOcsp(plane.server.pki, request)
  t.match(after.singles, [{ status: 'revoked', reason: 4, revoked_at: graceEnds }])
  t.equal(await statusAt(plane, renewed.body.certificate.serial_number), 'good')
})

t.test('a row that was changed by hand is seen within a minute', async (t) => {
  const clock = makeShiftedClock()
  const plane = await startPlane(t, { clock: clock.now })
  const serial = serialOf(await plane.enrol('worker-1'))
  t.equal(await statusAt(plane, serial), 'good')
  await plane.store.store.documents.send(
    new UpdateCommand({
      TableName: plane.store.tables.certificates,
      Key: { serial_number: serial },
      UpdateExpression: 'SET revoked = :true',
      ExpressionAttributeValues: { ':true': true },
    }),
  )
  clock.forward(60_000)
  t.equal(await statusAt(plane, serial), 'revoked')
})

t.test('a silent store: what is kept for at most a minute, then try later, and good never', async (t) => {
  const clock = makeShiftedClock()
  const plane = await startPlane(t)
  const proxy = await startFaultProxy(plane.store.engine.endpoint)
  t.teardown(proxy.stop)
  const server = await plane.startServer({ endpoint: proxy.endpoint, clock: clock.now })
  const [known, other] = [serialOf(await plane.enrol('worker-1')), serialOf(await plane.enrol('worker-2'))]
  t.equal(await statusAt(plane, known, server), 'good')
  for (const kind of ['refuse', 'hang-answer', 'throttle'] as const) {
    proxy.decide = () => ({ kind })
    const said = await Promise.all([other, '01'].map((serial) => statusOnce(plane, serial, server)))
    t.same(said, [tryLater, tryLater], `${kind}: neither good nor unknown`)
  }
  t.equal(await statusAt(plane, known, server), 'good')
  clock.forward(60_000)
  t.equal(await statusOnce(plane, known, server), tryLater)
  proxy.decide = () => ({ kind: 'pass' })
  t.ok(await until(async () => (await statusAt(plane, other, server)) === 'good'))
})

t.test('over 200 a second: try later for what must be looked up, and what is kept is still answered', async (t) => {
  const fixed = Date.now()
  const plane = await startPlane(t, { clock: () => fixed })
  const serial = serialOf(await plane.enrol('worker-1'))
  t.equal(await statusAt(plane, serial), 'good')
  // Ten at a time, so that there are not 200 requests to make.
  const guesses = (from: number) =>
    ocspRequest(Array.from({ length: 10 }, (_, index) => certId(plane.authority.issuer, (from + index).toString(16))))
  const codes: number[] = []
  for (let round = 0; round < 21; round++) codes.push((await askOcsp(plane.server.pki, guesses(100 + 10 * round))).code)
  t.same(codes, [...Array(19).fill(0), tryLater, tryLater])
  t.equal(await statusOnce(plane, '99'), tryLater)
  t.equal(await statusAt(plane, serial), 'good')
})

const faults: [string, AwsFault][] = [
  ['gone', { kind: 'refuse' }],
  ['forbidden to us', { kind: 'error', name: 'AccessDeniedException' }],
  ['answering with another signature', { kind: 'body', text: '{"Signature":"MAYCAQECAQE="}' }],
]
for (const [name, fault] of faults)
  t.test(`the issuer’s key is ${name}: try later, without a storm, and good again by itself`, async (t) => {
    const clock = makeShiftedClock()
    const kms = await startKms()
    t.teardown(kms.stop)
    const plane = await startPlane(t)
    const keyId = kms.addKey(createPrivateKey(plane.authority.env.AIRUNNER_ISSUER_KEY))
    const server = await plane.startServer({
      clock: clock.now,
      env: { AIRUNNER_ISSUER_KEY: '', AIRUNNER_ISSUER_KMS_KEY_ID: keyId },
      aws: {
        kms: {
          signer: { client: kms.client, budget: 2500, requestTimeout: 2000 },
          pauses: { first: 1e6, longest: 1e6 },
        },
      },
    })
    const serial = serialOf(await plane.enrol('worker-1'))
    await until(async () => (kms.calls.get('Sign') ?? 0) > 0)
    kms.decide = () => fault
    const asked = () => Promise.all(Array.from({ length: 20 }, () => statusOnce(plane, serial, server)))
    t.same(new Set(await asked()), new Set([tryLater]))
    const calls = kms.calls.get('Sign')
    t.same(new Set(await asked()), new Set([tryLater]))
    t.equal(kms.calls.get('Sign'), calls, 'left alone for a while')
    t.match(
      server.logged.filter(({ event }) => event === 'ocsp_responder_unavailable'),
      [{ level: 'warn', issuer_id: plane.authority.issuer.issuer_id }],
      'told once',
    )
    kms.decide = () => ({ kind: 'pass' })
    const before = kms.calls.get('Sign') ?? 0
    clock.forward(2000)
    t.same(new Set(await asked()), new Set(['good']))
    t.equal(kms.calls.get('Sign'), before + 1, 'one signature, for all who ask')

    // Half of its life is over: the old one goes on while there is no new one.
    const responderAt = async () => {
      const { responder } = await askOcsp(server.pki, ocspRequest([certId(plane.authority.issuer, '01')]))
      return responder?.serialNumber
    }
    const first = await responderAt()
    kms.decide = () => fault
    clock.forward(4 * 86_400_000)
    t.equal(await responderAt(), first)
    kms.decide = () => ({ kind: 'pass' })
    clock.forward(120_000)
    t.ok(await until(async () => (await responderAt()) !== first))
  })

t.test('a responder’s certificate lets nobody in', async (t) => {
  const plane = await startPlane(t)
  const { issuer } = plane.authority
  const { publicKey, privateKey } = generateKeyPair()
  const { der } = await createResponderCertificate(issuer, publicKey, Date.now())
  const intruder = plane.clientOf({ certificate: certificatePem(der) + issuer.pem, key: privateKeyPem(privateKey) })
  const answer = await intruder.get('/v1/whoami').catch((error: Error) => error)
  t.match(answer, { status: 401, body: { code: 'certificate_untrusted' } })
})

import t from 'tap'
import { findBreaches } from '../support/checker.ts'
import { type Answer, type Identity, identityOf, makeRequest, patiently } from '../support/client.ts'
import { type Fault, startFaultProxy } from '../support/fault-proxy.ts'
import { layGround, type ServerProcess } from '../support/processes.ts'

/** How many servers are killed: `KILL_RUNS=200` for a long look; each costs more than a second of CPU. */
const runs = Number(process.env['KILL_RUNS'] ?? (process.env['CI'] === undefined ? 8 : 12))
/** The latest moment of a kill after the calls were sent, milliseconds: the slowest call takes about as long. */
const latestKill = 150

const ground = await layGround()
t.teardown(ground.end)
const proxy = await startFaultProxy(ground.store.engine.endpoint)
t.teardown(proxy.stop)
const start = () => ground.start([], { AWS_ENDPOINT_URL_DYNAMODB: proxy.endpoint })
t.setTimeout(60_000 + runs * 15_000)

/** What becomes of a transaction: done at once; done, and its answer lost; done late, perhaps after the kill. */
const fateOf = (operation: string): Fault => {
  const chance = Math.random()
  if (operation !== 'TransactWriteItems' || chance < 0.4) return { kind: 'pass' }
  return chance < 0.7 ? { kind: 'hang-answer' } : { kind: 'slow', milliseconds: Math.random() * 2 * latestKill }
}

type Call = (server: ServerProcess) => Promise<Answer>

const created = async (ask: () => Promise<Answer>): Promise<Answer> => {
  const answer = await patiently(ask)
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body))
  return answer
}

/** What is asked in one run: its principals are its own, each call has its Idempotency-Key. */
const prepare = async (run: number, server: ServerProcess) => {
  const admin = ground.clientOf(ground.admin, server.mtls)
  const id = (name: string) => `${name}-${run}`
  const issueTo = async (principal_id: string): Promise<{ identity: Identity; serial: string }> => {
    await created(() => admin.post('/v1/principals', { principal_id, type: 'worker' }))
    const { key, csr_pem } = await makeRequest()
    const { body } = await created(() => admin.post('/v1/certificates', { principal_id, csr_pem }))
    return { identity: identityOf(body, key), serial: body.certificate.serial_number }
  }
  await created(() => admin.post('/v1/principals', { principal_id: id('new'), type: 'worker' }))
  const [renewing, revoked] = await Promise.all([
    issueTo(id('renewing')),
    issueTo(id('revoked')),
    issueTo(id('suspended')),
  ])
  const [issue, renew] = [await makeRequest(), await makeRequest()]
  const posts = (path: string, body: unknown, identity = ground.admin): Call => {
    const key = `${path} ${run}`
    return (at) => ground.clientOf(identity, at.mtls).post(path, body, { key })
  }
  const calls = {
    issue: posts('/v1/certificates', { principal_id: id('new'), csr_pem: issue.csr_pem }),
    renew: posts('/v1/renewals', { csr_pem: renew.csr_pem }, renewing.identity),
    revoke: posts(`/v1/certificates/${revoked.serial}/revoke`, { reason: 'key_compromise' }),
    suspend: posts(`/v1/principals/${id('suspended')}/suspend`, { reason: 'a test' }),
  } satisfies Record<string, Call>
  return { calls, keys: { issue: issue.key, renew: renew.key } }
}

const outcomes = { 'answered before the kill': 0, 'done, and the answer lost': 0, 'not done': 0 }

t.test(
  `${runs} servers killed while they issue, renew, revoke and suspend: each call repeated is answered as if nothing had been`,
  async (t) => {
    // The next server starts up while this one is killed.
    let server = await start()
    let spare = start()
    spare.catch(() => undefined)
    for (let run = 0; run < runs; run++) {
      const { calls, keys } = await prepare(run, server)
      const names = Object.keys(calls) as (keyof typeof calls)[]
      proxy.decide = fateOf
      const first = names.map((name) => calls[name](server).catch(() => undefined))
      await new Promise((resolve) => setTimeout(resolve, Math.random() * latestKill))
      await server.end('SIGKILL')
      proxy.decide = () => ({ kind: 'pass' })
      const before = await Promise.all(first)

      const next = await spare
      spare = start()
      spare.catch(() => undefined)
      const again = await Promise.all(names.map((name) => patiently(() => calls[name](next))))
      for (const [i, name] of names.entries()) {
        const [answered, repeated] = [before[i], again[i] as Answer]
        const replayed = repeated.headers['idempotency-replayed'] === 'true'
        outcomes[answered ? 'answered before the kill' : replayed ? 'done, and the answer lost' : 'not done']++
        t.equal(
          repeated.status,
          name === 'issue' || name === 'renew' ? 201 : 200,
          `${name} ${run}: ${repeated.body.code ?? 'done'}`,
        )
        if (answered === undefined) continue
        t.equal(answered.status, repeated.status)
        t.same(repeated.body, answered.body, 'the same answer as before')
        t.ok(replayed)
      }
      // What was handed out is good, and what was taken away is gone.
      const [issued, renewed] = again as [Answer, Answer]
      const whoami = async (identity: Identity) =>
        (await patiently(() => ground.clientOf(identity, next.mtls).get('/v1/whoami'))).status
      t.equal(await whoami(identityOf(issued.body, keys.issue)), 200)
      t.equal(await whoami(identityOf(renewed.body, keys.renew)), 200)
      server = next
    }
    await (await spare).end('SIGKILL')
    t.comment(outcomes)
    t.same(await findBreaches(ground.store.store), [])
  },
)

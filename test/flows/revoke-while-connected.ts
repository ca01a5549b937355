import { once } from 'node:events'
import type { TLSSocket } from 'node:tls'
import t from 'tap'
import { startPlane } from '../support/plane.ts'

/** Resolves with the milliseconds until the peer has ended the connection. */
const closed = async (socket: TLSSocket): Promise<number> => {
  const started = performance.now()
  socket.on('error', () => undefined)
  socket.resume()
  if (!socket.destroyed) await once(socket, 'close')
  return performance.now() - started
}

const headers = 'Host: localhost\r\n'
/** Waits until the server has admitted the connection: its first answer is there. */
const admitted = async (socket: TLSSocket): Promise<void> => {
  socket.write(`GET /v1/whoami HTTP/1.1\r\n${headers}\r\n`)
  const [answer] = await once(socket, 'data')
  if (!String(answer).startsWith('HTTP/1.1 200')) throw new Error(String(answer))
}

const endings = [
  [
    'revoked',
    (serial: string) => [`/v1/certificates/${serial}/revoke`, { reason: 'key_compromise' }],
    'certificate_revoked',
  ],
  ['suspended', () => ['/v1/principals/worker-1/suspend', { reason: 'stolen' }], 'principal_suspended'],
] as const

for (const [name, request, code] of endings) {
  t.test(
    `${name}: idle, mid-request and streaming connections are cut on both servers, new ones refused`,
    async (t) => {
      const plane = await startPlane(t, { flags: { feedInterval: '1s' } })
      const second = await plane.startServer({ flags: { feedInterval: '1s' } })
      const { identity, issued } = await plane.enrol('worker-1')
      const bystander = await plane.enrol('worker-2')
      const bystanderSocket = await bystander.client.open()
      await admitted(bystanderSocket)
      const open = async (server: typeof second) => {
        const client = plane.clientOf(identity, server)
        const [idle, midRequest, streaming] = await Promise.all([client.open(), client.open(), client.open()])
        await Promise.all([admitted(idle), admitted(midRequest)])
        midRequest.write(
          `POST /v1/renewals HTTP/1.1\r\n${headers}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{`,
        )
        streaming.write(`GET /v1/agent/events HTTP/1.1\r\n${headers}Airunner-Instance: one\r\n\r\n`)
        const [answer] = await once(streaming, 'data')
        t.match(String(answer), /^HTTP\/1.1 200[\s\S]*text\/event-stream/)
        return [idle, midRequest, streaming]
      }
      const [here, there] = [await open(plane.server), await open(second)]
      const cuts = { here: Promise.all(here.map(closed)), there: Promise.all(there.map(closed)) }
      const [path, body] = request(issued.certificate.serial_number)
      t.equal((await plane.admin.post(path as string, body)).status, 200)
      const [cutHere, cutThere] = await Promise.all([cuts.here, cuts.there])
      t.comment({ here: cutHere, there: cutThere })
      t.equal(cutHere.length + cutThere.length, 6)
      for (const server of [plane.server, second]) {
        const answer = await plane.clientOf(identity, server).get('/v1/whoami')
        t.equal(answer.status, 401)
        t.equal(answer.body.code, code)
        t.equal(answer.headers['connection'], 'close')
      }
      t.notOk(bystanderSocket.destroyed, 'nobody else is cut')
      bystanderSocket.destroy()
    },
  )
}

t.test('activated: let in again on both servers', async (t) => {
  const plane = await startPlane(t)
  const second = await plane.startServer()
  const { identity } = await plane.enrol('worker-1')
  await plane.admin.post('/v1/principals/worker-1/suspend', { reason: 'a look' })
  const clients = [plane.server, second].map((server) => plane.clientOf(identity, server))
  for (const client of clients) t.equal((await client.get('/v1/whoami')).status, 401)
  await plane.admin.post('/v1/principals/worker-1/activate')
  const until = Date.now() + 2000
  for (const client of clients) {
    let status = 0
    while (status !== 200 && Date.now() < until) status = (await client.get('/v1/whoami')).status
    t.equal(status, 200)
  }
})

t.test('a caller that revokes its own certificate still gets the answer, then is out', async (t) => {
  const plane = await startPlane(t)
  const { client, issued } = await plane.enrol('worker-1')
  const answer = await client.post(`/v1/certificates/${issued.certificate.serial_number}/revoke`, {
    reason: 'superseded',
  })
  t.equal(answer.status, 200)
  t.equal(answer.body.status, 'revoked')
  t.equal((await client.get('/v1/whoami')).body.code, 'certificate_revoked')
})

t.test('a connection ends when its certificate expires', async (t) => {
  let shift = 0
  const plane = await startPlane(t, { clock: () => Date.now() + shift })
  const { identity } = await plane.enrol('worker-1', 'worker', 300)
  // The server's clock goes on to two seconds before the end: the rest is real time.
  shift = 298_000
  const socket = await plane.clientOf(identity).open()
  await admitted(socket)
  const after = await closed(socket)
  t.ok(after < 30_000)
  t.equal((await plane.clientOf(identity).get('/v1/whoami')).body.code, 'certificate_expired')
})

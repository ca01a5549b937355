import { connect, type Socket } from 'node:net'
import t from 'tap'
import { eventually } from '../../support/agent-stream.ts'
import { call, openMtlsApp, serialOf } from '../../support/http-apps.ts'

const ask =
  'GET /v1/agent/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nAirunner-Instance: one\r\n\r\n'

const open = (port: number) => {
  const socket = connect(port, '127.0.0.1')
  const stream = { socket, text: '', closed: false }
  socket.on('data', (chunk) => {
    stream.text += chunk
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    stream.closed = true
  })
  socket.write(ask)
  return stream
}

t.test('a stream begins with a snapshot and stays alive', async (t) => {
  const apps = await openMtlsApp({ config: { heartbeat: 30 } })
  t.teardown(apps.close)
  const stream = open(await apps.portFor(serialOf.worker))
  await eventually(() => (stream.text.match(/: alive/g)?.length ?? 0) >= 2)
  t.match(stream.text, /^HTTP\/1\.1 200 OK/)
  t.match(stream.text, /content-type: text\/event-stream/i)
  t.match(stream.text, /x-request-id: [0-9a-f]{32}/i)
  t.match(stream.text, 'event: snapshot\ndata: {"commands":[],"trust_bundle_version":"0123456789abcdef",')
  t.equal(apps.eventStreams.size(), 1)
  stream.socket.destroy()
  await eventually(() => apps.eventStreams.size() === 0)
  t.equal(apps.eventStreams.size(), 0, 'nothing is left behind')
})

t.test('a stream needs the instance of its agent', async (t) => {
  const apps = await openMtlsApp()
  t.teardown(apps.close)
  const answer = await call(await apps.portFor(serialOf.worker), 'GET', '/v1/agent/events')
  t.strictSame([answer.status, answer.json.errors[0].pointer], [400, '/headers/airunner-instance'])
})

t.test('told to reconnect, it says when and ends', async (t) => {
  const apps = await openMtlsApp()
  t.teardown(apps.close)
  const stream = open(await apps.portFor(serialOf.service))
  await eventually(() => stream.text.includes('snapshot'))
  for (const held of apps.streams.values()) held.reconnect(3)
  await eventually(() => stream.closed)
  t.match(stream.text, 'event: reconnect\ndata: {"after_seconds":3}\n\n')
  t.ok(stream.closed)
})

t.test('it ends with its socket', async (t) => {
  const apps = await openMtlsApp()
  t.teardown(apps.close)
  const stream = open(await apps.portFor(serialOf.worker))
  await eventually(() => stream.text.includes('snapshot'))
  for (const socket of apps.sockets()) socket.destroy()
  await eventually(() => stream.closed && apps.eventStreams.size() === 0)
  t.ok(stream.closed)
  t.equal(apps.eventStreams.size(), 0)
})

t.test('a reader that does not read is cut off instead of being remembered for', async (t) => {
  const apps = await openMtlsApp()
  t.teardown(apps.close)
  const stream = open(await apps.portFor(serialOf.worker))
  await eventually(() => stream.text.includes('snapshot'))
  ;(stream.socket as Socket).pause()
  const held = apps.eventStreams.of(serialOf.worker)
  for (let sent = 0; sent < 5000 && apps.eventStreams.size() === 1; sent += 1) {
    held?.send('trust_changed', { trust_bundle_version: 'x'.repeat(10_000) })
    if (sent % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  await eventually(() => apps.eventStreams.size() === 0)
  t.equal(apps.eventStreams.size(), 0)
})

t.test('streams are no requests in flight', async (t) => {
  const apps = await openMtlsApp({ config: { maxInFlight: 1 } })
  t.teardown(apps.close)
  const streams = [open(await apps.portFor(serialOf.worker)), open(await apps.portFor(serialOf.service))]
  await eventually(() => streams.every(({ text }) => text.includes('snapshot')))
  for (const { text } of streams) t.match(text, 'snapshot')
})

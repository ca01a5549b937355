import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { lingerTime } from '../../../src/server/plugins/last-answer.ts'
import { call, openEnrollApp, openMtlsApp, serialOf } from '../../support/http-apps.ts'

/** Sends all of it, a part at a time, before it reads anything, as most clients do; what it then read, or what went wrong. */
const sendThenRead = (port: number, parts: string[]): Promise<{ text: string; error?: string | undefined }> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    let error: string | undefined
    socket.on('error', ({ message }) => {
      error = message
    })
    socket.on('close', () => resolve({ text, error }))
    socket.once('connect', async () => {
      for (const part of parts) {
        if (error !== undefined) return
        socket.write(part)
        await sleep(50)
      }
      socket.on('data', (chunk) => {
        text += chunk
      })
    })
  })

const head = (...lines: string[]) =>
  ['POST /v1/principals HTTP/1.1', 'Host: localhost', 'Content-Type: application/json', ...lines, '', ''].join('\r\n')
const part = 'x'.repeat(50_000)
const announced = `Content-Length: ${part.length * 4}`
const chunk = `${part.length.toString(16)}\r\n${part}\r\n`

const registered = serialOf.admin
const refused: { name: string; code: string; serial?: string; parts: string[] }[] = [
  {
    name: 'a body that is announced as too large',
    code: 'payload_too_large',
    parts: [head(announced), part, part, part, part],
  },
  {
    name: 'a body that turns out too large',
    code: 'payload_too_large',
    parts: [head('Transfer-Encoding: chunked'), chunk, chunk, chunk, chunk, '0\r\n\r\n'],
  },
  {
    name: 'a caller who is not let in',
    code: 'certificate_unregistered',
    serial: '9'.repeat(32),
    parts: [head('Content-Length: 4'), '{', '}', ' ', ' '],
  },
  {
    name: 'headers that are none',
    code: 'invalid_request',
    parts: [head('a\u0001: b', announced), part, part, part, part],
  },
  { name: 'a method that is none', code: 'invalid_request', parts: ['EAT', ' / HTTP/1.1\r\n\r\n', part, part] },
]

t.test('a refusal is read even by a caller who sends everything first', async (t) => {
  const apps = await openMtlsApp()
  t.teardown(apps.close)
  await Promise.all(
    refused.map(async ({ name, code, serial = registered, parts }) => {
      const { text, error } = await sendThenRead(await apps.portFor(serial), parts)
      t.equal(error, undefined, name)
      t.match(text, `"code":"${code}"`, name)
      t.match(text, /^connection: close\r$/im, name)
      t.equal(text.match(/HTTP\/1\.1 /g)?.length, 1, `${name}: one answer`)
    }),
  )
})

t.test('the enrolment listener lets its refusals be read, too', async (t) => {
  const apps = await openEnrollApp()
  t.teardown(apps.close)
  const [first, ...rest] = [head(announced).replace('principals', 'enrollments'), part, part, part, part]
  const { text, error } = await sendThenRead(apps.port, [first, ...rest])
  t.equal(error, undefined)
  t.match(text, '"code":"payload_too_large"')
})

t.test('nothing that follows a last answer is done', async (t) => {
  const apps = await openMtlsApp()
  t.teardown(apps.close)
  const body = '{"principal_id":"w-1","type":"worker"}'
  const wellFormed = head(`Content-Length: ${body.length}`) + body
  const { text } = await sendThenRead(await apps.portFor(registered), [
    head(announced),
    part + part + part + part + wellFormed,
    wellFormed,
  ])
  t.match(text, '"code":"payload_too_large"')
  t.equal(text.match(/HTTP\/1\.1 /g)?.length, 1)
  t.strictSame(apps.plane.calls, [])
  t.equal((await call(await apps.portFor(registered), 'GET', '/v1/whoami')).status, 200)
})

t.test('a peer that never stops sending is cut', async (t) => {
  const apps = await openMtlsApp()
  t.teardown(apps.close)
  const began = performance.now()
  const socket = connect({ port: await apps.portFor(registered), host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => {})
  socket.resume().write(head('Content-Length: 100000000'))
  const sending = setInterval(() => socket.write('x'), 100)
  await new Promise((resolve) => socket.once('close', resolve))
  clearInterval(sending)
  const took = performance.now() - began
  t.ok(took > lingerTime * 0.9 && took < lingerTime + 4000, `${took.toFixed()} ms`)
})

import t from 'tap'
import { call, openEnrollApp, openMtlsApp, type RawAnswer, sendRaw, serialOf } from '../../support/http-apps.ts'
import { type Malformed, malformedRequests } from './fixtures/malformed-requests.ts'

const atOnce = 16

/** Sends all of them, some at a time, and hands each answer over. */
const sendAll = async (port: number, look: (request: Malformed, answer: RawAnswer) => void): Promise<void> => {
  const waiting = [...malformedRequests]
  const work = async () => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop())
      look(next, await sendRaw(port, next.bytes, 1000))
  }
  await Promise.all(Array.from({ length: atOnce }, work))
}

const isHead = ({ bytes }: Malformed): boolean => bytes.startsWith('HEAD')

t.test('each malformed request gets its code as a problem document, and never a 500', async (t) => {
  const logged: Record<string, unknown>[] = []
  const apps = await openMtlsApp({ logged })
  t.teardown(apps.close)
  const port = await apps.portFor(serialOf.admin)
  t.ok(malformedRequests.length >= 200)
  await sendAll(port, (request, answer) => {
    const problem = isHead(request) ? undefined : JSON.parse(answer.body || '{}')
    const seen = {
      status: answer.status,
      type: answer.headers['content-type'],
      ...(problem === undefined
        ? {}
        : { code: problem.code, id: problem.request_id === answer.headers['x-request-id'] }),
    }
    const wanted = {
      status: request.status,
      type: 'application/problem+json',
      ...(problem === undefined ? {} : { code: request.code, id: true }),
    }
    t.strictSame(seen, wanted, request.name)
  })
  t.strictSame(apps.plane.calls, [], 'no verb was ever called')
  t.strictSame(
    logged.filter(({ event }) => event === 'request_failed'),
    [],
  )
  t.equal((await call(port, 'GET', '/v1/whoami')).status, 200, 'the server goes on')
})

t.test('whoever is not admitted learns nothing from a malformed request', async (t) => {
  const apps = await openMtlsApp()
  t.teardown(apps.close)
  const port = await apps.portFor('9'.repeat(32))
  await sendAll(port, (request, answer) => {
    if (isHead(request)) return
    const { code, detail, errors } = JSON.parse(answer.body)
    t.strictSame({ detail, errors }, { detail: undefined, errors: undefined }, request.name)
    // What the parser refuses never becomes a request; all else is answered by who is asking.
    if (code !== request.code) t.equal(code, 'certificate_unregistered', request.name)
    else
      t.notOk(
        ['not_found', 'not_acceptable', 'unsupported_media_type', 'permission_denied'].includes(code),
        request.name,
      )
  })
})

t.test('the enrolment listener survives them too, and says no more than a code', async (t) => {
  const apps = await openEnrollApp()
  t.teardown(apps.close)
  await sendAll(apps.port, (request, answer) => {
    t.ok(answer.status >= 400 && answer.status < 500, `${request.name}: ${answer.status}`)
    if (!isHead(request)) t.notMatch(answer.body, /"detail"|"errors"/, request.name)
  })
  t.equal((await call(apps.port, 'GET', '/v1/trust-bundle')).status, 200)
})

t.test('a peer that showed no certificate gets no HTTP at all', async (t) => {
  const apps = await openMtlsApp()
  t.teardown(apps.close)
  const port = await apps.portFor('')
  const answer = await sendRaw(port, 'GET /v1/whoami HTTP/1.1\r\nHost: localhost\r\n\r\n')
  t.strictSame({ text: answer.text, closed: answer.closed }, { text: '', closed: true })
})

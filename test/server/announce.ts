import t from 'tap'
import { startPlane } from '../support/plane.ts'

t.test('each decision is one line in the log, with who asked and in which request', async (t) => {
  const plane = await startPlane(t)
  const { admin } = plane
  const { issued } = await plane.enrol('worker-1')
  const { serial_number } = issued.certificate
  const token = (await admin.post('/v1/join-tokens', { principal_type: 'worker' })).body
  const steps: [string, string, object, object][] = [
    [`/v1/certificates/${serial_number}/revoke`, 'certificate_revoked', { reason: 'superseded' }, { serial_number }],
    ['/v1/principals/worker-1/suspend', 'principal_suspended', { reason: 'lost' }, { principal_id: 'worker-1' }],
    ['/v1/principals/worker-1/activate', 'principal_activated', {}, { principal_id: 'worker-1' }],
    ['/v1/agents/worker-1/commands', 'command_sent', { command: 'renew' }, { principal_id: 'worker-1' }],
    ['/v1/revocations', 'revocation_started', { principal_id: 'worker-1', reason: 'unspecified' }, {}],
  ]
  for (const [path, event, body, fields] of steps) {
    const answer = await admin.post(path, body)
    t.ok(answer.status < 300, `${path}: ${answer.status}`)
    const lines = plane.server.logged.filter((line) => line.event === event)
    t.match(lines, [{ ...fields, actor: 'admin-test', request_id: answer.headers['x-request-id'] }], event)
    t.equal(lines.length, 1)
  }
  t.match(
    plane.server.logged.find((line) => line.event === 'join_token_created'),
    { join_token_id: token.join_token_id, principal_type: 'worker', actor: 'admin-test' },
  )
  t.notMatch(JSON.stringify(plane.server.logged), token.join_token, 'a secret shown once is in no line')
})

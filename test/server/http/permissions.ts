import t from 'tap'
import { mayDo, type Permission } from '../../../src/auth/permissions.ts'
import { type PrincipalType, principalTypes } from '../../../src/core/principal.ts'
import { call, openMtlsApp, serialOf } from '../../support/http-apps.ts'
import { type Operation, openApiOf } from '../../support/openapi.ts'

/** A body that its route takes, by operationId. */
const bodies: Record<string, unknown> = {
  createPrincipal: { principal_id: 'new', type: 'worker' },
  updatePrincipal: { description: null },
  suspendPrincipal: { reason: 'test' },
  issueCertificate: { principal_id: 'worker-1', csr_pem: 'CSR' },
  renewCertificate: { csr_pem: 'CSR' },
  revokeCertificate: { reason: 'unspecified' },
  createJoinToken: { principal_type: 'worker' },
  createJoinRule: {
    method: 'aws_iam',
    principal_type: 'worker',
    principal_id_template: 'w',
    aws_iam: { account_ids: ['123456789012'], role_names: ['w'] },
  },
  updateJoinRule: { enabled: false },
  testJoinRule: { method: 'oidc', attributes: {} },
  startRevocation: { all: true, reason: 'unspecified' },
  reportStatus: {
    version: '1.0.0',
    hostname: 'build-1',
    metadata: {},
    trust_bundle_version: '0123456789abcdef',
    certificate_expires_at: '2026-01-03T00:00:00.000Z',
  },
  sendCommand: { command: 'renew' },
  finishCommand: { state: 'succeeded' },
  prepareAuthority: { certificate_pem: 'PEM' },
  activateAuthority: {},
  retireAuthority: {},
  removeAuthority: {},
}

/** Calls that concern nobody in particular: a record of somebody else, where there is one. */
const pathOf = (operation: Operation, serial: string): string =>
  operation.path
    .replace('{principal_id}', 'admin-1')
    .replace('{serial_number}', serial)
    .replace('{chain}', 'f'.repeat(32))
    .replace('{revocation_id}', '1'.repeat(32))
    .replace('{join_token_id}', '3'.repeat(32))
    .replace('{join_rule_id}', '4'.repeat(32))
    .replace('{command_id}', '2'.repeat(32))
    .replace('{issuer_id}', '0123456789abcdef')

/** What only an agent asks. */
const ofAgents = new Set(['streamAgentEvents', 'reportStatus', 'finishCommand'])
const typesOfAgents: readonly PrincipalType[] = ['worker', 'service']

const isAllowed = (operation: Operation, type: PrincipalType): boolean => {
  if (ofAgents.has(operation.operationId)) return typesOfAgents.includes(type)
  const permission = operation.permission.split(',')[0] as Permission
  return mayDo(type, permission)
}

t.test('each route, called as each type, obeys the table', async (t) => {
  const apps = await openMtlsApp()
  t.teardown(apps.close)
  const operations = await openApiOf(apps.app)
  t.ok(operations.length >= 18, `${operations.length} operations`)
  const stranger = { principal: apps.plane.callers.get(serialOf.admin)?.principal, serial: 'e'.repeat(32) }
  const admin = apps.plane.callers.get(serialOf.admin)
  t.ok(admin)
  if (admin === undefined) return
  apps.plane.callers.set(stranger.serial, {
    ...admin,
    certificate: { ...admin.certificate, serial_number: stranger.serial },
  })
  for (const type of principalTypes) {
    const port = await apps.portFor(serialOf[type])
    for (const operation of operations) {
      const allowed = isAllowed(operation, type)
      apps.plane.calls.length = 0
      const answer = await call(port, operation.method, pathOf(operation, stranger.serial), {
        body: bodies[operation.operationId],
        patience: operation.operationId === 'streamAgentEvents' ? 100 : 2000,
        headers: operation.operationId === 'streamAgentEvents' ? { 'airunner-instance': 'one' } : {},
      })
      const name = `${type}: ${operation.method} ${operation.path}`
      t.equal(answer.status < 400, allowed, `${name} → ${answer.status}`)
      if (!allowed) {
        t.equal(answer.json?.code, 'permission_denied', name)
        // Whose certificate it is must be read before it can be said; nothing else runs for the denied.
        t.strictSame(
          apps.plane.calls.filter((verb) => verb !== 'getCertificate'),
          [],
          name,
        )
      }
      t.ok(operation.statuses.includes(answer.status), `${name}: ${answer.status} is documented`)
    }
  }
})

t.test('whoever may not read certificates', async (t) => {
  const apps = await openMtlsApp()
  t.teardown(apps.close)
  const port = await apps.portFor(serialOf.worker)
  const own = `/v1/certificates/${serialOf.worker}`

  t.test('reads and revokes its own', async (t) => {
    t.equal((await call(port, 'GET', own)).status, 200)
    t.equal((await call(port, 'POST', `${own}/revoke`, { body: { reason: 'superseded' } })).status, 200)
  })
  t.test('reads an older one of its own', async (t) => {
    const worker = apps.plane.callers.get(serialOf.worker)
    if (worker === undefined) throw new Error('no worker')
    const older = '7'.repeat(32)
    apps.plane.callers.set(older, { ...worker, certificate: { ...worker.certificate, serial_number: older } })
    t.equal((await call(port, 'GET', `/v1/certificates/${older}`)).status, 200)
  })
  t.test('cannot tell a foreign, an unknown and an impossible one apart', async (t) => {
    for (const serial of [serialOf.admin, '0'.repeat(32), 'nonsense']) {
      for (const [method, path, body] of [
        ['GET', `/v1/certificates/${serial}`, undefined],
        ['POST', `/v1/certificates/${serial}/revoke`, { reason: 'unspecified' }],
      ] as const) {
        const { status, json } = await call(port, method, path, { body })
        t.strictSame(
          [status, json.code, json.detail],
          [403, 'permission_denied', `this needs the permission certs:${method === 'GET' ? 'read' : 'manage'}`],
        )
      }
    }
  })
})

t.test('a route that does not say who may call it keeps the server from starting', async (t) => {
  const { default: fastify } = await import('fastify')
  const { demandPermissions } = await import('../../../src/server/plugins/permission.ts')
  const app = fastify()
  demandPermissions(app, { getCertificate: async () => Promise.reject(new Error('never')) })
  t.throws(() => app.get('/v1/forgotten', async () => ({})), { message: /forgotten does not say who may call it/ })
})

t.test('nobody becomes somebody else by a header', async (t) => {
  const apps = await openMtlsApp()
  t.teardown(apps.close)
  const port = await apps.portFor(serialOf.user)
  const headers = {
    'x-client-cert': 'MIIB',
    'x-forwarded-client-cert': `Hash=${serialOf.admin.repeat(2)};Subject="CN=admin-1"`,
    'x-forwarded-for': '127.0.0.1',
    forwarded: 'for=127.0.0.1;by=admin-1',
    authorization: 'Bearer admin-1',
    'x-request-id': 'chosen-by-caller',
    'x-http-method-override': 'DELETE',
  }
  const { json, headers: answered } = await call(port, 'GET', '/v1/whoami', { headers })
  t.equal(json.principal.principal_id, 'user-1')
  t.match(answered['x-request-id'], /^[0-9a-f]{32}$/)
  t.equal((await call(port, 'DELETE', '/v1/principals/admin-1', { headers })).status, 403)
})

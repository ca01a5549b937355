import { spawn } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, resolve } from 'node:path'
import t, { type Test } from 'tap'
import { makeJoiner, makeTokenIssuer } from '../support/joining.ts'
import { startPlane, type TestPlane } from '../support/plane.ts'

const script = resolve(import.meta.dirname, '../../.github/scripts/smoke.sh')

/** Gives ID tokens as GitHub gives them to its jobs: to who has the request token, for the audience asked for. */
const startTokenService = async (t: Test, claims: Record<string, unknown>) => {
  const issuer = makeTokenIssuer('https://token.actions.githubusercontent.com')
  const server = createServer((request, response) => {
    const audience = new URL(request.url ?? '', 'http://localhost').searchParams.get('audience')
    const allowed =
      request.headers.authorization === 'Bearer request-token' ||
      request.headers.authorization === 'bearer request-token'
    if (!allowed) return void response.writeHead(401).end()
    response.end(JSON.stringify({ value: issuer.idToken({ aud: audience, ...claims }) }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => void server.close())
  return { issuer, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token?api-version=2` }
}

/** The smoke test against a plane, in a job with these claims. */
const smoke = async (t: Test, plane: TestPlane, claims: Record<string, unknown>, more: Record<string, string> = {}) => {
  const { issuer, url } = await startTokenService(t, claims)
  await makeJoiner(plane).createRule({
    method: 'oidc',
    principal_type: 'worker',
    principal_id_template: 'smoke-{repository_id}-{run_id}',
    validity_seconds: 900,
    oidc: {
      issuer: issuer.issuer,
      audiences: ['localhost'],
      claims: { repository_id: { equals: '42' }, environment: { equals: 'dev' } },
      jwks: issuer.jwks,
    },
  })
  const root = new X509Certificate(plane.authority.root_pem)
  const child = spawn(script, {
    env: {
      PATH: `${dirname(process.execPath)}:${process.env['PATH']}`,
      HOME: t.testdir({}),
      AIRUNNER_HOSTNAME: 'localhost',
      AIRUNNER_PORT: plane.server.mtls.split(':')[1],
      AIRUNNER_ENROLL_PORT: plane.server.enroll.split(':')[1],
      AIRUNNER_CA_FINGERPRINT: `sha256:${root.fingerprint256.replaceAll(':', '').toLowerCase()}`,
      ACTIONS_ID_TOKEN_REQUEST_URL: url,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'request-token',
      ...more,
    },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => {
      output += text
    })
  const [code] = await once(child, 'close')
  return { code, output }
}

t.test('a plane that does what it is for passes the smoke test, and is left as it was', async (t) => {
  const plane = await startPlane(t)
  const { code, output } = await smoke(t, plane, { repository_id: '42', run_id: '7', environment: 'dev' })
  t.equal(code, 0, output)
  t.match(output, /all is well/)
  const { body } = await plane.admin.get('/v1/certificates?principal_id=smoke-42-7')
  t.match(
    body.items,
    [{ status: /revoked|superseded/ }, { status: /revoked|superseded/ }],
    'no certificate of it is good',
  )
  t.equal(body.items.length, 2)
  t.notMatch(output, /eyJ|PRIVATE KEY|request-token/, 'no secret in its log')
})

t.test('it fails, and says where', async (t) => {
  const plane = await startPlane(t)
  const good = { repository_id: '42', run_id: '7', environment: 'dev' }
  const elsewhere = await smoke(t, plane, { ...good, environment: 'prod' })
  t.match(elsewhere, { code: 4, output: /join_refused/ }, 'a job of another environment')
  const other = await smoke(t, plane, good, { AIRUNNER_CA_FINGERPRINT: `sha256:${'0'.repeat(64)}` })
  t.not(other.code, 0, 'a server of another root')
  t.match(other.output, /root|fingerprint/i)
})

import t from 'tap'
import { day } from '../../src/core/time.ts'
import { eventually } from '../support/agent-stream.ts'
import { makeCliHome, runCli } from '../support/cli.ts'
import { makeRequest } from '../support/client.ts'
import { startPlane } from '../support/plane.ts'
import { makeNextIssuer, makeNextRoot, prepare } from '../support/rotation.ts'

/** Milliseconds. */
const life = 4000

t.test('an issuer and a root that nobody took out end while servers run, and none of them is less ready', async (t) => {
  const plane = await startPlane(t)
  const { authority, server, admin } = plane
  const brief = await makeNextIssuer(authority.root, 'forgotten', life)
  const root = await makeNextRoot('forgotten root', life)
  server.env['AIRUNNER_CA_CERT'] = root.pem + authority.root_pem
  server.env['AIRUNNER_ISSUER_CERT'] = authority.env.AIRUNNER_ISSUER_CERT + brief.pem
  server.env['AIRUNNER_ISSUER_KEY'] = authority.env.AIRUNNER_ISSUER_KEY + brief.key_pem
  await server.reload()
  const { health, pki } = server
  const text = async (path: string) => (await fetch(`http://${pki}${path}`)).text()
  const ready = async (at = health) => (await fetch(`http://${at}/readyz`)).status
  t.equal((await text('/pki/trust-bundle.pem')).match(/BEGIN/g)?.length, 2)
  t.equal((await fetch(`http://${pki}/pki/issuers/${brief.issuer_id}.cer`)).status, 200)
  const told = (event: string) => server.logged.some((line) => line['event'] === event)
  t.ok(await eventually(async () => told('issuer_expires_soon') && told('root_expired_ignored'), 15_000))
  t.match(
    server.logged.find(({ event }) => event === 'issuer_expired_ignored'),
    { level: 'warn', issuer_id: brief.issuer_id, remedy: 'take it out of AIRUNNER_ISSUER_CERT' },
  )
  t.equal(await ready(), 200)
  t.equal(await text('/pki/trust-bundle.pem'), authority.root_pem)
  t.equal((await fetch(`http://${pki}/pki/issuers/${brief.issuer_id}.cer`)).status, 404)
  t.equal((await admin.get('/v1/trust-bundle')).body.roots_pem, authority.root_pem)
  const { csr_pem } = await makeRequest()
  const renewed = await admin.post('/v1/renewals', { csr_pem })
  t.equal(renewed.body.certificate.issuer_id, authority.issuer.issuer_id)
  t.equal(renewed.body.trust_bundle_pem, authority.root_pem)

  // Who looks is told as well, of one that is yet to be used.
  const short = await makeNextIssuer(authority.root, 'short-lived', 20 * day)
  t.equal((await prepare(admin, short)).status, 201)
  const { identity } = await plane.enrol('ops', 'admin')
  const { env } = await makeCliHome(t, plane, identity)
  const warning = `The issuer ${short.issuer_id} \\(prepared\\) ends in (19|20)d: docs/rotation.md`
  t.match((await runCli(['ca', 'list'], { env })).stderr, new RegExp(`^${warning}`))
  t.match((await runCli(['doctor'], { env })).stdout, new RegExp(`warn {2}issuers and roots +${warning}`))

  // A deploy later, with the same configuration.
  const next = await plane.startServer({ env: server.env })
  t.match(
    next.logged.filter(({ event }) => String(event).endsWith('_expired_ignored')),
    [{ event: 'root_expired_ignored' }, { event: 'issuer_expired_ignored', issuer_id: brief.issuer_id }],
  )
  t.ok(await eventually(async () => (await ready(next.health)) === 200))
  t.equal(
    (
      await plane
        .clientOf(undefined, next)
        .get('/v1/whoami')
        .catch(() => ({ status: 0 }))
    ).status,
    0,
  )
})

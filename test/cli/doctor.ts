import t from 'tap'
import { checkClock } from '../../src/cli/doctor/way.ts'
import { makeCliHome, runCli } from '../support/cli.ts'
import { startPlane } from '../support/plane.ts'

const at = Date.parse('2026-11-01T00:00:00Z')
const dated = (seconds: number) => new Date(at + seconds * 1000).toUTCString()

t.test('clocks: told apart as far as the header allows', async (t) => {
  const cases: [number, string, RegExp][] = [
    [0, 'ok', /within 3 s/],
    [2, 'ok', /within 3 s/],
    [10, 'warn', /10s behind the server/],
    [-11, 'warn', /10s ahead of the server/],
    [300, 'fail', /5m behind the server/],
  ]
  for (const [seconds, result, words] of cases) {
    const check = checkClock(dated(seconds), at, at)
    t.equal(check.result, result, String(seconds))
    t.match(check.detail, words)
  }
  t.equal(checkClock(undefined, at, at).result, 'warn')
})

t.test('what the server refuses is said with its code, and decides the exit code', async (t) => {
  const plane = await startPlane(t)
  const { identity, issued } = await plane.enrol('build-7')
  const home = await makeCliHome(t, plane, identity)
  const doctor = async (...more: string[]) => runCli(['doctor', ...more], { env: home.env })

  t.equal((await doctor()).code, 0)
  await plane.admin.post('/v1/principals/build-7/suspend', { reason: 'test' })
  const suspended = await doctor()
  t.equal(suspended.code, 4)
  t.match(suspended.stdout, /fail {2}admission +The principal is suspended \(principal_suspended\)/)
  t.match(suspended.stdout, /ok {4}own certificate/, 'the rest is told all the same')
  const asJson = JSON.parse((await doctor('-o', 'json')).stdout)
  t.equal(asJson.healthy, false)
  t.equal(asJson.checks.find(({ result }: { result: string }) => result === 'fail').code, 'principal_suspended')

  await plane.admin.post('/v1/principals/build-7/activate')
  await plane.admin.post(`/v1/certificates/${issued.certificate.serial_number}/revoke`, { reason: 'key_compromise' })
  t.match((await doctor()).stdout, /certificate_revoked/)
})

t.test('an expired certificate and an overdue renewal, by this machine’s clock', async (t) => {
  const plane = await startPlane(t)
  const { identity } = await plane.enrol('build-7', 'worker', 600)
  const home = await makeCliHome(t, plane, identity)
  const overdue = await runCli(['doctor'], { env: home.env, now: () => Date.now() + 500_000 })
  t.match(overdue.stdout, /warn {2}next renewal +has been due since/)
  const expired = await runCli(['doctor'], { env: home.env, now: () => Date.now() + 900_000 })
  t.match(expired.stdout, /fail {2}own certificate +CN=build-7 expired [45]m( \d+s)? ago/)
  t.equal(expired.code, 4)
})

import { once } from 'node:events'
import { get } from 'node:http'
import { connect } from 'node:tls'
import t, { type Test } from 'tap'
import { makeAuthority } from '../support/authority.ts'
import { freePort } from '../support/free-port.ts'
import { startProgram } from '../support/program.ts'
import { startSlowStore } from '../support/slow-store.ts'

const authority = await makeAuthority()

const probe = (port: number, path: string): Promise<[number | undefined, string]> =>
  new Promise((done, failed) => {
    get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part) => {
        text += part
      })
      response.once('end', () => done([response.statusCode, text]))
    }).once('error', failed)
  })

/** A program whose ports are known before it says them, when its first probe has been answered well. */
const startUntilHealthy = async (t: Test) => {
  const [health, mtls, enroll, pki] = [await freePort(), await freePort(), await freePort(), await freePort()]
  const ports = { health, mtls, enroll, pki }
  const program = startProgram(
    ['--hostname', 'localhost', ...Object.entries(ports).map(([name, port]) => `--${name}-listen=127.0.0.1:${port}`)],
    {
      AIRUNNER_PRINCIPAL_TABLE: 'principals',
      AIRUNNER_CERT_TABLE: 'certificates',
      AIRUNNER_CONTROL_TABLE: 'control',
      AWS_ENDPOINT_URL_DYNAMODB: await startSlowStore(t, 400),
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
      ...authority.env,
    },
  )
  t.teardown(() => void program.child.kill('SIGKILL'))
  for (;;) {
    const answer = await probe(health, '/health').catch(() => undefined)
    if (answer?.[0] === 200) return { ...program, ports }
    await new Promise((done) => setTimeout(done, 5))
  }
}

t.test('whoever comes once a probe was answered is served, on every port', async (t) => {
  const { ports, event } = await startUntilHealthy(t)
  t.same(await probe(ports.health, '/readyz'), [503, 'store\nfeed'], 'not ready before the store was heard of')
  const early = probe(ports.pki, '/pki/trust-bundle.pem')
  const socket = connect({ host: '127.0.0.1', port: ports.enroll, ca: authority.root_pem, servername: 'localhost' })
  t.teardown(() => socket.destroy())
  await once(socket, 'secureConnect')
  t.same(await early, [200, authority.root_pem])
  const stranger = connect({ host: '127.0.0.1', port: ports.mtls, ca: authority.root_pem, servername: 'localhost' })
  stranger.on('error', () => undefined)
  let text = ''
  stranger.on('data', (part) => {
    text += part
  })
  await once(stranger, 'close')
  t.equal(text, '', 'without a certificate there is no HTTP answer')
  t.match(await event('server_ready'), { mtls_listen: `127.0.0.1:${ports.mtls}` })
})

t.test('told to stop before it is ready, it says so at once and ends well', async (t) => {
  const { ports, child, ended } = await startUntilHealthy(t)
  child.kill('SIGTERM')
  for (;;) {
    const [status, text] = await probe(ports.health, '/health')
    if (status === 200) continue
    t.same([status, text], [503, 'draining'])
    break
  }
  child.kill('SIGINT')
  t.equal((await ended).code, 0)
})

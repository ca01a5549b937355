import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { connect, type TLSSocket } from 'node:tls'
import { GetParametersCommand, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
import t, { type Test } from 'tap'
import { createServerCertificate } from '../../src/pki/ca.ts'
import { privateKeyPem } from '../../src/pki/keys.ts'
import type { Authority } from '../support/authority.ts'
import { type Ministack, startMinistack } from '../support/ministack.ts'
import { startPlane } from '../support/plane.ts'
import { layGround } from '../support/processes.ts'
import { missingTools } from '../support/tools.ts'

const prefix = '/airunner/test'
type Name = 'ca-cert' | 'server-cert' | 'server-key' | 'issuer-cert'

const putter = ({ endpoint, region, credentials }: Ministack) => {
  const ssm = new SSMClient({ endpoint, region, credentials })
  const put = async (name: Name, Value: string) => {
    const Type = name === 'server-key' ? 'SecureString' : 'String'
    await ssm.send(new PutParameterCommand({ Name: `${prefix}/${name}`, Value, Type, Overwrite: true }))
  }
  return { ssm, put }
}
const putAll = async (put: (name: Name, value: string) => Promise<void>, { env }: Authority) => {
  await put('ca-cert', env.AIRUNNER_CA_CERT)
  await put('server-cert', env.AIRUNNER_SERVER_CERT)
  await put('server-key', env.AIRUNNER_SERVER_KEY)
  await put('issuer-cert', env.AIRUNNER_ISSUER_CERT)
}

const newServer = async ({ serverIssuer: issuer }: Authority) => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { pem } = await createServerCertificate({ issuer, publicKey, hostname: 'localhost', now: Date.now() })
  return {
    cert: pem + issuer.pem,
    key: privateKeyPem(privateKey),
    fingerprint: new X509Certificate(pem).fingerprint256,
  }
}

/** Open until the test ends; a server that wants a client certificate shows its own first. */
const connectTo = (t: Test, address: string): Promise<{ socket: TLSSocket; fingerprint: string }> =>
  new Promise((resolve, reject) => {
    const [host = '', port = ''] = address.split(':')
    const socket = connect({ host, port: Number(port), servername: 'localhost', rejectUnauthorized: false }, () =>
      resolve({ socket, fingerprint: socket.getPeerX509Certificate()?.fingerprint256 ?? '' }),
    )
    socket.on('error', reject)
    t.teardown(() => socket.destroy())
  })

const fingerprintOf = ({ env }: Authority) => new X509Certificate(env.AIRUNNER_SERVER_CERT).fingerprint256

const skip = missingTools('ministack')

t.test(
  'a new server certificate in the Parameter Store is shown to new connections, old ones live on',
  { skip },
  async (t) => {
    const aws = await startMinistack()
    t.teardown(aws.stop)
    const { ssm, put } = putter(aws)
    t.teardown(() => ssm.destroy())
    const plane = await startPlane(t)
    await putAll(put, plane.authority)
    const { Parameters } = await ssm.send(new GetParametersCommand({ Names: [`${prefix}/server-key`] }))
    t.notMatch(Parameters?.[0]?.Value, 'BEGIN', 'the emulator encrypts')

    const { AIRUNNER_ISSUER_KEY } = plane.authority.env
    const nothing = Object.fromEntries(Object.keys(plane.authority.env).map((name) => [name, '']))
    const server = await plane.startServer({
      env: { ...nothing, AIRUNNER_ISSUER_KEY, AIRUNNER_SSM_PREFIX: prefix },
      aws: {
        ssm: { endpoint: aws.endpoint, region: aws.region, credentials: aws.credentials },
        polling: { every: 300, soonest: 100 },
      },
    })
    const admin = plane.clientOf(plane.admin.identity, server)
    t.equal((await admin.get('/v1/whoami')).status, 200)
    const old = await connectTo(t, server.enroll)
    t.equal(old.fingerprint, fingerprintOf(plane.authority))
    const expiry = async () => {
      const text = await (await fetch(`http://${server.metrics}/metrics`)).text()
      return Number(/^airunner_certificate_expiry_seconds\{kind="server"\} (.*)$/m.exec(text)?.[1])
    }
    const before = await expiry()

    await new Promise((resolve) => setTimeout(resolve, 1100))
    const next = await newServer(plane.authority)
    await put('server-cert', next.cert)
    await put('server-key', next.key)
    const until = Date.now() + 60_000
    while ((await connectTo(t, server.enroll)).fingerprint !== next.fingerprint && Date.now() < until)
      await new Promise((resolve) => setTimeout(resolve, 100))
    t.equal((await connectTo(t, server.enroll)).fingerprint, next.fingerprint)
    t.equal((await connectTo(t, server.mtls)).fingerprint, next.fingerprint)
    t.notOk(old.socket.destroyed, 'the old connection')
    t.equal((await admin.get('/v1/whoami')).status, 200)
    t.ok((await expiry()) > before - 1, 'its age is counted anew')

    for (const garbage of ['garbage', 'placeholder', next.cert.slice(0, 200)]) {
      const told = server.logged.length
      await put('server-cert', garbage)
      while (!server.logged.slice(told).some(({ event }) => event === 'secrets_refused'))
        await new Promise((resolve) => setTimeout(resolve, 50))
      t.equal((await connectTo(t, server.mtls)).fingerprint, next.fingerprint)
    }
    t.notMatch(JSON.stringify(server.logged), /-----BEGIN/)
  },
)

t.test('SIGHUP reads the parameters at once, in every process', { skip }, async (t) => {
  const aws = await startMinistack()
  t.teardown(aws.stop)
  const { ssm, put } = putter(aws)
  t.teardown(() => ssm.destroy())
  const ground = await layGround()
  t.teardown(ground.end)
  await putAll(put, ground.authority)
  const none = { AIRUNNER_CA_CERT: '', AIRUNNER_SERVER_CERT: '', AIRUNNER_SERVER_KEY: '', AIRUNNER_ISSUER_CERT: '' }
  const server = await ground.start(['--workers', '2'], { ...aws.env, ...none, AIRUNNER_SSM_PREFIX: prefix })
  t.equal((await connectTo(t, server.mtls)).fingerprint, fingerprintOf(ground.authority))
  const next = await newServer(ground.authority)
  await put('server-cert', next.cert)
  await put('server-key', next.key)
  server.program.child.kill('SIGHUP')
  for (const worker of [1, 2]) await server.program.event('trust_changed', (line) => line['worker'] === worker)
  for (let times = 0; times < 6; times++) t.equal((await connectTo(t, server.mtls)).fingerprint, next.fingerprint)
  t.equal(await server.end('SIGINT'), 0)
})

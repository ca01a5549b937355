import { X509Certificate } from 'node:crypto'
import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { runCli, workDirectory } from '../support/cli.ts'
import { startTestStore } from '../support/store.ts'

const store = await startTestStore()
t.teardown(() => store.stop())
const tables = (prefix: string) => [
  '--principal-table',
  `${prefix}_principals`,
  '--cert-table',
  `${prefix}_certificates`,
  '--control-table',
  `${prefix}_control`,
]
const env = { AWS_ENDPOINT_URL_DYNAMODB: store.engine.endpoint }

t.test('bootstrap --local makes all of it, and a second run changes nothing', async (t) => {
  const directory = join(await workDirectory(t), 'certs')
  const argv = [
    'bootstrap',
    '--local',
    '--output-dir',
    directory,
    ...tables('first'),
    '--hostname',
    'plane.example.com',
  ]
  const first = await runCli([...argv, '-o', 'json'], { env })
  t.equal(first.code, 0, first.stderr)
  t.equal(
    first.stderr.replace(/Ready: .*/, 'Ready'),
    `[1/6] root and issuers: made
[2/6] server certificate: made
[3/6] admin principal admin-bootstrap: made
[4/6] admin certificate, registered: made
[5/6] upload: left out (--local)
[6/6] verification: left out (--local)
Ready
`,
  )
  const result = JSON.parse(first.stdout)
  t.match(result, { hostname: 'plane.example.com', admin_id: 'admin-bootstrap', changed: true })
  t.equal(result.ca_cert, join(directory, 'ca-cert.pem'))
  for (const name of await readdir(directory)) t.equal((await stat(join(directory, name))).mode & 0o077, 0, name)
  const admin = new X509Certificate(await readFile(join(directory, 'admin-cert.pem')))
  t.match(admin.subjectAltName, /spiffe:\/\/plane.example.com\/admin\/admin-bootstrap/)

  const second = await runCli(argv, { env })
  t.equal(second.code, 0)
  t.match(second.stderr, /Nothing changed: everything was there/)

  await rm(join(directory, 'admin-cert.pem'))
  const third = await runCli(argv, { env })
  t.equal(third.code, 0, third.stderr)
  t.match(third.stderr, /\[1\/6] root and issuers: found/)
  t.match(third.stderr, /\[4\/6] admin certificate, registered: made/)
})

t.test('it stops rather than replace: a missing root key, another store that does not know the admin', async (t) => {
  const directory = join(await workDirectory(t), 'certs')
  const argv = ['bootstrap', '--local', '--output-dir', directory]
  t.equal((await runCli([...argv, ...tables('second')], { env })).code, 0)
  await rm(join(directory, 'ca-cert.pem'))
  await rm(join(directory, 'ca-key.pem'))
  const { code, stderr } = await runCli([...argv, ...tables('second')], { env })
  t.equal(code, 6, stderr)
  t.match(stderr, /bootstrap stopped, so as not to replace anything/)
})

t.test('a store that cannot be reached is exit 7', async (t) => {
  const directory = join(await workDirectory(t), 'certs')
  const { code, stderr } = await runCli(['bootstrap', '--local', '--output-dir', directory], {
    env: { AWS_ENDPOINT_URL_DYNAMODB: 'http://127.0.0.1:1' },
  })
  t.equal(code, 7, stderr)
  t.match(stderr, /AWS_ENDPOINT_URL_DYNAMODB/)
})

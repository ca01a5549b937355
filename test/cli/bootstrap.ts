import { createPrivateKey, X509Certificate } from 'node:crypto'
import { appendFile, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { IssuerState } from '../../src/core/authority.ts'
import { readIssuers } from '../../src/pki/issuer.ts'
import { makeLocalSigner } from '../../src/pki/local-signer.ts'
import type { Item } from '../../src/store/client.ts'
import { controlKey } from '../../src/store/schema.ts'
import { runCli, workDirectory } from '../support/cli.ts'
import { makeNextIssuer } from '../support/rotation.ts'
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

t.test('in the middle of a rotation the admin is certified by the issuer that signs, and no other', async (t) => {
  const directory = join(await workDirectory(t), 'certs')
  const argv = [
    'bootstrap',
    '--local',
    '--output-dir',
    directory,
    ...tables('rotated'),
    '--hostname',
    'plane.example.com',
  ]
  const path = (name: string) => join(directory, name)
  const run = async () => (await runCli(argv, { env })).stderr
  await run()
  const before = await readFile(path('admin-cert.pem'))
  const [old] = readIssuers(await readFile(path('issuer-cert.pem'), 'utf8'))
  const root = new X509Certificate(await readFile(path('ca-cert.pem')))
  const signer = makeLocalSigner(createPrivateKey(await readFile(path('ca-key.pem'))))
  const next = await makeNextIssuer({ certificate: root, signer }, 'next issuer')
  await appendFile(path('issuer-cert.pem'), next.pem)
  await appendFile(path('issuer-key.pem'), next.key_pem)
  const rowOf = (issuer_id: string, pem: string, state: IssuerState) => ({
    ...controlKey.authority(issuer_id),
    certificate_der: new X509Certificate(pem).raw,
    state,
    version: 1,
  })
  const write = (row: object) => store.store.put({ TableName: 'rotated_control', Item: row as Item })
  await write(rowOf(next.issuer_id, next.pem, 'active'))
  await write({ ...controlKey.authority('ACTIVE'), issuer_id: next.issuer_id, version: 1 })

  t.match(await run(), /Nothing changed/, 'a certificate of the one before is good still')
  await write(rowOf(old?.issuer_id ?? '', old?.pem ?? '', 'removed'))
  t.match(await run(), /\[4\/6] admin certificate, registered: renewed/)
  const after = await readFile(path('admin-cert.pem'))
  t.notSame(after, before)
  t.ok(new X509Certificate(after).checkIssued(new X509Certificate(next.pem)), 'of the one that signs')
  t.match(await run(), /Nothing changed/)

  await writeFile(path('issuer-cert.pem'), old?.pem ?? '')
  const keys = await readFile(path('issuer-key.pem'), 'utf8')
  await writeFile(path('issuer-key.pem'), keys.replace(next.key_pem, ''))
  await rm(path('admin-cert.pem'))
  t.match(await run(), new RegExp(`the issuer that signs, ${next.issuer_id}, has not its key in the files`))
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

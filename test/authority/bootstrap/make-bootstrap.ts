import { X509Certificate } from 'node:crypto'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { BootstrapFiles } from '../../../src/authority/bootstrap/files.ts'
import { makeBootstrap } from '../../../src/authority/bootstrap/make-bootstrap.ts'
import type { BootstrapStep } from '../../../src/authority/bootstrap/step.ts'
import { day } from '../../../src/core/time.ts'
import { checkServerChain, readTrustBundle } from '../../../src/pki/trust.ts'
import { makePlane } from '../../../src/server/compose.ts'
import { readConfig } from '../../../src/server/config.ts'
import { makeConnections } from '../../../src/server/connections.ts'
import { makeLog } from '../../../src/server/log.ts'
import { makeMetrics } from '../../../src/server/metrics.ts'
import { environmentSource } from '../../../src/server/secret-texts.ts'
import { checkSecrets } from '../../../src/server/secrets.ts'
import { startTestStore, storeCredentials } from '../../support/store.ts'

const store = await startTestStore()
t.teardown(store.stop)
const log = await makeLog({ level: 'error', format: 'json' })

/** A plane with the material in the files, for as long as it is used. */
const withPlane = async <T>(
  files: BootstrapFiles,
  clock: () => number,
  use: (plane: ReturnType<typeof makePlane>) => Promise<T>,
) => {
  const { principals, certificates, control } = store.tables
  const env = {
    AIRUNNER_PRINCIPAL_TABLE: principals,
    AIRUNNER_CERT_TABLE: certificates,
    AIRUNNER_CONTROL_TABLE: control,
    AIRUNNER_CA_CERT_FILE: files.caCert,
    AIRUNNER_ISSUER_CERT_FILE: files.issuerCert,
    AIRUNNER_ISSUER_KEY_FILE: files.issuerKey,
    AIRUNNER_SERVER_CERT_FILE: files.serverCert,
    AIRUNNER_SERVER_KEY_FILE: files.serverKey,
  }
  const { config } = readConfig({ hostname: 'localhost' }, env, 'serve')
  const { secrets, problems } = checkSecrets(await environmentSource(env).read(), {
    hostname: 'localhost',
    now: clock(),
  })
  if (secrets === undefined) throw new Error(JSON.stringify(problems))
  const metrics = makeMetrics()
  const connections = makeConnections({ clock, log, metrics })
  const endpoint = { endpoint: store.engine.endpoint, ...storeCredentials }
  const plane = makePlane({ config, secrets: () => secrets, log, metrics, connections, clock, store: endpoint })
  return use(plane).finally(() => plane.stop())
}

let admins = 0
const newFolder = () => {
  const directory = mkdtempSync(join(tmpdir(), 'bootstrap-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return join(directory, 'new')
}

const run = async (directory: string, adminId: string, clock: () => number = Date.now, hostname = 'localhost') => {
  const steps: BootstrapStep[] = []
  const files = await makeBootstrap({
    directory,
    hostname,
    extra_names: { dns: ['localhost'], ip: ['127.0.0.1'] },
    admin_id: adminId,
    clock,
    report: (step) => steps.push(step),
    registerAdmin: (request, written) => withPlane(written, clock, (plane) => plane.registerAdmin(request)),
  })()
  return { files, outcomes: steps.map(({ outcome }) => outcome) }
}

const contents = (directory: string) =>
  Object.fromEntries(
    readdirSync(directory)
      .sort()
      .map((name) => [name, readFileSync(join(directory, name), 'utf8')]),
  )

t.test('from nothing to an admin that is let in; a second run changes nothing', async (t) => {
  const directory = newFolder()
  const { files, outcomes } = await run(directory, 'admin-first')
  t.same(outcomes, ['made', 'made', 'made', 'made'])
  t.equal(statSync(directory).mode & 0o777, 0o700)
  for (const name of readdirSync(directory)) t.equal(statSync(join(directory, name)).mode & 0o777, 0o600, name)

  const text = (path: string) => readFileSync(path, 'utf8')
  const bundle = readTrustBundle(text(files.caCert), Date.now())
  const chain = { chainPem: text(files.serverCert), keyPem: text(files.serverKey), bundle, now: Date.now() }
  t.same(checkServerChain({ ...chain, hostname: 'localhost' }), [])
  t.match(new X509Certificate(chain.chainPem).subjectAltName, /IP Address:127\.0\.0\.1/)
  const admitted = await withPlane(files, Date.now, async (plane) => {
    const presented = plane.present(new X509Certificate(text(files.adminCert)))
    return presented && plane.admit(presented, { remote_address: 'test', request_id: 'test' })
  })
  t.match(admitted, { principal: { principal_id: 'admin-first', type: 'admin' } })

  const before = contents(directory)
  t.same((await run(directory, 'admin-first')).outcomes, ['found', 'found', 'found', 'found'])
  t.same(contents(directory), before)
})

t.test('a run that was killed after any file is brought to its end, and keeps what it had', async (t) => {
  const whole = newFolder()
  await run(whole, 'admin-whole')
  const order = [
    'ca-key',
    'ca-cert',
    'issuer-key',
    'issuer-cert',
    'server-issuer-key',
    'server-issuer-cert',
    'server-key',
    'server-cert',
    'admin-key',
  ]
  for (const [index, last] of order.entries()) {
    const directory = newFolder()
    mkdirSync(directory)
    const kept = order.slice(0, index + 1).map((name) => `${name}.pem`)
    for (const name of kept) copyFileSync(join(whole, name), join(directory, name))
    // What a kill in the middle of a write leaves.
    writeFileSync(join(directory, `.${order[index + 1]}.pem.0123.tmp`), 'half a ke')
    // The same key cannot be certified for another admin.
    const adminId = last === 'admin-key' ? 'admin-whole' : `admin-${index}`
    const { outcomes } = await run(directory, adminId)
    t.ok(outcomes.includes('made'), last)
    const after = contents(directory)
    for (const name of kept) t.equal(after[name], readFileSync(join(whole, name), 'utf8'), `${last}: ${name} stays`)
    t.same(
      Object.keys(after).filter((name) => !name.startsWith('.')),
      readdirSync(whole).sort(),
      `${last}: all is there`,
    )
  }
})

t.test('an answer that was lost is answered again with the same certificate', async (t) => {
  const directory = newFolder()
  const id = `admin-lost-${admins++}`
  const { files } = await run(directory, id)
  const first = readFileSync(files.adminCert, 'utf8')
  // Killed between the answer and the file: key and request are there, the certificate is not.
  let request = ''
  unlinkSync(files.adminCert)
  const interrupted = makeBootstrap({
    directory,
    hostname: 'localhost',
    admin_id: id,
    clock: Date.now,
    report: () => undefined,
    registerAdmin: async (asked, written) => {
      request = asked.csr_pem
      await withPlane(written, Date.now, (plane) => plane.registerAdmin(asked))
      throw new Error('killed')
    },
  })
  await t.rejects(interrupted(), /killed/)
  const issued = await withPlane(files, Date.now, (plane) =>
    plane.registerAdmin({ principal_id: id, csr_pem: request }),
  )
  await run(directory, id)
  t.equal(readFileSync(files.adminCert, 'utf8'), issued.chain_pem)
  t.not(issued.chain_pem, first)
  t.notOk(readdirSync(directory).some((name) => name.endsWith('.request')))
})

t.test('what is about to expire is made anew, with the same keys', async (t) => {
  const directory = newFolder()
  const { files } = await run(directory, 'admin-late')
  const before = contents(directory)
  const later = () => Date.now() + 85 * day
  t.same((await run(directory, 'admin-late', later)).outcomes, ['found', 'renewed', 'found', 'renewed'])
  const after = contents(directory)
  const changed = Object.keys(before).filter((name) => before[name] !== after[name])
  t.same(changed, ['admin-cert.pem', 'server-cert.pem'])
  const bundle = readTrustBundle(after['ca-cert.pem'] as string, later())
  t.same(
    checkServerChain({
      chainPem: after['server-cert.pem'] as string,
      keyPem: readFileSync(files.serverKey, 'utf8'),
      hostname: 'localhost',
      bundle,
      now: later(),
    }),
    [],
  )

  const muchLater = () => Date.now() + 300 * day
  t.same((await run(directory, 'admin-late', muchLater)).outcomes, ['renewed', 'renewed', 'found', 'renewed'])
  t.equal(contents(directory)['issuer-key.pem'], before['issuer-key.pem'])
  t.equal(contents(directory)['ca-cert.pem'], before['ca-cert.pem'])
})

t.test('what does not fit is named, and never replaced', async (t) => {
  const [directory, other] = [newFolder(), newFolder()]
  await run(directory, 'admin-fit')
  await run(other, 'admin-other')
  const wrongs: [name: string, change: (into: string) => void, message: RegExp][] = [
    [
      'a root of another key',
      (into) => copyFileSync(join(other, 'ca-cert.pem'), join(into, 'ca-cert.pem')),
      /ca-key\.pem belongs to no root/,
    ],
    [
      'an issuer of another root',
      (into) => {
        for (const name of ['issuer-cert.pem', 'issuer-key.pem']) copyFileSync(join(other, name), join(into, name))
      },
      /issuer-cert\.pem: .*chain/,
    ],
    [
      'an issuer without its key',
      (into) => unlinkSync(join(into, 'issuer-key.pem')),
      /issuer-key\.pem is missing: restore it/,
    ],
    [
      'a key of another issuer',
      (into) => copyFileSync(join(other, 'server-issuer-key.pem'), join(into, 'server-issuer-key.pem')),
      /server-issuer-cert\.pem/,
    ],
    [
      'a key that is none',
      (into) => writeFileSync(join(into, 'admin-key.pem'), 'x'),
      /admin-key\.pem holds no private key/,
    ],
    [
      'a server certificate of somebody else',
      (into) => copyFileSync(join(other, 'server-cert.pem'), join(into, 'server-cert.pem')),
      /server-cert\.pem is not of/,
    ],
    [
      'a root that is needed and elsewhere',
      (into) => {
        for (const name of ['ca-key.pem', 'issuer-cert.pem', 'issuer-key.pem']) unlinkSync(join(into, name))
      },
      /ca-key\.pem is needed to make/,
    ],
  ]
  for (const [name, change, message] of wrongs) {
    const copy = newFolder()
    mkdirSync(copy)
    for (const each of readdirSync(directory)) copyFileSync(join(directory, each), join(copy, each))
    change(copy)
    const before = contents(copy)
    await t.rejects(run(copy, 'admin-fit'), message, name)
    // A new key may have been laid beside it; nothing that was there has changed.
    for (const [file, text] of Object.entries(before)) t.equal(contents(copy)[file], text, `${name}: ${file}`)
  }
})

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { chmod, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t from 'tap'
import { makeCsr } from '../../src/pki/request.ts'
import { type CliHome, type CliOptions, makeCliHome, runCli } from '../support/cli.ts'
import { identityOf, makeKey } from '../support/client.ts'
import { answerJson, startFront } from '../support/front.ts'
import { startPlane } from '../support/plane.ts'

const plane = await startPlane(t)

/** A worker with its own files, and the one way to act as it. */
const makeWorker = async (id: string, validity?: number) => {
  const member = await plane.enrol(id, 'worker', validity)
  const home = await makeCliHome(t, plane, member.identity)
  const airunner = (argv: string[], options: CliOptions = {}) => runCli(argv, { env: home.env, ...options })
  return { member, home, airunner }
}

const fits = async ({ cert, key }: Pick<CliHome, 'cert' | 'key'>): Promise<boolean> =>
  new X509Certificate(await readFile(cert)).checkPrivateKey(createPrivateKey(await readFile(key, 'utf8')))

const serialOf = async (path: string): Promise<string> =>
  new X509Certificate(await readFile(path)).serialNumber.toLowerCase()

const leftovers = async (directory: string): Promise<string[]> =>
  (await readdir(directory)).filter((name) => /next|lock|tmp|request/.test(name))

const serial = (text: string): string => text.trim().replace(/^0+/, '')

t.test('a renewal has a new key, is used before it is in place, and leaves nothing behind', async (t) => {
  const { home, airunner, member } = await makeWorker('renews')
  const before = { key: await readFile(home.key, 'utf8'), serial: await serialOf(home.cert) }
  const { code, stdout, stderr } = await airunner(['certificate', 'renew', '-o', 'name'])
  t.equal(code, 0, stderr)
  t.not(await readFile(home.key, 'utf8'), before.key)
  t.equal(serial(stdout), serial(await serialOf(home.cert)))
  t.ok(await fits(home))
  t.equal((await stat(home.key)).mode & 0o777, 0o600)
  t.same(await leftovers(home.directory), [])
  const old = await plane.admin.get(`/v1/certificates/${before.serial.padStart(32, '0')}`)
  t.equal(old.body.status, 'superseded')
  t.equal(member.issued.certificate.status, 'active')
})

t.test('--if-needed does nothing before two thirds of the life, and asks nobody', async (t) => {
  const { home, airunner } = await makeWorker('early')
  const env = { ...home.env, AIRUNNER_SERVER: 'https://localhost:1' }
  const { code, stdout, stderr } = await airunner(['cert', 'renew', '--if-needed'], { env })
  t.equal(code, 0)
  t.equal(stdout, '')
  t.match(stderr, /Nothing to do: the certificate is renewed in \d+d/)
})

t.test('--if-needed renews when two thirds are over', async (t) => {
  const { home, airunner } = await makeWorker('late', 600)
  const before = await serialOf(home.cert)
  const later = () => Date.now() + 420_000
  const { code, stderr } = await airunner(['cert', 'renew', '--if-needed'], { now: later })
  t.equal(code, 0, stderr)
  t.not(await serialOf(home.cert), before)
})

t.test('another place: the pair in use is left alone', async (t) => {
  const { home, airunner } = await makeWorker('elsewhere')
  const before = await readFile(home.cert, 'utf8')
  const directory = join(home.directory, 'new')
  const { code } = await airunner(['cert', 'renew', '--output-dir', directory])
  t.equal(code, 0)
  t.equal(await readFile(home.cert, 'utf8'), before)
  t.same((await readdir(directory)).sort(), ['ca.pem', 'cert.pem', 'key.pem'])
  const again = await airunner(['cert', 'renew', '--output-dir', directory])
  t.equal(again.code, 6)
  t.match(again.stderr, /exists already/)
})

t.test('links stay links', async (t) => {
  const { home, airunner } = await makeWorker('links')
  const real = join(home.directory, 'real.pem')
  await rename(home.cert, real)
  await symlink(real, home.cert)
  t.equal((await airunner(['cert', 'renew'])).code, 0)
  t.equal((await airunner(['whoami', '-o', 'name'])).stdout, 'links\n')
  t.ok((await fits({ cert: real, key: home.key })) && (await fits(home)))
})

t.test('killed at any point, it leaves a pair that works, and the next run ends it', async (t) => {
  const next = (path: string) => path.replace(/\.pem$/, '.next.pem')

  await t.test('after the key was written, before the request was sent', async (t) => {
    const { home, airunner } = await makeWorker('crash-a')
    await writeFile(next(home.key), makeKey().export({ type: 'pkcs8', format: 'pem' }))
    t.equal((await airunner(['whoami', '-o', 'name'])).stdout, 'crash-a\n')
    t.equal((await airunner(['cert', 'renew'])).code, 0)
    t.ok(await fits(home))
    t.same(await leftovers(home.directory), [])
  })

  await t.test('after the answer was lost: the same request, the same certificate', async (t) => {
    const { home, airunner, member } = await makeWorker('crash-b')
    let hangUp = true
    const front = await startFront(t, plane.authority, async ({ method, path, headers, body }, response, socket) => {
      const key = headers['idempotency-key'] as string
      const answer = await member.client.call(method, path, JSON.parse(body), { key })
      if (hangUp) socket.destroy()
      else answerJson(response, answer.status, answer.body)
    })
    const env = { ...home.env, AIRUNNER_SERVER: `https://localhost:${front.port}` }
    const lost = await airunner(['cert', 'renew'], { env })
    t.equal(lost.code, 4, 'it cannot know better than that it was hung up on')
    t.match(lost.stderr, /Run the same command again: it goes on with the key in .*key\.next\.pem/)
    t.ok(await fits(home), 'the pair in use is whole')
    const key = await readFile(next(home.key), 'utf8')
    hangUp = false
    const { code, stderr } = await airunner(['cert', 'renew'])
    t.equal(code, 0, stderr)
    t.equal(await readFile(home.key, 'utf8'), key, 'it went on with the key that was on disk')
    t.ok(await fits(home))
    t.same(await leftovers(home.directory), [])
    const list = await plane.admin.get('/v1/certificates?principal_id=crash-b')
    t.equal(list.body.items.length, 2, 'the lost certificate and the installed one are the same')
  })

  await t.test(
    'after the answer was lost, a refusal drops the key only when it is of the request itself',
    async (t) => {
      const { home, airunner, member } = await makeWorker('crash-f')
      let refusal: [status: number, code: string] | undefined
      let hangUp = true
      const front = await startFront(t, plane.authority, async ({ method, path, headers, body }, response, socket) => {
        if (refusal !== undefined) {
          const [status, code] = refusal
          return answerJson(response, status, { type: `urn:airunner:${code}`, title: 'refused', status, code })
        }
        const key = headers['idempotency-key'] as string
        const answer = await member.client.call(method, path, JSON.parse(body), { key })
        if (hangUp) socket.destroy()
        else answerJson(response, answer.status, answer.body)
      })
      const env = { ...home.env, AIRUNNER_SERVER: `https://localhost:${front.port}` }
      t.equal((await airunner(['cert', 'renew'], { env })).code, 4)
      const key = await readFile(next(home.key), 'utf8')
      const passing: NonNullable<typeof refusal>[] = [
        [429, 'rate_limited'],
        [503, 'store_unavailable'],
        [503, 'issuer_unavailable'],
        [500, 'internal_error'],
        [408, 'request_timeout'],
        [403, 'permission_denied'],
        [401, 'principal_suspended'],
        [401, 'certificate_not_yet_valid'],
      ]
      for (refusal of passing) {
        const { code, stderr } = await airunner(['cert', 'renew'], { env })
        t.not(code, 0)
        t.match(stderr, /Run the same command again: it goes on with the key/, refusal.join())
        t.equal(await readFile(next(home.key), 'utf8'), key, refusal.join())
      }
      refusal = undefined
      hangUp = false
      t.equal((await airunner(['cert', 'renew'])).code, 0)
      t.equal(await readFile(home.key, 'utf8'), key, 'the certificate of the first try')

      hangUp = true
      t.equal((await airunner(['cert', 'renew'], { env })).code, 4)
      refusal = [409, 'idempotency_key_reused']
      t.equal((await airunner(['cert', 'renew'], { env })).code, 6)
      t.same(await leftovers(home.directory), [], 'it would be refused for ever')
    },
  )

  /** The state after the certificate was staged: key and certificate of a successor under their next names. */
  const stage = async (id: string) => {
    const worker = await makeWorker(id)
    const key = makeKey()
    const answer = await worker.member.client.post('/v1/renewals', { csr_pem: makeCsr(key, id) })
    const successor = identityOf(answer.body, key.export({ type: 'pkcs8', format: 'pem' }).toString())
    await writeFile(next(worker.home.key), successor.key)
    await writeFile(next(worker.home.cert), successor.certificate)
    return { ...worker, successor }
  }

  await t.test('after the certificate was staged', async (t) => {
    const { home, airunner, successor } = await stage('crash-c')
    t.equal((await airunner(['whoami', '-o', 'name'])).stdout, 'crash-c\n')
    const { code, stderr } = await airunner(['cert', 'renew', '--if-needed'])
    t.equal(code, 0)
    t.match(stderr, /Finished a renewal that was left unfinished/)
    t.equal(await readFile(home.key, 'utf8'), successor.key)
    t.ok(await fits(home))
    t.same(await leftovers(home.directory), [])
  })

  await t.test('between the two renames: every command uses the certificate that waits', async (t) => {
    const { home, airunner } = await stage('crash-d')
    await rename(next(home.key), home.key)
    t.notOk(await fits(home))
    t.equal((await airunner(['whoami', '-o', 'name'])).stdout, 'crash-d\n')
    t.equal((await airunner(['cert', 'renew'])).code, 0)
    t.ok(await fits(home))
    t.same(await leftovers(home.directory), [])
  })

  await t.test('staged, but no longer let in: it begins anew', async (t) => {
    const { home, airunner, successor, member } = await stage('crash-e')
    // Renewing the same certificate again revokes the unused successor.
    await member.client.post('/v1/renewals', { csr_pem: makeCsr(makeKey(), 'crash-e') })
    const { code, stderr } = await airunner(['cert', 'renew'])
    t.equal(code, 0, stderr)
    t.not(await readFile(home.key, 'utf8'), successor.key)
    t.ok(await fits(home))
  })
})

t.test('a refusal leaves the pair in use and no key behind', async (t) => {
  const { home, airunner } = await makeWorker('refused')
  const before = await readFile(home.key, 'utf8')
  await plane.admin.post('/v1/principals/refused/suspend', { reason: 'test' })
  const { code, stderr } = await airunner(['cert', 'renew'])
  t.equal(code, 4)
  t.match(stderr, /principal_suspended/)
  t.equal(await readFile(home.key, 'utf8'), before)
  t.same(await leftovers(home.directory), [])
})

t.test('two at once: one works, the other says so', async (t) => {
  const { home, airunner } = await makeWorker('twice')
  await writeFile(`${home.key}.lock`, String(process.ppid))
  const { code, stderr } = await airunner(['cert', 'renew'])
  t.equal(code, 6)
  t.match(stderr, /another airunner is working on the same files/)
  await writeFile(`${home.key}.lock`, '4194304')
  t.equal((await airunner(['cert', 'renew'])).code, 0, 'the lock of a process that is gone is taken over')
})

t.test('a directory that cannot be written is found out before anything is asked', async (t) => {
  if (process.getuid?.() === 0) return t.pass('root may write everywhere')
  const { home, airunner } = await makeWorker('read-only')
  await chmod(dirname(home.key), 0o500)
  const { code } = await airunner(['cert', 'renew'])
  await chmod(dirname(home.key), 0o700)
  t.equal(code, 3)
})

t.test('one file with both is not renewed in place', async (t) => {
  const { home, airunner } = await makeWorker('one-file')
  await writeFile(home.cert, (await readFile(home.cert, 'utf8')) + (await readFile(home.key, 'utf8')))
  await rm(home.key)
  const env = { ...home.env, AIRUNNER_CLIENT_KEY: home.cert }
  t.equal((await airunner(['whoami', '-o', 'name'], { env })).stdout, 'one-file\n', 'it can be used')
  const { code, stderr } = await airunner(['cert', 'renew'], { env })
  t.equal(code, 3)
  t.match(stderr, /certificate and key are in one file/)
})

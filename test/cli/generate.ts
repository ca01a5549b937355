import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { makeCliHome, runCli, workDirectory } from '../support/cli.ts'
import { answerJson, startFront } from '../support/front.ts'
import { startPlane } from '../support/plane.ts'

const plane = await startPlane(t)
const { identity } = await plane.enrol('ops', 'admin')
const home = await makeCliHome(t, plane, identity)

/** The plane behind a front that loses answers as long as `loses` says. */
const lossy = async (loses: () => boolean) => {
  const front = await startFront(t, plane.authority, async ({ method, path, headers, body }, response, socket) => {
    const key = headers['idempotency-key'] as string
    const answer = await plane.clientOf(identity).call(method, path, JSON.parse(body), { key })
    if (loses()) socket.destroy()
    else answerJson(response, answer.status, answer.body)
  })
  return { ...home.env, AIRUNNER_SERVER: `https://localhost:${front.port}` }
}

const generate = (principal: string, directory: string, env: Record<string, string>, ...more: string[]) =>
  runCli(['certificate', 'generate', principal, '--output-dir', directory, '-o', 'name', ...more], { env })

const create = (principal: string) => plane.admin.post('/v1/principals', { principal_id: principal, type: 'worker' })

const countOf = async (principal: string): Promise<number> =>
  (await plane.admin.get(`/v1/certificates?principal_id=${principal}`)).body.items.length

t.test('an answer lost once costs nothing: one certificate', async (t) => {
  await create('lost-once')
  let left = 1
  const directory = join(await workDirectory(t), 'd')
  const { code, stdout } = await generate('lost-once', directory, await lossy(() => left-- > 0))
  t.equal(code, 0)
  t.equal(await countOf('lost-once'), 1)
  const certificate = new X509Certificate(await readFile(join(directory, 'cert.pem')))
  t.ok(certificate.checkPrivateKey(createPrivateKey(await readFile(join(directory, 'key.pem'), 'utf8'))))
  t.equal(certificate.serialNumber.toLowerCase().padStart(32, '0'), stdout.trim())
})

t.test('lost for good: the next run goes on with the same key and gets the same certificate', async (t) => {
  await create('lost-long')
  let loses = true
  const env = await lossy(() => loses)
  const directory = join(await workDirectory(t), 'd')
  const lost = await generate('lost-long', directory, env, '--validity', '1h')
  t.equal(lost.code, 4)
  t.match(lost.stderr, /Run the same command again/)
  t.same((await readdir(directory)).sort(), ['key.next.pem', 'key.next.pem.request.json'])
  const key = await readFile(join(directory, 'key.next.pem'), 'utf8')
  loses = false

  const other = await generate('lost-long', directory, env, '--validity', '2h')
  t.equal(other.code, 6, 'other terms would leave a certificate that nobody holds')
  t.match(other.stderr, /an unfinished request for other terms lies in/)

  const again = await generate('lost-long', directory, env, '--validity', '1h')
  t.equal(again.code, 0, again.stderr)
  t.match(again.stderr, /Going on with a request that was left unfinished/)
  t.equal(await readFile(join(directory, 'key.pem'), 'utf8'), key)
  t.equal(await countOf('lost-long'), 1)
  t.same((await readdir(directory)).sort(), ['ca.pem', 'cert.pem', 'key.pem'])
})

t.test('a server that was never reached leaves nothing to go on with', async (t) => {
  const directory = join(await workDirectory(t), 'd')
  const { code } = await generate('build-7', directory, { ...home.env, AIRUNNER_SERVER: 'https://localhost:1' })
  t.equal(code, 7)
  t.same(await readdir(directory), [])
})

t.test('--force replaces a pair as a whole', async (t) => {
  await create('forced')
  const directory = join(await workDirectory(t), 'd')
  const first = await generate('forced', directory, home.env)
  const second = await generate('forced', directory, home.env, '--force')
  t.equal(second.code, 0)
  t.not(second.stdout, first.stdout)
  const certificate = new X509Certificate(await readFile(join(directory, 'cert.pem')))
  t.ok(certificate.checkPrivateKey(createPrivateKey(await readFile(join(directory, 'key.pem'), 'utf8'))))
})

t.test('the same request file gives the same certificate: running it twice is harmless', async (t) => {
  await create('by-csr')
  const directory = await workDirectory(t)
  const { makeRequest } = await import('../support/client.ts')
  const { writeFile } = await import('node:fs/promises')
  await writeFile(join(directory, 'r.csr'), (await makeRequest()).csr_pem)
  const csr = ['--csr', join(directory, 'r.csr')]
  const first = await generate('by-csr', join(directory, 'd'), home.env, ...csr)
  t.equal(first.code, 0, first.stderr)
  const second = await generate('by-csr', join(directory, 'd'), home.env, ...csr, '--force')
  t.equal(second.stdout, first.stdout)
  t.equal(await countOf('by-csr'), 1)
})

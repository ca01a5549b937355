import { createPublicKey } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { createServerCertificate } from '../../src/pki/ca.ts'
import { makeAuthority } from '../support/authority.ts'
import { runCli, workDirectory } from '../support/cli.ts'
import { makeKey } from '../support/client.ts'
import { answerJson, type Handler, startFront } from '../support/front.ts'

const authority = await makeAuthority()
const principal = { principal_id: 'build-7', type: 'worker' }

/** A server that answers as the test says, and the environment that leads to it. */
const world = async (t: Tap.Test, handle: Handler) => {
  const front = await startFront(t, authority, handle)
  const directory = await workDirectory(t)
  const write = async (name: string, text: string) => {
    await writeFile(join(directory, name), text)
    return join(directory, name)
  }
  // Any pair will do: this server asks for none.
  const env = {
    HOME: directory,
    AIRUNNER_SERVER: `https://localhost:${front.port}`,
    AIRUNNER_CACERT: await write('ca.pem', authority.root_pem),
    AIRUNNER_CLIENT_CERT: await write('cert.pem', authority.env.AIRUNNER_SERVER_CERT),
    AIRUNNER_CLIENT_KEY: await write('key.pem', authority.env.AIRUNNER_SERVER_KEY),
  }
  return { front, env, airunner: (...argv: string[]) => runCli(argv, { env }) }
}

declare namespace Tap {
  type Test = Pick<typeof t, 'teardown'>
}

t.test('a lost answer is asked for again with the same key and the same body', async (t) => {
  let count = 0
  const { front, airunner } = await world(t, (_asked, response, socket) => {
    if (++count < 3) socket.destroy()
    else answerJson(response, 201, principal)
  })
  const { code, stdout } = await airunner('principal', 'create', 'build-7', '--type', 'worker', '-o', 'name')
  t.equal(code, 0)
  t.equal(stdout, 'build-7\n')
  t.equal(front.asked.length, 3)
  const keys = new Set(front.asked.map(({ headers }) => headers['idempotency-key']))
  t.equal(keys.size, 1, 'one key for all tries')
  t.match([...keys][0], /^[0-9a-f-]{36}$/)
  t.equal(new Set(front.asked.map(({ body }) => body)).size, 1)
})

t.test('a server that always hangs up does not know us: exit 4 after three tries', async (t) => {
  const { front, airunner } = await world(t, (_asked, _response, socket) => {
    socket.destroy()
  })
  const { code, stderr } = await airunner('whoami')
  t.equal(code, 4)
  t.match(stderr, /ended the connection without an answer/)
  t.equal(front.asked.length, 3)
})

t.test('a busy server is waited for as long as it says', async (t) => {
  let count = 0
  const { airunner } = await world(t, (_asked, response) => {
    if (++count === 1)
      answerJson(response, 503, { title: 'Too busy', code: 'overloaded', status: 503 }, { 'retry-after': '1' })
    else answerJson(response, 200, principal)
  })
  const { code, stderr } = await airunner('principal', 'get', 'build-7')
  t.equal(code, 0)
  t.match(stderr, /the server is busy \(503\); trying again in 1 s/)
})

t.test('one that stays busy, or asks for too long a wait, is exit 8', async (t) => {
  const { front, airunner } = await world(t, (_asked, response) => {
    answerJson(
      response,
      429,
      { title: 'Too many requests', code: 'rate_limited', status: 429 },
      { 'retry-after': '60' },
    )
  })
  const { code, stderr } = await airunner('whoami')
  t.equal(code, 8)
  t.match(stderr, /Too many requests \(rate_limited\)/)
  t.equal(front.asked.length, 1)
})

t.test('PATCH under a condition is not repeated: the second could not be told from a lost race', async (t) => {
  const { front, airunner } = await world(t, (_asked, _response, socket) => {
    socket.destroy()
  })
  await airunner('principal', 'update', 'build-7', '--email', 'a@b.c', '--if-match', '3')
  t.equal(front.asked.length, 1)
  t.equal(front.asked[0]?.headers['if-match'], '"3"')
})

t.test('no answer in time is exit 7, and says that the effect is not known', async (t) => {
  const { airunner } = await world(t, () => {})
  const { code, stderr } = await airunner('principal', 'get', 'build-7', '--timeout', '300ms')
  t.equal(code, 7)
  t.match(stderr, /no answer from localhost:\d+ in time/)
  t.match(stderr, /Whether the request took effect is not known/)
})

t.test('answers that are not the plane’s own', async (t) => {
  const cases: [string, number, string, number, RegExp][] = [
    ['a page of a proxy', 502, '<html>', 8, /answered 502 without saying why \(http_502\)/],
    ['not JSON', 200, 'hello', 1, /answered something that is not JSON/],
    ['not found, without a document', 404, '', 5, /http_404/],
  ]
  for (const [name, status, body, exit, words] of cases) {
    const { airunner } = await world(t, (_asked, response) => {
      response.writeHead(status, { 'x-request-id': 'abc' }).end(body)
    })
    const { code, stderr } = await airunner('whoami')
    t.equal(code, exit, name)
    t.match(stderr, words, name)
  }
})

t.test('a redirect is not followed: a client certificate goes nowhere else', async (t) => {
  const { front, airunner } = await world(t, (_asked, response) => {
    response.writeHead(307, { location: 'https://elsewhere.example/' }).end()
  })
  t.equal((await airunner('whoami')).code, 1)
  t.equal(front.asked.length, 1)
})

t.test('what speaks no TLS is told apart: exit 4', async (t) => {
  const { airunner } = await world(t, () => {})
  const plain = createServer((socket) => {
    socket.on('error', () => {})
    socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')
  })
  await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve))
  t.teardown(() => plain.close())
  const { port } = plain.address() as AddressInfo
  const { code, stderr } = await airunner('whoami', '--server', `https://localhost:${port}`)
  t.equal(code, 4)
  t.match(stderr, /What listens there does not speak TLS/)
})

t.test('another name than the certificate has: exit 4, and the names it has', async (t) => {
  const { airunner } = await world(t, () => {})
  const key = makeKey()
  const { pem } = await createServerCertificate({
    issuer: authority.serverIssuer,
    publicKey: createPublicKey(key),
    hostname: 'other.example',
    now: Date.now(),
  })
  const env = {
    AIRUNNER_SERVER_CERT: pem + authority.serverIssuer.pem,
    AIRUNNER_SERVER_KEY: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
  const front = await startFront(t, { env }, () => {})
  const server = `https://localhost:${front.port}`
  const { code, stderr } = await airunner('whoami', '--server', server)
  t.equal(code, 4)
  t.match(stderr, /The server certificate is for another name. It names DNS:other.example/)
  t.equal(front.asked.length, 0, 'nothing was sent')
  const doctor = await airunner('doctor', '--server', server)
  t.equal(doctor.code, 4)
  t.match(doctor.stdout, /not to be trusted: it is for other.example, not for localhost\n\s+Use one of its names/)
})

t.test('a variable of Node’s that turns verification off is not obeyed', async (t) => {
  const { airunner } = await world(t, (_asked, response) => answerJson(response, 200, principal))
  const directory = await workDirectory(t)
  const other = await makeAuthority()
  await writeFile(join(directory, 'other.pem'), other.root_pem)
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
  t.teardown(() => delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'])
  const { code } = await airunner('principal', 'get', 'build-7', '--cacert', join(directory, 'other.pem'))
  t.equal(code, 4)
})

t.test('a listing is followed to its last page', async (t) => {
  const { front, airunner } = await world(t, ({ path }, response) => {
    const token = new URL(path, 'https://x').searchParams.get('page_token')
    const page = token === null ? 0 : Number(token)
    answerJson(response, 200, {
      items: page === 1 ? [] : [{ principal_id: `p${page}` }],
      ...(page < 2 ? { next_page_token: String(page + 1) } : {}),
    })
  })
  const { code, stdout } = await airunner('principal', 'list', '--type', 'worker', '-o', 'jsonl')
  t.equal(code, 0)
  t.equal(stdout, '{"principal_id":"p0"}\n{"principal_id":"p2"}\n', 'an empty page is not the end')
  t.match(front.asked[2]?.path, /type=worker/, 'each page with the same filters')
  const limited = await airunner('principal', 'list', '--limit', '1', '-o', 'name')
  t.equal(limited.stdout, 'p0\n')
})

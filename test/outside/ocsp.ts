import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import t from 'tap'
import { freePort } from '../support/free-port.ts'
import { startPlane } from '../support/plane.ts'
import { makeNextIssuer } from '../support/rotation.ts'
import { missingTools, runTool } from '../support/tools.ts'

/** Runs a program of this machine; its output, both streams. */
const runProgram = (directory: string, program: string, ...args: string[]): Promise<{ code: number; said: string }> =>
  new Promise((done) => {
    execFile(program, args, { cwd: directory, timeout: 20_000, encoding: 'latin1' }, (error, stdout, stderr) =>
      done({ code: error === null ? 0 : Number(error.code ?? -1), said: stdout + stderr }),
    )
  })

const notInstalled = (program: string): string | false => {
  if ((process.env['PATH'] ?? '').split(':').some((folder) => existsSync(join(folder, program)))) return false
  const reason = `${program} is not on this machine`
  console.error(`SKIPPED: ${reason}`)
  return reason
}

/** A plane with a good and a revoked certificate, and what others need to ask about them as files. */
const start = async () => {
  const plane = await startPlane(t)
  const directory = await mkdtemp(join(tmpdir(), 'airunner-ocsp-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const { issuer, root_pem } = plane.authority
  const members = { good: await plane.enrol('worker-1'), revoked: await plane.enrol('worker-2') }
  const path = `/v1/certificates/${members.revoked.issued.certificate.serial_number}/revoke`
  await plane.admin.post(path, { reason: 'key_compromise' })
  const files = {
    'server.pem': plane.authority.env.AIRUNNER_SERVER_CERT,
    'server.key': plane.authority.env.AIRUNNER_SERVER_KEY,
    'good.key': members.good.identity.key,
    'revoked.key': members.revoked.identity.key,
    'root.pem': root_pem,
    'issuer.pem': issuer.pem,
    'chain.pem': issuer.pem + root_pem,
    'good.pem': members.good.issued.chain_pem,
    'revoked.pem': members.revoked.issued.chain_pem,
  }
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text)
  const url = `http://${plane.server.pki}/pki/ocsp`
  const run = (program: string, ...args: string[]) => runProgram(directory, program, ...args)
  return { plane, directory, url, run }
}
const { plane, directory, url, run } = await start()

t.test('openssl ocsp, by POST and by GET, and its answers by pkilint', { skip: notInstalled('openssl') }, async (t) => {
  const subjects: [string, string[], RegExp][] = [
    ['good', ['-cert', 'good.pem'], /good.pem: good\n/],
    ['revoked', ['-cert', 'revoked.pem'], /revoked.pem: revoked\n[\s\S]*Reason: keyCompromise\n\tRevocation Time: /],
    ['unknown', ['-serial', '0x01a1fe41629c7d75b2a8d481d9f3628a'], /: unknown\n/],
    [
      'all',
      ['-cert', 'good.pem', '-cert', 'revoked.pem', '-serial', '77'],
      /: good\n[\s\S]*: revoked\n[\s\S]*77: unknown\n/,
    ],
  ]
  const lint = missingTools('lint_ocsp_response')
  for (const hash of ['-sha1', '-sha256'])
    for (const [name, args, says] of subjects) {
      const asked = [hash, '-issuer', 'issuer.pem', ...args]
      const posted = await run(
        'openssl',
        'ocsp',
        ...asked,
        '-url',
        url,
        '-CAfile',
        'chain.pem',
        '-respout',
        'answer.der',
      )
      t.equal(posted.code, 0, `${hash} ${name}`)
      t.match(posted.said, /Response verify OK/)
      t.match(posted.said, says)
      // What a hash changes is seen by OpenSSL; a run of this linter takes a second.
      if (lint === false && hash === '-sha256') {
        const linted = await runTool('lint_ocsp_response', ['lint', '-s', 'INFO', 'answer.der'], 30_000, directory)
        t.same([linted.code, linted.stdout.trim()], [0, ''], `pkilint on ${hash} ${name}`)
      }
      await run('openssl', 'ocsp', ...asked, '-no_nonce', '-reqout', 'request.der')
      const encoded = (await readFile(join(directory, 'request.der'))).toString('base64')
      await run('curl', '-sfo', 'fetched.der', `${url}/${encodeURIComponent(encoded)}`)
      // One that is not asked for by any request must come out as verified all the same.
      const read = await run('openssl', 'ocsp', ...asked, '-respin', 'fetched.der', '-CAfile', 'chain.pem', '-no_nonce')
      t.match(read.said, /Response verify OK/, `${hash} ${name} by GET`)
      t.match(read.said, says)
    }
})

t.test('ocsptool of GnuTLS takes our word', { skip: notInstalled('ocsptool') }, async (t) => {
  for (const [name, status] of [
    ['good', 'good'],
    ['revoked', 'revoked'],
  ]) {
    const args = ['--load-issuer=issuer.pem', `--load-cert=${name}.pem`, '--load-trust=issuer.pem']
    const { code, said } = await run('ocsptool', `--ask=${url}`, ...args)
    t.equal(code, 0)
    t.match(said, new RegExp(`Certificate Status: ${status}`))
    t.match(said, /Verifying OCSP Response: Success/)
  }
})

t.test('two issuers: each is answered for by a responder of its own', { skip: notInstalled('openssl') }, async (t) => {
  const { server, authority } = plane
  const next = await makeNextIssuer(authority.root, 'next issuer')
  const { AIRUNNER_ISSUER_CERT, AIRUNNER_ISSUER_KEY } = authority.env
  server.env['AIRUNNER_ISSUER_CERT'] = next.pem + AIRUNNER_ISSUER_CERT
  server.env['AIRUNNER_ISSUER_KEY'] = next.key_pem + AIRUNNER_ISSUER_KEY
  await server.reload()
  await writeFile(join(directory, 'next.pem'), next.pem)
  await writeFile(join(directory, 'next-chain.pem'), next.pem + authority.root_pem)
  const ask = async (issuer: string, chain: string, ...subject: string[]) =>
    run('openssl', 'ocsp', '-issuer', issuer, ...subject, '-url', url, '-CAfile', chain, '-no_nonce', '-resp_text')
  const [first, second] = [
    await ask('issuer.pem', 'chain.pem', '-cert', 'good.pem'),
    await ask('next.pem', 'next-chain.pem', '-serial', '0x01a1fe41629c7d75b2a8d481d9f3628a'),
  ]
  for (const { said } of [first, second]) t.match(said, /Response verify OK/)
  t.match(first.said, /good.pem: good/)
  t.match(second.said, /: unknown/)
  const responderOf = ({ said }: { said: string }) => /Subject: CN=OCSP responder of (\w{16})/.exec(said)?.[1]
  t.equal(responderOf(first), authority.issuer.issuer_id)
  t.equal(responderOf(second), next.issuer_id)
})

const python = resolve(import.meta.dirname, '../../.tools/python/pkilint/bin/python')

t.test('pyca/cryptography asks in its ways', { skip: missingTools('lint_ocsp_response') }, async (t) => {
  const { said } = await run(python, join(import.meta.dirname, 'fixtures/ask_ocsp.py'), url)
  const ways = ['sha1', 'sha256'].flatMap((hash) => ['post', 'get', 'get-plain'].map((way) => `${hash} ${way}`))
  const lines = [
    ...ways.map((way) => `good ${way} GOOD -`),
    ...ways.map((way) => `revoked ${way} REVOKED keyCompromise`),
  ]
  t.same(said.trim().split('\n'), lines)
})

/** nginx as whoever lets our clients in, and asks us about each of them. */
const proxyOf = (directory: string, port: number, url: string) => `
daemon off; worker_processes 1; pid ${directory}/nginx.pid; error_log ${directory}/nginx.log info; events {}
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${directory}/${name};`).join(' ')}
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate server.pem; ssl_certificate_key server.key;
    ssl_client_certificate chain.pem; ssl_verify_client on; ssl_verify_depth 3;
    ssl_ocsp leaf; ssl_ocsp_responder ${url};
    return 200 "in";
  }
}`

const nginx = ['/usr/sbin/nginx', '/usr/bin/nginx', '/usr/local/sbin/nginx'].find(existsSync)

t.test(
  'nginx lets a good client in, and keeps a revoked one out',
  { skip: nginx ? false : notInstalled('nginx') },
  async (t) => {
    const port = await freePort()
    await writeFile(join(directory, 'nginx.conf'), proxyOf(directory, port, url))
    const proxy = spawn(nginx as string, ['-p', directory, '-c', 'nginx.conf'], { stdio: 'ignore' })
    t.teardown(async () => {
      proxy.kill('SIGTERM')
      if (proxy.exitCode === null && proxy.signalCode === null) await once(proxy, 'exit')
    })
    const ask = (name: string) => {
      const own = ['--cacert', 'root.pem', '--cert', `${name}.pem`, '--key', `${name}.key`]
      return run(
        'curl',
        '-s',
        '--retry',
        '20',
        '--retry-delay',
        '1',
        '--retry-connrefused',
        ...own,
        `https://localhost:${port}/`,
      )
    }
    t.equal((await ask('good')).said, 'in')
    t.match((await ask('revoked')).said, /400 Bad Request/)
    t.match(await readFile(join(directory, 'nginx.log'), 'utf8'), /certificate revoked while reading/)
  },
)

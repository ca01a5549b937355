import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { privateKeyPem } from '../../src/pki/keys.ts'
import { readPem } from '../../src/pki/pem.ts'
import { crlProblems, readCrl } from '../../src/pki/read-crl.ts'
import { makeAuthority } from '../support/authority.ts'

/** A CRL as OpenSSL makes it, of lines of its index. */
const openSslCrl = async (t: Test, lines: string[]) => {
  const { root, rootKey, root_pem } = await makeAuthority()
  const folder = t.testdir({ 'ca.pem': root_pem, 'ca.key': privateKeyPem(rootKey), number: '1F\n' })
  const file = (name: string) => join(folder, name)
  writeFileSync(file('index'), lines.map((line) => `${line}\n`).join(''))
  writeFileSync(
    file('conf'),
    `[ca]\ndefault_ca=d\n[d]\ndatabase=${file('index')}\ncrlnumber=${file('number')}\ndefault_md=sha256\ndefault_crl_days=1\ncrl_extensions=e\n[e]\nauthorityKeyIdentifier=keyid\n`,
  )
  const args = ['ca', '-gencrl', '-config', file('conf'), '-cert', file('ca.pem'), '-keyfile', file('ca.key')]
  execFileSync('openssl', [...args, '-out', file('crl.pem')], { stdio: 'ignore' })
  const [block] = readPem(readFileSync(file('crl.pem'), 'utf8'))
  return { der: block?.der ?? Buffer.alloc(0), issuer: root.certificate }
}

const line = (serial: string, revoked: string) => `R\t301231235959Z\t${revoked}\t${serial}\tunknown\t/CN=x`

t.test('reads what OpenSSL writes, entries with and without a reason', async (t) => {
  const { der, issuer } = await openSslCrl(t, [
    line('01A1FE505210C84D9C5782EB0BB463D4', '261121120000Z,keyCompromise'),
    line('81A1FE505210C84D9C5782EB0BB463D4', '261121120001Z,superseded'),
    line('0A', '261121120002Z'),
  ])
  const crl = readCrl(der)
  t.equal(crl.number, '31')
  t.same(crlProblems(crl, issuer, Date.now()), [])
  const entries = new Map(crl.entries.map(({ serial_number, ...rest }) => [serial_number, rest]))
  t.same(entries.get('01a1fe505210c84d9c5782eb0bb463d4'), {
    revoked_at: Date.parse('2026-11-21T12:00:00Z'),
    reason: 'key_compromise',
  })
  t.match(entries.get('81a1fe505210c84d9c5782eb0bb463d4'), { reason: 'superseded' })
  t.same(entries.get(`${'0'.repeat(31)}a`), { revoked_at: Date.parse('2026-11-21T12:00:02Z') })

  t.match(crlProblems(crl, issuer, Date.now() + 2 * 86_400_000), [/out of date since/])
  t.match(crlProblems(crl, issuer, Date.now() - 86_400_000), [/of the future/])
  const { issuer: other } = await makeAuthority()
  t.match(crlProblems(crl, new X509Certificate(other.der), Date.now()), [/of another issuer/, /signature is not/])
})

t.test('an empty one, and many', async (t) => {
  t.same(readCrl((await openSslCrl(t, [])).der).entries, [])
  const many = Array.from({ length: 20_000 }, (_, index) =>
    line((index + 1).toString(16).padStart(32, '0').toUpperCase(), '261121120000Z,keyCompromise'),
  )
  const { der, issuer } = await openSslCrl(t, many)
  const crl = readCrl(der)
  t.equal(crl.entries.length, 20_000)
  t.same(crlProblems(crl, issuer, Date.now()), [])
})

t.test('what is no CRL, or was changed, is refused', async (t) => {
  const { der, issuer } = await openSslCrl(t, [line('0A', '261121120000Z,keyCompromise')])
  const bad: [string, Buffer][] = [
    ['nothing', Buffer.alloc(0)],
    ['text', Buffer.from('<html>')],
    ['cut short', der.subarray(0, -1)],
    ['something behind it', Buffer.concat([der, Buffer.of(0)])],
    ['a certificate', issuer.raw],
  ]
  for (const [what, bytes] of bad) t.throws(() => readCrl(bytes), { name: 'DerProblem' }, what)
  let unread = 0
  for (let at = 0; at < der.length; at++) {
    const changed = Buffer.from(der)
    changed[at] = (changed[at] as number) ^ 0x01
    try {
      const problems = crlProblems(readCrl(changed), issuer, Date.now())
      if (problems.length === 0) t.fail(`a change at ${at} was not seen`)
    } catch (error) {
      if ((error as Error).name !== 'DerProblem') t.fail(`${at}: ${error}`)
      unread++
    }
  }
  t.ok(unread > 0)
})

import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { isControlError } from '../../src/core/errors.ts'
import { principalTypes } from '../../src/core/principal.ts'
import { day } from '../../src/core/time.ts'
import { makeIssueClientCertificate } from '../../src/pki/certificate.ts'
import { buildClientTbs, makeClientTbs } from '../../src/pki/client-tbs.ts'
import { inspectIssued, readClientProfile } from '../../src/pki/inspect.ts'
import type { Issuer } from '../../src/pki/issuer.ts'
import { generateKeyPair, spkiOf } from '../../src/pki/keys.ts'
import { makeLocalSigner } from '../../src/pki/local-signer.ts'
import { certificatePem } from '../../src/pki/pem.ts'
import type { ClientGrant, ClientProfile } from '../../src/pki/profile.ts'
import { signTbs } from '../../src/pki/tbs.ts'
import { makeGrant, makeHierarchy, profile, published } from './fixtures/hierarchy.ts'
import { missingOpenssl } from './fixtures/openssl.ts'

const now = Date.now()
const { root, clients, servers } = await makeHierarchy(now)
const ids = ['a', 'worker-1.example_2', 'x'.repeat(64), 'x'.repeat(65), `w${'0'.repeat(127)}`]

t.test('the template gives the octets that pkijs gives', async (t) => {
  for (const plane of [
    profile,
    published,
    { ...published, oid_arc: '2.999.128.5', public_url: 'https://p.example.com/' },
  ]) {
    const tbsOf = makeClientTbs(clients, plane)
    for (const principal_type of principalTypes)
      for (const principal_id of ids) {
        const grant = makeGrant(now, { principal_type, principal_id })
        t.same(tbsOf(grant), buildClientTbs(clients, plane, grant), `${principal_type} of ${principal_id.length}`)
      }
  }
})

t.test('dates up to 2049 and from 2050 on are written as RFC 5280 says', async (t) => {
  const late = await makeHierarchy(now, 40 * 365 * day)
  const [last, first] = [Date.UTC(2049, 11, 31, 23, 59, 59), Date.UTC(2050, 0, 1)]
  for (const [not_before, expires_at] of [
    [last - day, last],
    [last, first],
    [first, first + day],
  ] as const) {
    const grant = makeGrant(now, { not_before, expires_at })
    const der = await makeIssueClientCertificate({ issuer: late.clients, profile })(grant)
    const tbs = makeClientTbs(late.clients, profile)(grant)
    t.same(tbs, buildClientTbs(late.clients, profile, grant))
    t.equal(new X509Certificate(der).validToDate.getTime(), expires_at)
    t.equal(tbs.includes('491231235959Z'), not_before === last || expires_at === last)
    t.equal(tbs.includes('20500101000000Z'), not_before === first || expires_at === first)
  }
})

t.test('node reads every field as it was granted', async (t) => {
  for (const principal_id of ids) {
    const grant = makeGrant(now, { principal_id })
    const certificate = new X509Certificate(
      await makeIssueClientCertificate({ issuer: clients, profile: published })(grant),
    )
    t.equal(certificate.subject, principal_id.length > 64 ? undefined : `CN=${principal_id}`)
    t.equal(certificate.subjectAltName, `URI:spiffe://airunner.example.com/worker/${principal_id}`)
    t.equal(certificate.serialNumber.toLowerCase().padStart(32, '0'), grant.serial_number)
    t.equal(certificate.issuer, 'CN=test issuer of clients')
    t.equal(certificate.validFromDate.getTime(), grant.not_before)
    t.equal(certificate.validToDate.getTime(), grant.expires_at)
    t.same(certificate.keyUsage, ['1.3.6.1.5.5.7.3.2'])
    t.notOk(certificate.ca)
    t.same(spkiOf(certificate.publicKey), grant.spki)
    t.ok(certificate.checkIssued(clients.certificate))
    t.ok(certificate.verify(clients.certificate.publicKey))
    t.match(certificate.infoAccess, `/pki/issuers/${clients.issuer_id}.cer`)
    t.match(certificate.infoAccess, 'OCSP - URI:http://airunner.example.com:8081/pki/ocsp')
    t.same(readClientProfile(certificate, profile), { principal_id, principal_type: 'worker' })
  }
})

t.test(
  'openssl verifies every certificate as one of a client, and of nothing else',
  { skip: missingOpenssl },
  async (t) => {
    const folder = t.testdir({})
    const file = (name: string, pem: string): string => {
      writeFileSync(join(folder, name), pem)
      return join(folder, name)
    }
    const rootFile = file('root.pem', root.pem)
    const issuerFile = file('issuer.pem', clients.pem)
    for (const [index, principal_id] of ids.entries()) {
      const der = await makeIssueClientCertificate({ issuer: clients, profile: published })(
        makeGrant(now, { principal_id }),
      )
      const leaf = file(`${index}.pem`, certificatePem(der))
      const verify = (purpose: string): string =>
        execFileSync(
          'openssl',
          ['verify', '-x509_strict', '-purpose', purpose, '-CAfile', rootFile, '-untrusted', issuerFile, leaf],
          {
            stdio: 'pipe',
          },
        ).toString()
      t.match(verify('sslclient'), 'OK')
      t.throws(() => verify('sslserver'))
      const text = execFileSync('openssl', ['x509', '-in', leaf, '-noout', '-text']).toString()
      t.match(text, `URI:http://airunner.example.com:8081/pki/issuers/${clients.issuer_id}.crl`)
      t.match(text, /Signature Algorithm: ecdsa-with-SHA256/)
      t.equal(/Alternative Name: critical/.test(text), principal_id.length > 64)
    }
  },
)

t.test('inspection refuses what was signed when it is not what was granted', async (t) => {
  const grant = makeGrant(now)
  const signAs = (changes: Partial<ClientGrant>, plane: ClientProfile = published, issuer: Issuer = clients) => {
    if (!issuer.signer) throw new Error('no signer')
    return signTbs(makeClientTbs(issuer, plane)({ ...grant, ...changes }), issuer.signer)
  }
  const sound = await signAs({})
  t.doesNotThrow(() => inspectIssued(sound, grant, published, clients))
  const cases: [what: string, der: Buffer][] = [
    ['serial number', await signAs({ serial_number: makeGrant(now).serial_number })],
    ['short serial number', await signAs({ serial_number: `00${grant.serial_number.slice(2)}` })],
    ['negative serial number', await signAs({ serial_number: `ff${grant.serial_number.slice(2)}` })],
    ['principal', await signAs({ principal_id: 'worker-2' })],
    ['type', await signAs({ principal_type: 'admin' })],
    ['key', await signAs({ spki: spkiOf(generateKeyPair().publicKey) })],
    ['start', await signAs({ not_before: grant.not_before - 1000 })],
    ['end', await signAs({ expires_at: grant.expires_at + 1000 })],
    ['trust domain', await signAs({}, { ...published, hostname: 'other.example.com' })],
    ['arc', await signAs({}, { ...published, oid_arc: '1.3.6.1.4.1.99999.2' })],
    ['address', await signAs({}, { ...published, public_url: 'http://other.example.com' })],
    ['absent address', await signAs({}, profile)],
    ['issuer', await signAs({}, published, servers)],
    ['name of the issuer', await signAs({}, published, { ...clients, subject: servers.subject })],
    ['key identifier of the issuer', await signAs({}, published, { ...clients, key_id: servers.key_id })],
    [
      'key of the issuer',
      await signAs({}, published, { ...clients, signer: makeLocalSigner(generateKeyPair().privateKey) }),
    ],
  ]
  for (let at = 0; at < sound.length; at += 7) {
    const changed = Buffer.from(sound)
    changed[at] = (changed[at] as number) ^ 0x04
    cases.push([`byte ${at}`, changed])
  }
  for (const [what, der] of cases)
    t.throws(() => inspectIssued(der, grant, published, clients), /^what was signed is not/, what)
  const overlong = makeGrant(now, { expires_at: clients.not_after + 1000 })
  const der = await signTbs(makeClientTbs(clients, profile)(overlong), makeLocalSigner(generateKeyPair().privateKey))
  t.throws(() => inspectIssued(der, overlong, profile, clients), /end of the issuer/)
})

t.test('inspection leaves no octet of what was signed open, though the issuer itself signed it', async (t) => {
  const key = generateKeyPair()
  const own = { ...clients, certificate: { publicKey: key.publicKey } as X509Certificate }
  const signer = makeLocalSigner(key.privateKey)
  for (const [grant, plane] of [
    [makeGrant(now), published],
    [makeGrant(now, { principal_id: 'x'.repeat(65) }), profile],
  ] as const) {
    const tbs = makeClientTbs(own, plane)(grant)
    inspectIssued(await signTbs(tbs, signer), grant, plane, own)
    const passed: number[] = []
    for (let at = 0; at < tbs.length; at++)
      for (const change of [0x01, 0x80]) {
        const changed = Buffer.from(tbs)
        changed[at] = (changed[at] as number) ^ change
        const der = await signTbs(changed, signer)
        try {
          inspectIssued(der, grant, plane, own)
          passed.push(at)
        } catch {}
      }
    t.same(passed, [])
  }
})

t.test('a certificate that differs from its grant never leaves', async (t) => {
  const forgetful = { ...clients, signer: makeLocalSigner(generateKeyPair().privateKey) }
  await t.rejects(
    makeIssueClientCertificate({ issuer: forgetful, profile })(makeGrant(now)),
    /not what was granted: signature/,
  )
})

t.test('an issuer without a key, or whose key does not answer, is unavailable', async (t) => {
  const { signer: _, ...keyless } = clients
  const silent = { publicKey: clients.certificate.publicKey, sign: () => Promise.reject(new Error('timed out')) }
  for (const issuer of [keyless, { ...clients, signer: silent }]) {
    const refusal = await makeIssueClientCertificate({ issuer, profile })(makeGrant(now)).catch(
      (error: unknown) => error,
    )
    t.ok(isControlError(refusal, 'issuer_unavailable'))
  }
})

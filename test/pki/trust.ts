import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto'
import t from 'tap'
import { day, minute } from '../../src/core/time.ts'
import { createIssuer, createRoot, createServerCertificate, type Made } from '../../src/pki/ca.ts'
import { keyIdentifierOf } from '../../src/pki/client-tbs.ts'
import * as extensions from '../../src/pki/extensions.ts'
import { issuerIdOf, issuerOf, readIssuers } from '../../src/pki/issuer.ts'
import { generateKeyPair, type KeyPair, privateKeyPem, spkiOf } from '../../src/pki/keys.ts'
import { makeLocalSigner } from '../../src/pki/local-signer.ts'
import { nameOf } from '../../src/pki/names.ts'
import { oid } from '../../src/pki/oids.ts'
import { certificatePem } from '../../src/pki/pem.ts'
import { newSerialNumber } from '../../src/pki/serial.ts'
import { buildTbs, signTbs } from '../../src/pki/tbs.ts'
import { checkServerChain, keyMatches, readTrustBundle, TrustProblem, verifyIssuer } from '../../src/pki/trust.ts'
import { makeHierarchy, profile } from './fixtures/hierarchy.ts'

const now = Date.now()
const { root, clients, servers, server, keys, clientKeyPem, serverKeyPem } = await makeHierarchy(now)
const other = await makeHierarchy(now)
const bundle = readTrustBundle(root.pem, now)
const below = { root: { certificate: root.certificate, signer: makeLocalSigner(keys.root.privateKey) }, now }

type Extensions = ReturnType<typeof extensions.keyUsage>[]
/** Any certificate, signed by any of the hierarchy. */
const made = async (
  by: { subject: Buffer; key_id: Buffer },
  signer: KeyPair,
  key: KeyPair,
  more: Extensions,
): Promise<Buffer> =>
  signTbs(
    buildTbs({
      serial_number: newSerialNumber(now),
      issuer: by.subject,
      subject: nameOf('odd'),
      not_before: now - minute,
      not_after: now + day,
      spki: spkiOf(key.publicKey),
      extensions: [
        extensions.subjectKeyIdentifier(keyIdentifierOf(spkiOf(key.publicKey))),
        extensions.authorityKeyIdentifier(by.key_id),
        ...more,
      ],
    }),
    makeLocalSigner(signer.privateKey),
  )
const authority = [extensions.basicConstraints({ pathLength: 0 }), extensions.keyUsage('keyCertSign, cRLSign')]
const odd = generateKeyPair()
const oddIssuer = async (...more: Extensions) => new X509Certificate(await made(root, keys.root, odd, more))

t.test('a bundle of roots is read, without repetition and whatever their order', async (t) => {
  const both = readTrustBundle(`\n${root.pem}\r\n${other.root.pem.replaceAll('\n', '\r\n')}${root.pem}`, now)
  t.equal(both.roots.length, 2)
  t.equal(both.pem, root.pem + other.root.pem)
  t.same(
    both.sha256,
    [root.der, other.root.der].map((der) => createHash('sha256').update(der).digest('hex')),
  )
  const sorted = Buffer.concat([root.der, other.root.der].sort(Buffer.compare))
  t.equal(both.version, createHash('sha256').update(sorted).digest('hex').slice(0, 16))
  t.equal(readTrustBundle(other.root.pem + root.pem, now).version, both.version)
  t.not(bundle.version, both.version)
})

t.test('anything else is no bundle, and the reason says what was found and never a key', async (t) => {
  const rootKeyPem = privateKeyPem(keys.root.privateKey)
  const { not_after } = root
  const cases: [what: string, pem: string, found: RegExp, at?: number][] = [
    ['nothing', '', /found nothing/],
    ['white space', ' \r\n\t ', /found nothing/],
    ['placeholder', 'placeholder', /the word placeholder/],
    ['placeholder in capitals', ' PLACEHOLDER\n', /the word placeholder/],
    ['text', 'not a certificate', /other text/],
    ['a comment before', `# root\n${root.pem}`, /other text/],
    ['the text of openssl', `Certificate:\n    Data:\n${root.pem}`, /other text/],
    ['a truncated block', root.pem.slice(0, -30), /truncated/],
    ['a block cut in the middle', root.pem.slice(0, 300), /truncated/],
    ['truncated DER', certificatePem(root.der.subarray(0, -5)), /not strict DER/],
    ['bytes after the DER', certificatePem(Buffer.concat([root.der, Buffer.of(0)])), /not strict DER/],
    ['something else in a block', certificatePem(Buffer.from('3000', 'hex')), /not strict DER/],
    ['a key', rootKeyPem, /PRIVATE KEY/],
    ['a root and its key', root.pem + rootKeyPem, /PRIVATE KEY/],
    ['a server certificate', server.pem, /certificate 1 is not a CA/],
    ['an issuer', clients.pem, /is not self-signed/],
    ['a root and an issuer', root.pem + clients.pem, /certificate 2 is not self-signed/],
    ['an expired root', root.pem, /expired at/, not_after + 1000],
    ['a root of tomorrow', root.pem, /not valid before/, now - day],
  ]
  for (const [what, pem, found, at = now] of cases) {
    try {
      readTrustBundle(pem, at)
      t.fail(what)
    } catch (error) {
      t.ok(error instanceof TrustProblem, what)
      t.match((error as Error).message, found, what)
      t.match((error as Error).message, /expected/, what)
      t.notMatch((error as Error).message, /[A-Za-z0-9+/]{40}/, what)
    }
  }
  const forged = Buffer.from(root.der)
  forged[forged.length - 1] = (forged.at(-1) as number) ^ 1
  t.throws(() => readTrustBundle(certificatePem(forged), now), /is not self-signed/)
})

t.test('an issuer is trusted for its own kind', async (t) => {
  t.equal(verifyIssuer(clients.certificate, bundle, now, 'client'), undefined)
  t.equal(verifyIssuer(servers.certificate, bundle, now, 'server'), undefined)
  const serverAuth = extensions.extendedKeyUsage(oid.serverAuth)
  const cases: [what: string, problem: string | undefined, found: RegExp][] = [
    [
      'that of servers for clients',
      verifyIssuer(servers.certificate, bundle, now, 'client'),
      /no extendedKeyUsage clientAuth/,
    ],
    [
      'that of clients for servers',
      verifyIssuer(clients.certificate, bundle, now, 'server'),
      /no extendedKeyUsage serverAuth/,
    ],
    ['another root', verifyIssuer(other.clients.certificate, bundle, now, 'client'), /does not chain/],
    ['no root', verifyIssuer(clients.certificate, { ...bundle, roots: [] }, now, 'client'), /does not chain/],
    ['a leaf', verifyIssuer(new X509Certificate(server.pem), bundle, now, 'server'), /not a CA/],
    ['later', verifyIssuer(clients.certificate, bundle, clients.not_after + 1000, 'client'), /expired at/],
    ['earlier', verifyIssuer(clients.certificate, bundle, now - day, 'client'), /not valid before/],
    ['no usage', verifyIssuer(await oddIssuer(...authority), bundle, now, 'client'), /no extendedKeyUsage/],
    [
      'both usages',
      verifyIssuer(
        await oddIssuer(...authority, extensions.extendedKeyUsage(oid.clientAuth, oid.serverAuth)),
        bundle,
        now,
        'client',
      ),
      /beyond clientAuth/,
    ],
    [
      'any usage',
      verifyIssuer(
        await oddIssuer(...authority, extensions.extendedKeyUsage(oid.clientAuth, oid.anyExtendedKeyUsage)),
        bundle,
        now,
        'client',
      ),
      /beyond clientAuth/,
    ],
    [
      'no keyCertSign',
      verifyIssuer(
        await oddIssuer(
          extensions.basicConstraints({ pathLength: 0 }),
          extensions.keyUsage('digitalSignature'),
          serverAuth,
        ),
        bundle,
        now,
        'server',
      ),
      /not a CA/,
    ],
  ]
  for (const [what, problem, found] of cases) t.match(problem, found, what)
})

const serverMaterial = {
  chainPem: server.pem + servers.pem,
  keyPem: serverKeyPem,
  hostname: profile.hostname,
  bundle,
  now,
}

t.test('a server chain that is fit has no problem', async (t) => {
  t.same(checkServerChain(serverMaterial), [])
  t.same(checkServerChain({ ...serverMaterial, chainPem: server.pem + servers.pem + root.pem }), [], 'with its root')
  t.same(
    checkServerChain({ ...serverMaterial, bundle: readTrustBundle(other.root.pem + root.pem, now) }),
    [],
    'two roots',
  )
})

t.test('each thing wrong with a server chain is named', async (t) => {
  const publicKey = keys.server.publicKey
  const ca = new X509Certificate(
    await made(servers, keys.servers, keys.server, [
      ...authority,
      extensions.hostNames([profile.hostname], [], false),
      extensions.extendedKeyUsage(oid.serverAuth),
    ]),
  )
  const byClients = await createServerCertificate({ issuer: clients, publicKey, hostname: profile.hostname, now })
  const wildcard = await createServerCertificate({ issuer: servers, publicKey, hostname: '*.example.com', now })
  const noPurpose = await made(servers, keys.servers, keys.server, [
    extensions.hostNames([profile.hostname], [], false),
  ])
  const brief = await createIssuer({
    ...below,
    publicKey: keys.servers.publicKey,
    common_name: 'test issuer of servers',
    usage: 'server',
    validity: day,
  })
  const sub = generateKeyPair()
  const deep = await made(servers, keys.servers, sub, [...authority, extensions.extendedKeyUsage(oid.serverAuth)])
  const deepIssuer = issuerOf(deep, makeLocalSigner(sub.privateKey))
  const tooDeep = await createServerCertificate({ issuer: deepIssuer, publicKey, hostname: profile.hostname, now })
  const cases: [what: string, changes: Partial<typeof serverMaterial>, found: RegExp][] = [
    ['another name', { hostname: 'other.example.com' }, /names airunner.example.com, expected other.example.com/],
    ['a name in capitals', { hostname: 'AIRUNNER.example.com' }, /expected AIRUNNER/],
    ['a wildcard', { chainPem: wildcard.pem + servers.pem }, /expected airunner.example.com/],
    ['another key', { keyPem: privateKeyPem(keys.clients.privateKey) }, /does not match its key/],
    ['no key', { keyPem: '' }, /no private key/],
    ['a certificate as key', { keyPem: server.pem }, /CERTIFICATE, expected an unencrypted PRIVATE KEY/],
    ['a truncated key', { keyPem: serverKeyPem.slice(0, -20) }, /truncated/],
    ['no issuer', { chainPem: server.pem }, /does not lead to the trust bundle/],
    ['another root', { bundle: readTrustBundle(other.root.pem, now) }, /does not lead to the trust bundle/],
    ['the issuer of another', { chainPem: server.pem + clients.pem }, /not signed by the next/],
    ['the issuer of clients', { chainPem: byClients.pem + clients.pem }, /the issuer of clients never signs a server/],
    ['a CA', { chainPem: certificatePem(ca.raw) + servers.pem }, /is a CA/],
    ['no serverAuth', { chainPem: certificatePem(noPurpose) + servers.pem }, /no extendedKeyUsage serverAuth/],
    ['expiry', { now: now + 8 * day }, /the certificate expired at/],
    [
      'expiry of its issuer',
      { chainPem: server.pem + brief.pem, now: now + 2 * day },
      /certificate 2 of the chain expired/,
    ],
    ['an authority too many', { chainPem: tooDeep.pem + certificatePem(deep) + servers.pem }, /allows none below it/],
    ['a placeholder', { chainPem: 'placeholder' }, /placeholder/],
    ['nothing', { chainPem: '' }, /found nothing/],
    ['a key in the chain', { chainPem: server.pem + serverKeyPem }, /found a PEM block PRIVATE KEY/],
  ]
  for (const [what, changes, found] of cases) {
    const problems = checkServerChain({ ...serverMaterial, ...changes })
    t.equal(problems.length, 1, `${what}: ${problems.join('; ')}`)
    t.match(problems[0], found, what)
  }
})

t.test('issuers are paired with their keys by public key, in any order', async (t) => {
  const otherKeyPem = privateKeyPem(other.keys.clients.privateKey)
  const sec1 = keys.clients.privateKey.export({ format: 'pem', type: 'sec1' }) as string
  for (const pems of [clientKeyPem + otherKeyPem, otherKeyPem + sec1]) {
    const read = readIssuers(clients.pem + other.clients.pem, pems)
    t.same(
      read.map((one) => one.issuer_id),
      [clients.issuer_id, other.clients.issuer_id],
    )
    for (const one of read) t.ok(one.signer?.publicKey.equals(one.certificate.publicKey))
  }
  const [first, second] = readIssuers(clients.pem + other.clients.pem, otherKeyPem)
  t.equal(first?.signer, undefined, 'one without its key only verifies')
  t.ok(second?.signer)
  t.equal(readIssuers(clients.pem)[0]?.signer, undefined)
  t.ok(readIssuers(clients.pem, '', [makeLocalSigner(keys.clients.privateKey)])[0]?.signer, 'a key from elsewhere')
  t.equal(clients.issuer_id, issuerIdOf(spkiOf(keys.clients.publicKey)))
  t.ok(keyMatches(clients.certificate, keys.clients.privateKey))
  t.notOk(keyMatches(clients.certificate, keys.servers.privateKey))
})

t.test('issuers that cannot be used are refused', async (t) => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  const cases: [certPem: string, keyPems: string, found: RegExp][] = [
    ['', clientKeyPem, /found nothing/],
    ['placeholder', '', /placeholder/],
    [clients.pem, serverKeyPem, /does not match its key/],
    [clients.pem, clientKeyPem + serverKeyPem, /does not match its key/],
    [clients.pem, 'placeholder', /cannot be read/],
    [clients.pem, privateKeyPem(rsa), /of another kind/],
    [clients.pem + clients.pem, clientKeyPem, /two issuer certificates with one key/],
    [clients.pem + clientKeyPem, clientKeyPem, /found a PEM block PRIVATE KEY/],
  ]
  for (const [certPem, keyPems, found] of cases)
    t.throws(() => readIssuers(certPem, keyPems), { name: 'TrustProblem', message: found })
})

t.test('no authority certifies anything past its own end', async (t) => {
  const endOf = (one: Made): number => new X509Certificate(one.der).validToDate.getTime()
  const signer = makeLocalSigner(keys.root.privateKey)
  const brief = await createRoot({ signer, common_name: 'brief', now, validity: 10 * day })
  const certificate = new X509Certificate(brief.der)
  const issuer = await createIssuer({
    root: { certificate, signer },
    publicKey: keys.servers.publicKey,
    common_name: 'i',
    usage: 'server',
    now,
  })
  t.equal(endOf(issuer), endOf(brief))
  const leaf = await createServerCertificate({
    issuer: issuerOf(issuer.der, makeLocalSigner(keys.servers.privateKey)),
    publicKey: keys.server.publicKey,
    hostname: 'a.example.com',
    now: now + 8 * day,
  })
  t.equal(endOf(leaf), endOf(brief))
  const late = {
    root: { certificate, signer },
    publicKey: keys.servers.publicKey,
    common_name: 'i',
    usage: 'server',
    now: now + 11 * day,
  } as const
  await t.rejects(createIssuer(late), /expired/)
  await t.rejects(createIssuer({ ...late, now, common_name: 'brief' }), /name of its own/)
  await t.rejects(createRoot({ signer, common_name: '', now }), /1 to 64/)
})

t.test('a server certificate names its host, and in development the machine itself', async (t) => {
  const order = { issuer: servers, publicKey: keys.server.publicKey, now }
  const dev = await createServerCertificate({
    ...order,
    hostname: 'localhost',
    extra_names: { dns: ['localhost'], ip: ['127.0.0.1'] },
  })
  t.equal(new X509Certificate(dev.der).subjectAltName, 'DNS:localhost, IP Address:127.0.0.1')
  const long = `${'a'.repeat(60)}.example.com`
  const certificate = new X509Certificate((await createServerCertificate({ ...order, hostname: long })).der)
  t.equal(certificate.subject, undefined)
  t.equal(certificate.subjectAltName, `DNS:${long}`)
  await t.rejects(createServerCertificate({ ...order, hostname: 'a', extra_names: { dns: [], ip: ['::1'] } }), /IPv4/)
  const { signer: _, ...keyless } = servers
  await t.rejects(createServerCertificate({ ...order, issuer: keyless, hostname: 'a' }), /no key/)
})

import { createHash, randomBytes, sign, X509Certificate } from 'node:crypto'
import type { Extension } from 'pkijs'
import t from 'tap'
import { isControlError } from '../../src/core/errors.ts'
import { makeIssueClientCertificate } from '../../src/pki/certificate.ts'
import { keyIdentifierOf } from '../../src/pki/client-tbs.ts'
import { encode, objectIdentifier, sequence, tag, unsignedInteger, utf8String } from '../../src/pki/der-encode.ts'
import * as extensions from '../../src/pki/extensions.ts'
import { presentedBy, readClientProfile } from '../../src/pki/inspect.ts'
import { spkiOf } from '../../src/pki/keys.ts'
import { nameOf } from '../../src/pki/names.ts'
import { oid } from '../../src/pki/oids.ts'
import { buildTbs, signatureAlgorithm, signTbs, type TbsFields } from '../../src/pki/tbs.ts'
import { makeGrant, makeHierarchy, profile, published } from './fixtures/hierarchy.ts'
import { curve } from './fixtures/requests.ts'

const now = Date.now()
const { root, clients, servers, server, keys } = await makeHierarchy(now)
const grant = makeGrant(now, { principal_id: 'worker-1' })
const arc = profile.oid_arc
const longId = 'w'.repeat(65)

const ours = {
  constraints: extensions.basicConstraints(undefined),
  usage: extensions.keyUsage('digitalSignature'),
  purposes: extensions.extendedKeyUsage(oid.clientAuth),
  subjectKey: extensions.subjectKeyIdentifier(keyIdentifierOf(grant.spki)),
  authorityKey: extensions.authorityKeyIdentifier(clients.key_id),
  names: extensions.uriName('spiffe://airunner.example.com/worker/worker-1', false),
  type: extensions.textExtension(`${arc}.1`, 'worker'),
  id: extensions.textExtension(`${arc}.2`, 'worker-1'),
}
type Changes = Partial<Record<keyof typeof ours, Extension | undefined>>

const criticality = (extension: Extension, critical: boolean): Extension => {
  const changed = Object.assign(Object.create(Object.getPrototypeOf(extension)), extension) as Extension
  changed.critical = critical
  return changed
}

/** A certificate of our profile with some extensions or fields replaced, honestly signed by the issuer of clients. */
const certificate = async (changes: Changes = {}, fields: Partial<TbsFields> = {}, more: Extension[] = []) => {
  if (!clients.signer) throw new Error('no signer')
  const tbs = buildTbs({
    serial_number: grant.serial_number,
    issuer: clients.subject,
    subject: nameOf('worker-1'),
    not_before: grant.not_before,
    not_after: grant.expires_at,
    spki: grant.spki,
    extensions: [...Object.values({ ...ours, ...changes }).filter((one) => one !== undefined), ...more],
    ...fields,
  })
  return new X509Certificate(await signTbs(tbs, clients.signer))
}

const named = (id: string, type = 'worker', critical = false): Changes => ({
  names: extensions.uriName(`spiffe://airunner.example.com/${type}/${id}`, critical),
  type: extensions.textExtension(`${arc}.1`, type),
  id: extensions.textExtension(`${arc}.2`, id),
})
const twoNames = extensions.hostNames(['a.example.com'], [], false)
const twoUris = extensions.uriName('x', false)
twoUris.extnValue.valueBlock.valueHexView = Uint8Array.from(
  sequence(
    encode(0x86, Buffer.from('spiffe://airunner.example.com/worker/worker-1')),
    encode(0x86, Buffer.from('spiffe://airunner.example.com/admin/admin-1')),
  ),
)
const p384 = spkiOf(curve('P-384').publicKey)
const rdn = (...parts: Buffer[]): Buffer => encode(tag.set, ...parts)
const commonName = sequence(objectIdentifier(oid.commonName), utf8String('worker-1'))
const printable = sequence(objectIdentifier(oid.commonName), encode(0x13, Buffer.from('worker-1')))
const organization = sequence(objectIdentifier('2.5.4.10'), utf8String('x'))

/** The same certificate with its signed part rewritten as octets, signed again. */
const rewritten = async (change: (tbs: Buffer) => Buffer, algorithm: Buffer = signatureAlgorithm, hash = 'sha256') => {
  const der = (await certificate()).raw
  const tbs = change(Buffer.from(der.subarray(4, 4 + 4 + der.readUInt16BE(6))))
  const signature = sign(hash, tbs, { key: keys.clients.privateKey, dsaEncoding: 'der' })
  return new X509Certificate(sequence(tbs, algorithm, encode(tag.bitString, Uint8Array.of(0), signature)))
}
const swapped = (from: Buffer, to: Buffer) => (tbs: Buffer) => {
  const content = tbs.subarray(4)
  const at = content.indexOf(from)
  return sequence(content.subarray(0, at), to, content.subarray(at + from.length))
}
const ecdsaWithSha384 = sequence(objectIdentifier('1.2.840.10045.4.3.3'))
const nullParameters = sequence(objectIdentifier(oid.ecdsaWithSha256), Buffer.from('0500', 'hex'))
const serverCertificate = new X509Certificate(server.pem)

const foreign: [what: string, certificate: X509Certificate][] = [
  ['no basicConstraints', await certificate({ constraints: undefined })],
  ['CA:TRUE', await certificate({ constraints: extensions.basicConstraints({ pathLength: 0 }) })],
  ['basicConstraints that are not critical', await certificate({ constraints: criticality(ours.constraints, false) })],
  ['no keyUsage', await certificate({ usage: undefined })],
  ['keyCertSign', await certificate({ usage: extensions.keyUsage('keyCertSign, cRLSign') })],
  ['a keyUsage that is not critical', await certificate({ usage: criticality(ours.usage, false) })],
  ['no extendedKeyUsage', await certificate({ purposes: undefined })],
  ['serverAuth', await certificate({ purposes: extensions.extendedKeyUsage(oid.serverAuth) })],
  ['serverAuth as well', await certificate({ purposes: extensions.extendedKeyUsage(oid.clientAuth, oid.serverAuth) })],
  ['clientAuth twice', await certificate({ purposes: extensions.extendedKeyUsage(oid.clientAuth, oid.clientAuth) })],
  ['any purpose', await certificate({ purposes: extensions.extendedKeyUsage(oid.anyExtendedKeyUsage) })],
  ['OCSPSigning', await certificate({ purposes: extensions.extendedKeyUsage(oid.clientAuth, oid.ocspSigning) })],
  ['a critical extendedKeyUsage', await certificate({ purposes: criticality(ours.purposes, true) })],
  ['no subject key identifier', await certificate({ subjectKey: undefined })],
  [
    'the identifier of another key',
    await certificate({ subjectKey: extensions.subjectKeyIdentifier(randomBytes(20)) }),
  ],
  ['no authority key identifier', await certificate({ authorityKey: undefined })],
  ['no alternative name', await certificate({ names: undefined })],
  ['a DNS name', await certificate({ names: twoNames })],
  ['two URIs', await certificate({ names: twoUris })],
  ['a critical alternative name beside a subject', await certificate({ names: criticality(ours.names, true) })],
  [
    'another trust domain',
    await certificate({ names: extensions.uriName('spiffe://other.example.com/worker/worker-1', false) }),
  ],
  ['https', await certificate({ names: extensions.uriName('https://airunner.example.com/worker/worker-1', false) })],
  [
    'SPIFFE in capitals',
    await certificate({ names: extensions.uriName('SPIFFE://airunner.example.com/worker/worker-1', false) }),
  ],
  [
    'a path too long',
    await certificate({ names: extensions.uriName('spiffe://airunner.example.com/worker/worker-1/x', false) }),
  ],
  [
    'a query',
    await certificate({ names: extensions.uriName('spiffe://airunner.example.com/worker/worker-1?x', false) }),
  ],
  [
    'a null byte in the URI',
    await certificate({ names: extensions.uriName('spiffe://airunner.example.com/worker/worker-1\0', false) }),
  ],
  [
    'another principal in the URI',
    await certificate({ names: extensions.uriName('spiffe://airunner.example.com/worker/worker-2', false) }),
  ],
  [
    'another type in the URI',
    await certificate({ names: extensions.uriName('spiffe://airunner.example.com/admin/worker-1', false) }),
  ],
  ['another type in its extension', await certificate({ type: extensions.textExtension(`${arc}.1`, 'admin') })],
  ['another principal in its extension', await certificate({ id: extensions.textExtension(`${arc}.2`, 'worker-2') })],
  ['an unknown type', await certificate(named('worker-1', 'root'))],
  ['an id in capitals', await certificate(named('Worker-1'), { subject: nameOf('Worker-1') })],
  ['an empty id', await certificate(named(''), { subject: nameOf('') })],
  ['an id with a slash', await certificate(named('a/b'), { subject: nameOf('a/b') })],
  ['no principal type', await certificate({ type: undefined })],
  ['no principal id', await certificate({ id: undefined })],
  ['a critical private extension', await certificate({ id: criticality(ours.id, true) })],
  [
    'another arc',
    await certificate({
      type: extensions.textExtension('1.2.3.1', 'worker'),
      id: extensions.textExtension('1.2.3.2', 'worker-1'),
    }),
  ],
  ['another subject', await certificate({}, { subject: nameOf('worker-2') })],
  ['an empty subject for a short id', await certificate({}, { subject: sequence() })],
  ['a subject for a long id', await certificate(named(longId, 'worker', true))],
  ['a long id whose alternative name is not critical', await certificate(named(longId), { subject: nameOf(longId) })],
  ['an organization', await certificate({}, { subject: sequence(rdn(organization), rdn(commonName)) })],
  ['a subject of two values', await certificate({}, { subject: sequence(rdn(organization, commonName)) })],
  ['two common names', await certificate({}, { subject: sequence(rdn(commonName), rdn(commonName)) })],
  ['a PrintableString', await certificate({}, { subject: sequence(rdn(printable)) })],
  [
    'an unknown critical extension',
    await certificate({}, {}, [criticality(extensions.textExtension('1.2.3.4', 'x'), true)]),
  ],
  ['an unknown extension', await certificate({}, {}, [extensions.textExtension('1.2.3.4', 'x')])],
  ['an extension twice', await certificate({}, {}, [ours.id])],
  ['constraints twice', await certificate({}, {}, [extensions.basicConstraints({ pathLength: 0 })])],
  [
    'a critical CRL address',
    await certificate({}, {}, [criticality(extensions.crlDistributionPoint('http://a'), true)]),
  ],
  ['no extensions', await certificate({}, { extensions: [] })],
  ['a serial of 15 octets', await certificate({}, { serial_number: '01'.repeat(15) })],
  ['a serial of 17 octets', await certificate({}, { serial_number: '01'.repeat(17) })],
  ['a key on P-384', await certificate({}, { spki: p384 })],
  ['an end before its start', await certificate({}, { not_after: grant.not_before - 1000 })],
  ['SHA-384', await rewritten(swapped(signatureAlgorithm, ecdsaWithSha384), ecdsaWithSha384, 'sha384')],
  ['NULL parameters', await rewritten(swapped(signatureAlgorithm, nullParameters), nullParameters)],
  ['two algorithms', await rewritten((tbs) => tbs, ecdsaWithSha384)],
  ['version 2', await rewritten(swapped(Buffer.from('a003020102', 'hex'), Buffer.from('a003020101', 'hex')))],
  ['no version', await rewritten(swapped(Buffer.from('a003020102', 'hex'), Buffer.alloc(0)))],
  ['a unique id', await rewritten(swapped(grant.spki, Buffer.concat([grant.spki, Buffer.from('810200aa', 'hex')])))],
  ['over 8 KB', await certificate({}, {}, [extensions.textExtension('1.2.3.4', 'x'.repeat(9000))])],
  ['a root', root.certificate],
  ['an issuer', clients.certificate],
  ['a server', serverCertificate],
]

t.test('the principal of a certificate of our profile is read', async (t) => {
  t.same(readClientProfile(await certificate(), profile), { principal_id: 'worker-1', principal_type: 'worker' })
  const long = await certificate(named(longId, 'admin', true), { subject: sequence() })
  t.same(readClientProfile(long, profile), { principal_id: longId, principal_type: 'admin' })
})

t.test('a certificate stays ours when the public address of the plane has changed', async (t) => {
  const made = new X509Certificate(await makeIssueClientCertificate({ issuer: clients, profile: published })(grant))
  for (const plane of [profile, published, { ...published, public_url: 'http://new.example.com' }])
    t.same(readClientProfile(made, plane), { principal_id: 'worker-1', principal_type: 'worker' })
})

const refusalOf = (one: X509Certificate): unknown => {
  try {
    return readClientProfile(one, profile)
  } catch (error) {
    return error
  }
}

t.test(
  'every other certificate is untrusted, even one that our issuer signed, and is presented without a claim',
  async (t) => {
    for (const [what, one] of foreign) {
      t.ok(isControlError(refusalOf(one), 'certificate_untrusted'), what)
      t.equal(presentedBy(one, [clients], profile)?.claimed, undefined, `${what}: no claim`)
    }
  },
)

t.test('what an issuer of ours signed is presented, with its names as a claim', async (t) => {
  const one = await certificate()
  t.same(presentedBy(one, [servers, clients], profile), {
    serial_number: grant.serial_number,
    fingerprint: createHash('sha256').update(one.raw).digest('hex'),
    issuer_id: clients.issuer_id,
    not_before: grant.not_before,
    expires_at: grant.expires_at,
    claimed: { principal_id: 'worker-1', principal_type: 'worker' },
  })
  t.equal(presentedBy(await certificate({ usage: undefined }), [clients], profile)?.serial_number, grant.serial_number)
  const short = await certificate({}, { serial_number: '7fff' })
  t.equal(presentedBy(short, [clients], profile)?.serial_number, '00000000000000000000000000007fff')
})

t.test('what no issuer of ours signed is not presented', async (t) => {
  const one = await certificate()
  t.equal(presentedBy(one, [], profile), undefined)
  t.equal(presentedBy(one, [servers, root], profile), undefined)
  t.equal(presentedBy(one, [{ ...clients, subject: servers.subject }], profile), undefined, 'another name')
  t.equal(presentedBy(one, [{ ...clients, certificate: servers.certificate }], profile), undefined, 'another key')
  const impostor = await makeHierarchy(now)
  t.same(impostor.clients.subject, clients.subject)
  t.equal(presentedBy(one, [impostor.clients], profile), undefined, 'the name of ours and a key of its own')
  const zero = await rewritten(swapped(unsignedInteger(grant.serial_number), unsignedInteger('0')))
  const negative = await rewritten(swapped(unsignedInteger(grant.serial_number), Buffer.from('0201ff', 'hex')))
  const long = await certificate({}, { serial_number: '01'.repeat(21) })
  for (const odd of [zero, negative, long]) t.equal(presentedBy(odd, [clients], profile), undefined)
})

t.test('no changed byte passes, and nothing but a refusal is thrown', async (t) => {
  const { raw } = await certificate()
  let read = 0
  for (let at = 0; at < raw.length; at++) {
    const changed = Buffer.from(raw)
    changed[at] = (changed[at] as number) ^ (1 << (at % 8))
    let odd: X509Certificate
    try {
      odd = new X509Certificate(changed)
    } catch {
      continue
    }
    read++
    const outcome = refusalOf(odd)
    if (outcome instanceof Error && !isControlError(outcome, 'certificate_untrusted')) t.fail(`byte ${at}: ${outcome}`)
    if (presentedBy(odd, [clients], profile)) t.fail(`byte ${at} was presented`)
  }
  t.ok(read > 300)
  t.ok(isControlError(refusalOf({} as X509Certificate), 'certificate_untrusted'))
  t.equal(presentedBy({} as X509Certificate, [clients], profile), undefined)
})

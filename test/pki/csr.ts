import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import t from 'tap'
import { sha256Hex } from '../../src/core/bytes.ts'
import { type ErrorCode, isControlError } from '../../src/core/errors.ts'
import { makeIssueClientCertificate } from '../../src/pki/certificate.ts'
import { readCsr } from '../../src/pki/csr.ts'
import { encode, objectIdentifier, sequence, tag, unsignedInteger, utf8String } from '../../src/pki/der-encode.ts'
import { nameOf } from '../../src/pki/names.ts'
import { readCertificate } from '../../src/pki/read-certificate.ts'
import { makeCsr } from '../../src/pki/request.ts'
import { cpuTime } from '../support/cpu.ts'
import { makeGrant, makeHierarchy, profile } from './fixtures/hierarchy.ts'
import { missingOpenssl } from './fixtures/openssl.ts'
import * as make from './fixtures/requests.ts'

const plain = make.request()
const plainDer = make.requestDer()
const body = plain.split('\n').slice(1, -2).join('')
const inBlock = (text: string, label = 'CERTIFICATE REQUEST'): string =>
  `-----BEGIN ${label}-----\n${text}\n-----END ${label}-----\n`

const order = 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551'
const signatureOf = (r: Buffer, s: Buffer) => () => sequence(r, s)
const one = unsignedInteger('1')
/** Replaces the first occurrence of some octets, at any place; the lengths around it are the caller's to keep. */
const patched = (der: Buffer, from: string, to: string): Buffer =>
  Buffer.from(der.toString('hex').replace(from, to), 'hex')

const compressed = Buffer.from([2 + ((make.point[64] as number) & 1), ...make.point.subarray(1, 33)])
const hybrid = Buffer.from([6 + ((make.point[64] as number) & 1), ...make.point.subarray(1)])
const offCurve = Buffer.from(make.point)
offCurve[64] = (offCurve[64] as number) ^ 1
const beyondField = Buffer.concat([Buffer.of(4), Buffer.alloc(64, 0xff)])
const explicitCurve = sequence(
  unsignedInteger('1'),
  sequence(
    objectIdentifier('1.2.840.10045.1.1'),
    unsignedInteger(`ffffffff00000001${'0'.repeat(24)}${'f'.repeat(24)}`),
  ),
)
const ed25519 = generateKeyPairSync('ed25519')
const rsa2048 = generateKeyPairSync('rsa', { modulusLength: 2048 })
const rsaName = '1.2.840.113549.1.1.11'
const ecdsaName = '1.2.840.10045.4.3.2'
const info = sequence(unsignedInteger('0'), nameOf('worker-1'), make.spki, Buffer.from('a000', 'hex'))
const signatureBits = encode(tag.bitString, Uint8Array.of(0), make.signedWith(make.key.privateKey, 'sha256')(info))
const opened = (indefinite: Buffer): Buffer => Buffer.concat([Buffer.of(0x30, 0x80), indefinite, Buffer.of(0, 0)])

const bad: [what: string, code: ErrorCode, pem: string][] = [
  // The text around the block.
  ['nothing', 'csr_invalid', ''],
  ['white space', 'csr_invalid', ' \r\n\t\n'],
  ['a word', 'csr_invalid', 'placeholder'],
  ['text before the block', 'csr_invalid', `Certificate Request:\n${plain}`],
  ['text after the block', 'csr_invalid', `${plain}x`],
  ['a byte order mark before the block', 'csr_invalid', `\ufeff${plain}`],
  ['a no-break space before the block', 'csr_invalid', `\u00a0\n${plain}`],
  ['a null byte before the block', 'csr_invalid', `\0${plain}`],
  ['a null byte after the block', 'csr_invalid', `${plain}\0`],
  ['two blocks', 'csr_invalid', plain + plain],
  ['a certificate request and a private key', 'csr_invalid', plain + inBlock('AAAA', 'PRIVATE KEY')],
  ['over 8 KB of white space', 'csr_invalid', plain + ' '.repeat(8192)],
  ['over 8 KB in UTF-8 alone', 'csr_invalid', 'é'.repeat(4097)],
  ['a megabyte', 'csr_invalid', 'A'.repeat(1 << 20)],
  // The block.
  ['a lower-case label', 'csr_invalid', inBlock(body, 'certificate request')],
  ['the label of a certificate', 'csr_invalid', inBlock(body, 'CERTIFICATE')],
  ['the label of a public key', 'csr_invalid', inBlock(body, 'PUBLIC KEY')],
  ['a label with two spaces', 'csr_invalid', inBlock(body, 'CERTIFICATE  REQUEST')],
  ['labels that differ', 'csr_invalid', plain.replace('END CERT', 'END NEW CERT')],
  ['no end', 'csr_invalid', plain.replace(/-----END.*/, '')],
  ['half an end', 'csr_invalid', plain.replace(/-----END.*/, '-----END')],
  ['no begin', 'csr_invalid', plain.replace(/-----BEGIN.*\n/, '')],
  ['four dashes', 'csr_invalid', plain.replace('-----BEGIN', '----BEGIN')],
  ['a begin within a block', 'csr_invalid', plain.replace('\n', '\n-----BEGIN CERTIFICATE REQUEST-----\n')],
  ['an empty block', 'csr_invalid', '-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n'],
  ['a header within the block', 'csr_invalid', inBlock(`Proc-Type: 4,ENCRYPTED\n\n${body}`)],
  ['a blank line within the block', 'csr_invalid', inBlock(`${body.slice(0, 64)}\n\n${body.slice(64)}`)],
  ['a space within the base64', 'csr_invalid', inBlock(`${body.slice(0, 64)} ${body.slice(64)}`)],
  ['a carriage return alone as line break', 'csr_invalid', plain.replaceAll('\n', '\r')],
  ['base64 for addresses', 'csr_invalid', inBlock(`${body.slice(0, -4)}-_AA`)],
  ['base64 without its padding', 'csr_invalid', inBlock(Buffer.alloc(4, 0x30).toString('base64').replaceAll('=', ''))],
  ['base64 with stray bits', 'csr_invalid', inBlock('MAB=')],
  ['base64 with padding in the middle', 'csr_invalid', inBlock(`MA==${body}`)],
  ['base64 that goes on after its padding', 'csr_invalid', inBlock('MAA=\nMAA=')],
  ['letters of another alphabet', 'csr_invalid', inBlock(`Ｍ${body.slice(1)}`)],
  // The encoding.
  ['a byte after the request', 'csr_invalid', make.pemOf(Buffer.concat([plainDer, Buffer.of(0)]))],
  ['a second request after the first', 'csr_invalid', make.pemOf(Buffer.concat([plainDer, plainDer]))],
  ['a request without its last byte', 'csr_invalid', make.pemOf(plainDer.subarray(0, -1))],
  ['a BER length', 'csr_invalid', make.pemOf(Buffer.concat([Buffer.of(0x30, 0x83, 0), plainDer.subarray(2)]))],
  ['a length of nine octets', 'csr_invalid', make.pemOf(Buffer.from(`3089${'0'.repeat(18)}`, 'hex'))],
  ['a length of 4 GB', 'csr_invalid', make.pemOf(Buffer.from('3084ffffffff', 'hex'))],
  ['the reserved length', 'csr_invalid', make.pemOf(Buffer.from('30ff00', 'hex'))],
  [
    'an indefinite length',
    'csr_invalid',
    make.pemOf(opened(Buffer.concat([info, make.ecdsaWithSha256, signatureBits]))),
  ],
  [
    'a constructed BIT STRING',
    'csr_invalid',
    make.pemOf(sequence(info, make.ecdsaWithSha256, encode(0x23, signatureBits))),
  ],
  ['an OCTET STRING instead', 'csr_invalid', make.pemOf(encode(tag.octetString, plainDer))],
  ['a SET instead', 'csr_invalid', make.pemOf(encode(tag.set, info, make.ecdsaWithSha256, signatureBits))],
  ['a number', 'csr_invalid', make.pemOf(unsignedInteger('2a'))],
  ['an empty SEQUENCE', 'csr_invalid', make.pemOf(sequence())],
  ['a fourth part', 'csr_invalid', make.pemOf(sequence(info, make.ecdsaWithSha256, signatureBits, make.nullValue))],
  ['nesting as deep as 2 KB go', 'csr_invalid', make.pemOf(make.nested(tag.sequence, 600))],
  ['nesting as deep as 8 KB go', 'csr_invalid', make.pemOf(make.nested(0xa0, 1500))],
  [
    'deep nesting within an attribute',
    'csr_invalid',
    make.request({ attributes: make.attributesOf(make.attribute('1.2.3', make.nested(tag.sequence, 300))) }),
  ],
  ['3,000 values', 'csr_invalid', make.pemOf(sequence(Buffer.alloc(5800, Buffer.from('0500', 'hex'))))],
  ['random bytes', 'csr_invalid', make.pemOf(randomBytes(4000))],
  // The body.
  ['version 1', 'csr_invalid', make.request({ version: unsignedInteger('1') })],
  ['version 2', 'csr_invalid', make.request({ version: unsignedInteger('2') })],
  ['a negative version', 'csr_invalid', make.request({ version: Buffer.from('0201ff', 'hex') })],
  ['a version of two octets', 'csr_invalid', make.request({ version: Buffer.from('02020000', 'hex') })],
  ['an empty version', 'csr_invalid', make.request({ version: Buffer.from('0200', 'hex') })],
  ['no version', 'csr_invalid', make.request({ version: Buffer.alloc(0) })],
  ['no attributes', 'csr_invalid', make.request({ attributes: Buffer.alloc(0) })],
  ['attributes in primitive form', 'csr_invalid', make.request({ attributes: Buffer.from('8000', 'hex') })],
  ['attributes twice', 'csr_invalid', make.request({ attributes: Buffer.from('a000a000', 'hex') })],
  [
    'an attribute without values',
    'csr_invalid',
    make.request({ attributes: make.attributesOf(make.attribute('1.2.3')) }),
  ],
  ['an attribute that is a number', 'csr_invalid', make.request({ attributes: make.attributesOf(one) })],
  [
    'attributes out of order',
    'csr_invalid',
    make.request({ attributes: encode(0xa0, make.attribute('1.2.4', one), make.attribute('1.2.3', one)) }),
  ],
  ['a subject that is a text', 'csr_invalid', make.request({ subject: utf8String('worker-1') })],
  ['a subject with an empty part', 'csr_invalid', make.request({ subject: sequence(encode(tag.set)) })],
  [
    'a subject that is not UTF-8',
    'csr_invalid',
    make.request({ subject: patched(nameOf('worker-1'), Buffer.from('worker').toString('hex'), 'c328c328c328') }),
  ],
  [
    'a subject in overlong UTF-8',
    'csr_invalid',
    make.request({ subject: patched(nameOf('worker-1'), Buffer.from('worker').toString('hex'), 'c0afc0afc0af') }),
  ],
  [
    'a subject whose parts are out of order',
    'csr_invalid',
    make.request({
      subject: sequence(
        encode(
          tag.set,
          sequence(objectIdentifier('2.5.4.10'), utf8String('b')),
          sequence(objectIdentifier('2.5.4.3'), utf8String('a')),
        ),
      ),
    }),
  ],
  [
    'a type with a padded arc',
    'csr_invalid',
    make.request({ subject: patched(nameOf('w'), '0603550403', '0603558003') }),
  ],
  ['no key', 'csr_invalid', make.request({ spki: Buffer.alloc(0) })],
  ['a key that is a number', 'csr_invalid', make.request({ spki: one })],
  ['a key with unused bits', 'csr_invalid', make.request({ spki: patched(make.spki, '034200', '034201') })],
  // The key.
  ['an RSA key of 1024 bits', 'csr_key_rejected', make.request({ spki: make.rsaSpki(1024) })],
  ['an RSA key of 2048 bits, honestly signed', 'csr_key_rejected', make.requestOf(rsa2048, rsaName)],
  ['an RSA key of 4096 bits', 'csr_key_rejected', make.request({ spki: make.rsaSpki(4096) })],
  ['an RSA key of 16384 bits', 'csr_key_rejected', make.request({ spki: make.rsaSpki(16384) })],
  ['a key on P-384', 'csr_key_rejected', make.requestOf(make.curve('P-384'), ecdsaName)],
  ['a key on P-521', 'csr_key_rejected', make.requestOf(make.curve('P-521'), ecdsaName)],
  ['a key on P-224', 'csr_key_rejected', make.requestOf(make.curve('secp224r1'), ecdsaName)],
  ['a key on secp256k1', 'csr_key_rejected', make.requestOf(make.curve('secp256k1'), ecdsaName)],
  ['a key on brainpoolP256r1', 'csr_key_rejected', make.requestOf(make.curve('brainpoolP256r1'), ecdsaName)],
  ['an Ed25519 key', 'csr_key_rejected', make.requestOf(ed25519, '1.3.101.112', null)],
  [
    'a key of a kind that nobody knows',
    'csr_key_rejected',
    make.request({ spki: patched(make.spki, '2a8648ce3d0201', '2a8648ce3d0f01') }),
  ],
  [
    'a key whose curve is spelled out',
    'csr_key_rejected',
    make.request({ spki: make.ecSpki(make.point, explicitCurve) }),
  ],
  ['a key whose curve is NULL', 'csr_key_rejected', make.request({ spki: make.ecSpki(make.point, make.nullValue) })],
  ['a key without a curve', 'csr_key_rejected', make.request({ spki: make.ecSpki(make.point, Buffer.alloc(0)) })],
  ['a compressed point', 'csr_key_rejected', make.request({ spki: make.ecSpki(compressed) })],
  ['a hybrid point', 'csr_key_rejected', make.request({ spki: make.ecSpki(hybrid) })],
  ['a point off the curve', 'csr_key_rejected', make.request({ spki: make.ecSpki(offCurve) })],
  ['a point beyond the field', 'csr_key_rejected', make.request({ spki: make.ecSpki(beyondField) })],
  [
    'the point 0, 0',
    'csr_key_rejected',
    make.request({ spki: make.ecSpki(Buffer.concat([Buffer.of(4), Buffer.alloc(64)])) }),
  ],
  ['the point at infinity', 'csr_key_rejected', make.request({ spki: make.ecSpki(Buffer.of(0)) })],
  ['no point', 'csr_key_rejected', make.request({ spki: make.ecSpki(Buffer.alloc(0)) })],
  [
    'a point without its last octet',
    'csr_key_rejected',
    make.request({ spki: make.ecSpki(make.point.subarray(0, -1)) }),
  ],
  [
    'a point with an octet too many',
    'csr_key_rejected',
    make.request({ spki: make.ecSpki(Buffer.concat([make.point, Buffer.of(0)])) }),
  ],
  // The signature.
  [
    'a signature by another key',
    'csr_invalid',
    make.request({ signature: make.signedWith(make.curve('P-256').privateKey, 'sha256') }),
  ],
  [
    'a signature over something else',
    'csr_invalid',
    make.request({ signature: () => make.signedWith(make.key.privateKey, 'sha256')(Buffer.from('x')) }),
  ],
  [
    'SHA-1',
    'csr_invalid',
    make.request({
      algorithm: make.algorithm('1.2.840.10045.4.1'),
      signature: make.signedWith(make.key.privateKey, 'sha1'),
    }),
  ],
  [
    'SHA-384',
    'csr_invalid',
    make.request({
      algorithm: make.algorithm('1.2.840.10045.4.3.3'),
      signature: make.signedWith(make.key.privateKey, 'sha384'),
    }),
  ],
  [
    'SHA-1 that calls itself SHA-256',
    'csr_invalid',
    make.request({ signature: make.signedWith(make.key.privateKey, 'sha1') }),
  ],
  [
    'NULL parameters of the signature',
    'csr_invalid',
    make.request({ algorithm: make.algorithm(ecdsaName, make.nullValue) }),
  ],
  ['an algorithm that is empty', 'csr_invalid', make.request({ algorithm: sequence() })],
  [
    'the signature algorithm of RSA',
    'csr_invalid',
    make.request({ algorithm: make.algorithm(rsaName, make.nullValue) }),
  ],
  ['an empty signature', 'csr_invalid', make.request({ signature: () => Buffer.alloc(0) })],
  ['unused bits in the signature', 'csr_invalid', make.request({ unused: 1, signature: () => Buffer.alloc(8) })],
  ['a raw signature of 64 octets', 'csr_invalid', make.request({ signature: () => randomBytes(64) })],
  ['r = 0', 'csr_invalid', make.request({ signature: signatureOf(unsignedInteger('0'), one) })],
  ['s = 0', 'csr_invalid', make.request({ signature: signatureOf(one, unsignedInteger('0')) })],
  ['r = s = 0', 'csr_invalid', make.request({ signature: signatureOf(unsignedInteger('0'), unsignedInteger('0')) })],
  ['r = order', 'csr_invalid', make.request({ signature: signatureOf(unsignedInteger(order), one) })],
  ['s = order', 'csr_invalid', make.request({ signature: signatureOf(one, unsignedInteger(order)) })],
  ['a negative r', 'csr_invalid', make.request({ signature: signatureOf(Buffer.from('0201ff', 'hex'), one) })],
  [
    'an r of 4,000 octets',
    'csr_invalid',
    make.request({ signature: signatureOf(unsignedInteger('7f'.repeat(4000)), one) }),
  ],
  [
    'an r with leading zeros',
    'csr_invalid',
    make.request({ signature: signatureOf(Buffer.from('02020001', 'hex'), one) }),
  ],
  ['a third number in the signature', 'csr_invalid', make.request({ signature: () => sequence(one, one, one) })],
  [
    'a byte after the signature',
    'csr_invalid',
    make.request({
      signature: (signed) => Buffer.concat([make.signedWith(make.key.privateKey, 'sha256')(signed), Buffer.of(0)]),
    }),
  ],
  [
    'a signature in BER',
    'csr_invalid',
    make.request({
      signature: (signed) => {
        const value = make.signedWith(make.key.privateKey, 'sha256')(signed)
        return Buffer.concat([Buffer.of(0x30, 0x81), value.subarray(1)])
      },
    }),
  ],
]

const good: [what: string, pem: string][] = [
  ['CRLF', plain.replaceAll('\n', '\r\n')],
  ['no line break at the end', plain.trimEnd()],
  ['white space around the block', `\r\n \t${'\n'}${plain}\n\n \t\n`],
  ['one long line', inBlock(body)],
  ['the old label', make.pemOf(plainDer, 'NEW CERTIFICATE REQUEST')],
  ['no subject', make.request({ subject: sequence() })],
  ['the subject of an admin', make.request({ subject: nameOf('admin-1') })],
  ['a subject in another script', make.request({ subject: nameOf('работник-1 🤖') })],
  ['a subject with a null byte', make.request({ subject: nameOf('admin\0.example.com') })],
  [
    'a subject of 5 KB',
    make.request({
      subject: sequence(encode(tag.set, sequence(objectIdentifier('2.5.4.3'), utf8String('x'.repeat(5000))))),
    }),
  ],
  [
    'a subject of 40 parts',
    make.request({ subject: sequence(...Array.from({ length: 40 }, (_, at) => nameOf(`part ${at}`).subarray(2))) }),
  ],
  [
    'CA:TRUE',
    make.request({
      attributes: make.attributesOf(make.extensionRequest('2.5.29.19', sequence(Buffer.from('0101ff', 'hex')))),
    }),
  ],
  [
    'the SAN of another principal',
    make.request({
      attributes: make.attributesOf(
        make.extensionRequest(
          '2.5.29.17',
          sequence(encode(0x86, Buffer.from('spiffe://airunner.example.com/admin/a'))),
        ),
      ),
    }),
  ],
  [
    'the name of a server',
    make.request({
      attributes: make.attributesOf(
        make.extensionRequest('2.5.29.17', sequence(encode(0x82, Buffer.from('airunner.example.com')))),
      ),
    }),
  ],
  [
    'serverAuth',
    make.request({
      attributes: make.attributesOf(
        make.extensionRequest('2.5.29.37', sequence(objectIdentifier('1.3.6.1.5.5.7.3.1'))),
      ),
    }),
  ],
  [
    'an extension that is not DER inside',
    make.request({ attributes: make.attributesOf(make.extensionRequest('2.5.29.17', Buffer.from('3080', 'hex'))) }),
  ],
  [
    'our private extensions',
    make.request({
      attributes: make.attributesOf(make.extensionRequest('1.3.6.1.4.1.99999.1.1', utf8String('admin'))),
    }),
  ],
  ['a challenge password', make.request({ attributes: make.attributesOf(make.challenge) })],
  [
    'two attributes in order',
    make.request({ attributes: make.attributesOf(make.challenge, make.extensionRequest('2.5.29.17', sequence())) }),
  ],
  [
    'an attribute of 4 KB',
    make.request({
      attributes: make.attributesOf(make.attribute('1.2.3.4', encode(tag.octetString, randomBytes(4000)))),
    }),
  ],
]

const codeOf = (pem: string): string => {
  try {
    readCsr(pem)
    return 'accepted'
  } catch (error) {
    return isControlError(error) ? error.code : String(error)
  }
}

t.test('a plain request gives its key', async (t) => {
  const csr = readCsr(plain)
  t.same(csr.spki, make.spki)
  t.equal(csr.spki_sha256, sha256Hex(make.spki))
  t.ok(csr.publicKey.equals(make.key.publicKey))
  t.ok(readCsr(makeCsr(make.key.privateKey, 'worker-1')).spki.equals(make.spki))
})

t.test('every bad request is refused with its code and a reason, in less than 50 ms', async (t) => {
  t.ok(bad.length >= 60, `${bad.length} requests`)
  for (const [what, code, pem] of bad) {
    const start = cpuTime()
    t.equal(codeOf(pem), code, what)
    t.ok(cpuTime() - start < 50, `${what}: in time`)
  }
})

t.test('a reason neither repeats the request nor is empty', async (t) => {
  for (const [what, , pem] of bad) {
    try {
      readCsr(pem)
    } catch (error) {
      const { message } = error as Error
      t.match(message, /^[\x20-\x7e]{10,160}$/, what)
    }
  }
})

t.test('what a request says beside its key changes no signed byte of the certificate', async (t) => {
  const now = Date.now()
  const { clients } = await makeHierarchy(now)
  const issue = makeIssueClientCertificate({ issuer: clients, profile })
  const grant = makeGrant(now)
  const signedPart = async (pem: string) => readCertificate(await issue({ ...grant, spki: readCsr(pem).spki })).tbs
  const expected = await signedPart(plain)
  for (const [what, pem] of good) t.same(await signedPart(pem), expected, what)
})

t.test('no single changed or missing byte makes a request acceptable, or throws anything else', async (t) => {
  const outcomes = new Set<string>()
  for (let at = 0; at < plainDer.length; at++) {
    for (const mask of [0x01, 0x80]) {
      const changed = Buffer.from(plainDer)
      changed[at] = (changed[at] as number) ^ mask
      outcomes.add(codeOf(make.pemOf(changed)))
    }
    outcomes.add(codeOf(make.pemOf(plainDer.subarray(0, at))))
  }
  t.same([...outcomes].sort(), ['csr_invalid', 'csr_key_rejected'])
})

t.test('openssl’s own requests are read', { skip: missingOpenssl }, async (t) => {
  const folder = t.testdir({})
  const newRequest = (...args: string[]): string =>
    execFileSync('openssl', ['req', '-new', '-nodes', '-keyout', join(folder, 'key.pem'), ...args], {
      stdio: ['ignore', 'pipe', 'ignore'],
    }).toString()
  const p256 = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']
  t.equal(
    codeOf(newRequest(...p256, '-subj', '/O=Example/CN=worker-1', '-addext', 'subjectAltName=DNS:worker.example.com')),
    'accepted',
  )
  t.equal(codeOf(newRequest(...p256, '-subj', '/CN=worker-1', '-sha384')), 'csr_invalid')
  t.equal(codeOf(newRequest(...p256, '-pkeyopt', 'ec_param_enc:explicit', '-subj', '/CN=worker-1')), 'csr_key_rejected')
  t.equal(codeOf(newRequest('-newkey', 'rsa:2048', '-subj', '/CN=worker-1')), 'csr_key_rejected')
})

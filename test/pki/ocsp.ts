import { randomBytes, randomInt } from 'node:crypto'
import t from 'tap'
import { encode, encodeExtension, objectIdentifier, sequence, tag, unsignedInteger } from '../../src/pki/der-encode.ts'
import { oid } from '../../src/pki/oids.ts'
import { certId, ocspRequest, readOcspAnswer } from '../support/ocsp.ts'
import { answering, good, goodRequest, issuer, other, serials, stranger } from '../support/ocsp-answers.ts'

const [malformed, unauthorized] = [1, 6]
const { ask } = answering()

const extensions = (...list: Buffer[]) => encode(0xa2, sequence(...list))
const nonce = (critical: boolean, length = 16) =>
  encodeExtension(objectIdentifier(oid.ocspNonce), critical, encode(tag.octetString, randomBytes(length)))
const unheardOf = (critical: boolean) =>
  encodeExtension(objectIdentifier('1.3.6.1.4.1.99999.7'), critical, encode(0x05))
const requestor = encode(0xa1, encode(0x82, Buffer.from('example.com')))
const signature = encode(
  0xa0,
  sequence(sequence(objectIdentifier(oid.ecdsaWithSha256)), encode(tag.bitString, Buffer.from([0, 1, 2, 3]))),
)

const accepted: [string, Buffer][] = [
  ['a nonce', ocspRequest([good], { behind: [extensions(nonce(false))] })],
  ['a critical nonce', ocspRequest([good], { behind: [extensions(nonce(true))] })],
  ['a nonce of no length', ocspRequest([good], { behind: [extensions(nonce(false, 0))] })],
  ['an extension that is unknown and not critical', ocspRequest([good], { behind: [extensions(unheardOf(false))] })],
  ['the default version spelt out', ocspRequest([good], { before: [encode(0xa0, unsignedInteger('00'))] })],
  ['the name of who asks', ocspRequest([good], { before: [requestor] })],
  ['a signature, of whomever', ocspRequest([good], { before: [requestor], after: [signature] })],
  [
    'an extension of the single request',
    sequence(sequence(sequence(sequence(good, encode(0xa0, sequence(unheardOf(false))))))),
  ],
  ['ten certificates', ocspRequest(Array.from({ length: 10 }, () => good))],
]
for (const [name, request] of accepted)
  t.test(`${name}: answered`, async (t) => {
    const answer = await ask(request)
    t.equal(answer.code, 0)
    t.ok(answer.signed)
    t.ok(answer.singles.every(({ status }) => status === 'good'))
  })

const withHash = (algorithm: Buffer) => {
  const hash = encode(tag.octetString, randomBytes(20))
  return ocspRequest([sequence(algorithm, hash, hash, unsignedInteger('01'))])
}
const sha1 = objectIdentifier(oid.sha1)
const padded = Buffer.concat([Buffer.from([0x30, 0x81, goodRequest.length - 2]), goodRequest.subarray(2)])
const refused: [string, Buffer, number][] = [
  ['nothing', Buffer.alloc(0), malformed],
  ['text', Buffer.from('what is this certificate?'), malformed],
  ['an octet too few', goodRequest.subarray(0, -1), malformed],
  ['an octet too many', Buffer.concat([goodRequest, Buffer.of(0)]), malformed],
  ['a length that is not minimal', padded, malformed],
  ['an indefinite length', Buffer.concat([Buffer.of(0x30, 0x80), goodRequest.subarray(2), Buffer.of(0, 0)]), malformed],
  ['no certificate', ocspRequest([]), malformed],
  ['eleven certificates', ocspRequest(Array.from({ length: 11 }, () => good)), malformed],
  ['version 2', ocspRequest([good], { before: [encode(0xa0, unsignedInteger('01'))] }), malformed],
  ['a critical extension that nobody knows', ocspRequest([good], { behind: [extensions(unheardOf(true))] }), malformed],
  [
    'one of the single request',
    sequence(sequence(sequence(sequence(good, encode(0xa0, sequence(unheardOf(true))))))),
    malformed,
  ],
  ['one extension twice', ocspRequest([good], { behind: [extensions(nonce(false), nonce(false))] }), malformed],
  ['extensions that are empty', ocspRequest([good], { behind: [extensions()] }), malformed],
  [
    'something behind the extensions',
    ocspRequest([good], { behind: [extensions(nonce(false)), encode(0xa3, sequence())] }),
    malformed,
  ],
  ['something behind the signature', ocspRequest([good], { after: [signature, signature] }), malformed],
  ['a signature that is none', ocspRequest([good], { after: [encode(0xa0, sequence())] }), malformed],
  ['a hash with parameters', withHash(sequence(sha1, sequence())), malformed],
  ['a hash with too many parts', withHash(sequence(sha1, encode(0x05), encode(0x05))), malformed],
  ['MD5', withHash(sequence(objectIdentifier('1.2.840.113549.2.5'), encode(0x05))), unauthorized],
  ['an issuer that is not ours', ocspRequest([certId(stranger, serials.good)]), unauthorized],
  [
    'the name of one issuer with the key of another',
    ocspRequest([certId({ subject: issuer.subject, certificate: stranger.certificate }, serials.good)]),
    unauthorized,
  ],
  ['certificates of two issuers of ours', ocspRequest([good, certId(other, serials.other)]), unauthorized],
  ['a certificate of ours and one of a stranger', ocspRequest([good, certId(stranger, serials.good)]), unauthorized],
  ['5 KB', ocspRequest([good], { behind: [extensions(nonce(false, 5000))] }), malformed],
  ['a thousand levels', Buffer.concat(Array.from({ length: 1000 }, () => Buffer.of(0x30, 0x80))), malformed],
]
for (const [name, request, code] of refused)
  t.test(`${name}: ${code === malformed ? 'malformed' : 'unauthorized'}`, async (t) => {
    t.same(await ask(request), { code, singles: [] })
  })

const numbers: [string, Buffer][] = [
  ['zero', Buffer.of(0)],
  ['negative', Buffer.from('81ff', 'hex')],
  ['of 17 octets', Buffer.concat([Buffer.of(1), Buffer.from(serials.good, 'hex')])],
  ['of 200 octets', Buffer.alloc(200, 1)],
]
for (const [name, content] of numbers)
  t.test(
    `a serial number that is ${name}: unknown, without a look into the store for one that cannot be`,
    async (t) => {
      const asked: string[] = []
      const readRows = async (wanted: string[]) => {
        asked.push(...wanted)
        return []
      }
      const hashes = good.subarray(2, good.length - 18)
      const { code, singles } = await answering({ readRows }).ask(
        ocspRequest([sequence(hashes, encode(tag.integer, content))]),
      )
      t.equal(code, 0)
      t.equal(singles[0]?.status, 'unknown')
      t.same(asked, name === 'zero' ? ['0'.repeat(32)] : [])
    },
  )

t.test('2,000 damaged requests: an answer to each, and no fault', async (t) => {
  const { answer, faults } = answering()
  const originals = [...accepted.map(([, request]) => request), goodRequest]
  const codes = new Map<number, number>()
  for (let round = 0; round < 2000; round++) {
    let request = Buffer.from(originals[round % originals.length] as Buffer)
    for (let times = randomInt(1, 4); times > 0; times--) {
      const at = randomInt(request.length)
      const kind = randomInt(4)
      if (kind === 0) request[at] = randomInt(256)
      else if (kind === 1) request[at] = (request[at] as number) ^ (1 << randomInt(8))
      else if (kind === 2) request = Buffer.concat([request.subarray(0, at), request.subarray(at + randomInt(1, 4))])
      else request = Buffer.concat([request.subarray(0, at), randomBytes(randomInt(1, 4)), request.subarray(at)])
      if (request.length === 0) request = Buffer.from(goodRequest)
    }
    const { code, signed } = readOcspAnswer((await answer(request)).der)
    codes.set(code, (codes.get(code) ?? 0) + 1)
    if (code === 0 && signed !== true) t.fail(`an unsigned answer to ${request.toString('hex')}`)
  }
  t.same(faults, [])
  t.same(
    [...codes.keys()].filter((code) => ![0, malformed, unauthorized].includes(code)),
    [],
  )
  t.ok((codes.get(malformed) ?? 0) > 500, JSON.stringify([...codes]))
})

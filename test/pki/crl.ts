import { generateKeyPairSync, randomBytes, verify } from 'node:crypto'
import t from 'tap'
import { type RevocationReason, revocationReasons } from '../../src/core/certificate.ts'
import { encodeCrlTbs, joinCrl, makeEntryList, type RevokedEntry } from '../../src/pki/crl.ts'
import { contentOf, readDer } from '../../src/pki/der.ts'
import { encode, encodeTime, tag } from '../../src/pki/der-encode.ts'
import { makeLocalSigner } from '../../src/pki/local-signer.ts'
import { nameOf } from '../../src/pki/names.ts'

const at = Date.parse('2026-11-21T13:20:43.999Z')
const serial = '01a1fe442c097960bfa02f4dc623a2a1'
const encoded = (entries: RevokedEntry[]): Buffer => {
  const list = makeEntryList()
  for (const entry of entries) list.add(entry)
  t.equal(list.count(), entries.length)
  return list.encode()
}
const hexOf = (entry: Partial<RevokedEntry>): string =>
  encoded([{ serial_number: serial, revoked_at: at, reason: 'unspecified', ...entry }]).toString('hex')

const utcTime = '170d3236313132313133323034335a'
const reasonOf = (code: string) => `300c300a0603551d1504030a01${code}`

/** @see RFC 5280 §5.3.1 */
const reasons: Record<RevocationReason, string> = {
  unspecified: '',
  key_compromise: reasonOf('01'),
  affiliation_changed: reasonOf('03'),
  superseded: reasonOf('04'),
  cessation_of_operation: reasonOf('05'),
  privilege_withdrawn: reasonOf('09'),
}

t.test('each reason has its code, and unspecified is left out', async (t) => {
  for (const reason of revocationReasons) {
    const body = `0210${serial}${utcTime}${reasons[reason]}`
    t.equal(hexOf({ reason }), `30${(body.length / 2).toString(16).padStart(2, '0')}${body}`, reason)
  }
})

const serials: [what: string, given: string, integer: string][] = [
  ['one of ours', serial, `0210${serial}`],
  ['a high bit, which would make it negative', `ff${serial.slice(2)}`, `021100ff${serial.slice(2)}`],
  ['leading zeros, which DER forbids', `0000${serial.slice(4)}`, `020f00${serial.slice(4)}`],
  ['zeros before an octet without a high bit', `000012${'34'.repeat(13)}`, `020e12${'34'.repeat(13)}`],
  ['one octet', '07', '020107'],
  ['twenty octets', `7f${'ff'.repeat(19)}`, `02147f${'ff'.repeat(19)}`],
]

t.test('serial numbers are positive, and as short as they can be', async (t) => {
  for (const [what, given, integer] of serials) {
    const body = `${integer}${utcTime}`
    t.equal(hexOf({ serial_number: given }), `30${(body.length / 2).toString(16)}${body}`, what)
  }
  t.throws(() => hexOf({ serial_number: `80${'00'.repeat(19)}` }), /20 octets/, 'with the zero before it that is 21')
})

t.test('times are those of RFC 5280: UTCTime through 2049, GeneralizedTime from 2050 on', async (t) => {
  for (const time of [
    '1970-01-01T00:00:00Z',
    '1999-12-31T23:59:59Z',
    '2000-02-29T12:00:00Z',
    '2026-11-21T00:00:00Z',
    '2049-12-31T23:59:59Z',
    '2050-01-01T00:00:00Z',
    '2072-02-29T09:08:07Z',
    '9999-12-31T23:59:59Z',
  ]) {
    const moment = Date.parse(time)
    const ending = encodeTime(moment).toString('hex')
    t.ok(hexOf({ revoked_at: moment }).endsWith(ending), `${time} as it is elsewhere`)
    t.ok(hexOf({ revoked_at: moment + 999 }).endsWith(ending), `${time}, cut to the second`)
    t.equal(ending.slice(0, 2), time < '2050' ? '17' : '18')
  }
})

t.test('entries come out by serial number, in whatever order they came', async (t) => {
  const given = Array.from({ length: 400 }, () => randomBytes(16).toString('hex'))
  const numbers = (list: string[]) => list.map((hex) => BigInt(`0x${hex}`))
  const entries = readDer(
    encode(tag.sequence, encoded(given.map((one) => ({ serial_number: one, revoked_at: at, reason: 'superseded' })))),
  ).children.map((entry) => entry.children[0]?.content.toString('hex') ?? '')
  t.same(
    numbers(entries),
    numbers(given).sort((a, b) => (a < b ? -1 : 1)),
  )
})

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const fields = {
  issuer: nameOf('airunner issuer'),
  key_id: Buffer.alloc(20, 0xab),
  number: 1_795_267_241,
  this_update: at,
  next_update: Date.parse('2050-01-01T00:00:00Z'),
}

t.test('a list says what RFC 5280 asks of version 2, and is signed', async (t) => {
  const tbs = encodeCrlTbs(fields, encoded([{ serial_number: serial, revoked_at: at, reason: 'superseded' }]))
  const der = joinCrl(tbs, await makeLocalSigner(privateKey).sign(tbs))
  const [signed, algorithm, signature] = readDer(der).children
  t.same(Buffer.from(signed?.bytes ?? []), tbs)
  t.equal(Buffer.from(algorithm?.bytes ?? []).toString('hex'), '300a06082a8648ce3d040302', 'ecdsa-with-SHA256')
  const bits = contentOf(signature, tag.bitString, 'the signature')
  t.ok(verify('sha256', tbs, { key: publicKey, dsaEncoding: 'der' }, bits.subarray(1)))
  const entry = `2f0210${serial}${utcTime}${reasonOf('04')}`
  const keyIdentifier = `301f0603551d23041830168014${'ab'.repeat(20)}`
  const number = '300d0603551d14040602046b019aa9'
  t.same(
    readDer(tbs).children.map(({ bytes }) => bytes.toString('hex')),
    [
      '020101',
      '300a06082a8648ce3d040302',
      fields.issuer.toString('hex'),
      utcTime,
      '180f32303530303130313030303030305a',
      `303130${entry}`,
      `a0323030${keyIdentifier}${number}`,
    ],
  )
})

t.test('an empty list has no field for entries at all', async (t) => {
  const parts = readDer(encodeCrlTbs(fields, encoded([]))).children.map(({ bytes }) => bytes[0])
  t.same(parts, [tag.integer, tag.sequence, tag.sequence, tag.utcTime, tag.generalizedTime, 0xa0])
})

t.test('a list of more than 16 MB has its lengths right', async (t) => {
  for (const length of [127, 128, 255, 256, 65_535, 65_536, 0xffffff, 0x1000000, 0x1000001]) {
    const der = encode(tag.octetString, Buffer.alloc(length))
    const octets = der.length - length - 1
    const said = octets === 1 ? der[1] : der.readUIntBE(2, octets - 1)
    t.equal(said, length)
    t.equal(octets, length < 128 ? 1 : 1 + Math.ceil(Math.log2(length + 1) / 8), 'as few octets as can be')
  }
})

import t from 'tap'
import { DerProblem, readDer } from '../../src/pki/der.ts'
import { encodeTime, unsignedInteger } from '../../src/pki/der-encode.ts'
import { dottedOid, isOid, oidContent } from '../../src/pki/oids.ts'
import { cpuTime } from '../support/cpu.ts'
import { nested } from './fixtures/requests.ts'

const good: [what: string, hex: string][] = [
  ['an empty SEQUENCE', '3000'],
  ['zero', '020100'],
  ['128', '02020080'],
  ['−128', '020180'],
  ['−129', '0202ff7f'],
  ['TRUE', '0101ff'],
  ['FALSE', '010100'],
  ['an empty BIT STRING', '030100'],
  ['seven unused bits', '03020780'],
  ['a NULL', '0500'],
  ['an OID', '06032a0304'],
  ['a length of two octets', `0481c8${'00'.repeat(200)}`],
  ['a length of three octets', `04820100${'00'.repeat(256)}`],
  ['UTF-8', '0c02c3a9'],
  ['a SET in order', '3106020101020102'],
  ['a SET of equals', '3106020101020101'],
  ['a UTCTime', '170d3236313132313037303534385a'],
  ['a GeneralizedTime', '180f32303530303130313030303030305a'],
  ['a context tag that hides anything', '8003ffffff'],
  ['a context tag around values', 'a003020100'],
  ['tag number 31', '9f1f00'],
  ['tag number 128', '9f810000'],
  ['23 levels', nested(0x30, 23).toString('hex')],
]

const bad: [what: string, hex: string][] = [
  ['nothing', ''],
  ['a tag alone', '30'],
  ['a byte after', '300000'],
  ['a value after', '05000500'],
  ['content that is cut', '0402ff'],
  ['a child that is longer than its parent', '30030402ff'],
  ['an indefinite length', '30800000'],
  ['an indefinite length inside', '3004a0800000'],
  ['a primitive of indefinite length', '0480ff0000'],
  ['127 in the long form', `04817f${'00'.repeat(127)}`],
  ['a length with a leading zero', `048200c8${'00'.repeat(200)}`],
  ['a length without its octets', '0482ff'],
  ['a length of four octets', '048400000001ff'],
  ['the reserved length', '04ff'],
  ['end-of-contents', '0000'],
  ['a BOOLEAN of 1', '010101'],
  ['an empty BOOLEAN', '0100'],
  ['a BOOLEAN of two octets', '0102ffff'],
  ['an empty INTEGER', '0200'],
  ['a padded positive INTEGER', '0202007f'],
  ['a padded negative INTEGER', '0202ff80'],
  ['a padded ENUMERATED', '0a020001'],
  ['a BIT STRING without its first octet', '0300'],
  ['eight unused bits', '03020800'],
  ['unused bits of nothing', '030101'],
  ['padding that is not zero', '03020781'],
  ['a NULL with content', '050100'],
  ['an empty OID', '0600'],
  ['an OID that is cut', '06032a0384'],
  ['an OID with a padded arc', '06042a800304'],
  ['an OID with a padded first arc', '0602802a'],
  ['a constructed OCTET STRING', '240404020000'],
  ['a constructed UTF8String', '2c030c0161'],
  ['a primitive SEQUENCE', '1000'],
  ['a primitive SET', '1100'],
  ['a SET out of order', '3106020102020101'],
  ['UTF-8 that is not', '0c01ff'],
  ['surrogates in UTF-8', '0c03eda080'],
  ['a PrintableString beyond ASCII', '1301e9'],
  ['half a BMPString', '1e0100'],
  ['a UTCTime without seconds', '170b323631313231303730355a'],
  ['a UTCTime with an offset', '17113236313132313037303534382b30303030'],
  ['a UTCTime in month 13', '170d3236313332313037303534385a'],
  ['a GeneralizedTime with a trailing zero', '181132303530303130313030303030302e305a'],
  ['a GeneralizedTime in local time', '180e3230353030313031303030303030'],
  ['a REAL', '090103'],
  ['tag number 30 in the long form', '9f1e00'],
  ['a padded tag number', '9f801f00'],
  ['a tag number that is cut', '9f81'],
  ['a tag number of five octets', '9f8181818101'],
  ['25 levels and more', nested(0x30, 26).toString('hex')],
  ['4,097 values', `308220${(0x02).toString(16).padStart(2, '0')}${'0500'.repeat(4097)}`],
]

t.test('DER is read', async (t) => {
  for (const [what, hex] of good) {
    const bytes = Buffer.from(hex, 'hex')
    t.same(readDer(bytes).bytes, bytes, what)
  }
})

t.test('anything else is refused with a DerProblem', async (t) => {
  for (const [what, hex] of bad) t.throws(() => readDer(Buffer.from(hex, 'hex')), DerProblem, what)
})

t.test('100 KB of values are refused in less than 50 ms', async (t) => {
  const start = cpuTime()
  t.throws(
    () => readDer(Buffer.concat([Buffer.from('30830186a0', 'hex'), Buffer.alloc(100_000, '0500', 'hex')])),
    DerProblem,
  )
  t.ok(cpuTime() - start < 50)
})

t.test('object identifiers are written and read alike', async (t) => {
  for (const dotted of [
    '1.2.840.10045.4.3.2',
    '2.5.29.17',
    '2.999.1',
    '0.9.2342',
    '1.3.6.1.4.1.99999.1.2',
    '2.16.840.1',
  ])
    t.equal(dottedOid(oidContent(dotted)), dotted)
  t.equal(oidContent('1.2.840.113549').toString('hex'), '2a864886f70d')
  for (const text of ['', '1', '3.1', '1.40', '1.02', '1..2', '1.2.', 'a.b', '1.2.99999999999'])
    t.notOk(isOid(text), JSON.stringify(text))
})

t.test('numbers and times are written in their one form', async (t) => {
  t.equal(unsignedInteger('00').toString('hex'), '020100')
  t.equal(unsignedInteger('7f').toString('hex'), '02017f')
  t.equal(unsignedInteger('80').toString('hex'), '02020080')
  t.equal(unsignedInteger('000001ff').toString('hex'), '020201ff')
  t.equal(
    encodeTime(Date.UTC(2049, 11, 31, 23, 59, 59))
      .subarray(2)
      .toString(),
    '491231235959Z',
  )
  t.equal(
    encodeTime(Date.UTC(2050, 0, 1))
      .subarray(2)
      .toString(),
    '20500101000000Z',
  )
})

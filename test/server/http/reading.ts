import t from 'tap'
import { isAcceptable } from '../../../src/server/plugins/accept.ts'
import { faultOfJson } from '../../../src/server/plugins/json-scan.ts'
import { isTimestamp } from '../../../src/server/plugins/validation.ts'
import { cpuTime } from '../../support/cpu.ts'

t.test('faults that JSON.parse does not see', async (t) => {
  const good = [
    '{}',
    '[]',
    '"a"',
    '1',
    'null',
    '{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}',
    '{"a":"b","b":"a"}',
    '{"a":["a","a","a"]}',
    '{"a":"\\"b\\":\\\\","c":"\\\\\\""}',
    '{"a":"{\\"a\\":1,\\"a\\":2}"}',
    '{"a":"__proto__"}',
    '{"a":"😀","b":"\\ud83d\\ude00"}',
    '{"a":"}","b":"]","c":"{","d":"["}',
    `${'['.repeat(8)}${']'.repeat(8)}`,
    ' { "a" : [ 1 , { "b" : 2 } ] , "c" : 3 } ',
  ]
  for (const text of good) t.equal(faultOfJson(text, 8), undefined, text)
  const bad: [string, RegExp][] = [
    ['{"a":1,"a":2}', /twice/],
    ['{"a":1,"\\u0061":2}', /twice/],
    ['{"b":{"a":1,"c":[],"a":2}}', /twice/],
    ['[{"a":1},{"b":1,"b":2}]', /twice/],
    ['{"a":[1,2],"a":2}', /twice/],
    ['{"":1,"":2}', /twice/],
    ['{"__proto__":1}', /__proto__/],
    ['{"\\u005f_proto__":1}', /__proto__/],
    ['{"a":{"constructor":1}}', /constructor/],
    ['{"a":"\\ud800"}', /surrogate/],
    ['{"\\udfff":1}', /surrogate/],
    [`${'['.repeat(9)}${']'.repeat(9)}`, /8 levels/],
    [`${'{"a":'.repeat(9)}1${'}'.repeat(9)}`, /8 levels/],
  ]
  for (const [text, fault] of bad) t.match(faultOfJson(text, 8), fault, text)
})

t.test('looking takes no longer than the text is long', async (t) => {
  for (const text of [`"${'\\\\'.repeat(30_000)}"`, `"${'\\"'.repeat(30_000)}"`, `[${'{},'.repeat(20_000)}{}]`]) {
    const began = cpuTime()
    t.equal(faultOfJson(text, 8), undefined)
    t.ok(cpuTime() - began < 100)
  }
})

t.test('Accept', async (t) => {
  const json = ['application/json']
  for (const accept of [
    undefined,
    '',
    '*/*',
    'application/json',
    'APPLICATION/JSON',
    'application/*',
    'text/html, */*;q=0.1',
    'application/json;q=0.1',
    'application/json; charset=utf-8',
    'text/html;q=1, application/json;q=0.001',
    '*/*;q=0, application/json',
  ]) {
    t.ok(isAcceptable(accept, json), String(accept))
  }
  for (const accept of [
    'text/html',
    'application/xml',
    '*/*;q=0',
    'application/json;q=0, */*',
    'application/json;q=0.000',
    'x',
  ]) {
    t.notOk(isAcceptable(accept, json), accept)
  }
  t.ok(isAcceptable('application/pem-certificate-chain', ['application/json', 'application/pem-certificate-chain']))
})

t.test('times are moments that exist', async (t) => {
  for (const text of ['2026-02-28T23:59:59Z', '2024-02-29T00:00:00.123Z', '2026-01-01T00:00:00+05:30'])
    t.ok(isTimestamp(text), text)
  for (const text of [
    '2026-02-29T00:00:00Z',
    '2026-02-31T00:00:00+01:00',
    '2026-06-30T23:59:60Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01',
    '2026-01-01 00:00:00Z',
    '2026-01-01t00:00:00z',
    '2026-01-01T00:00:00',
    '2026-01-01T00:00Z',
    '',
  ]) {
    t.notOk(isTimestamp(text), text)
  }
})

import t from 'tap'
import { makeEventReader } from '../../src/agent/sse.ts'
import { renderEvent } from '../../src/wire/agent-events.ts'

const table: [what: string, parts: string[], expected: [string, string][]][] = [
  ['one event', ['event: a\ndata: 1\n\n'], [['a', '1']]],
  ['cut anywhere', ['ev', 'ent: a', '\nda', 'ta: 1\n', '\n'], [['a', '1']]],
  ['CRLF, cut within', ['event: a\r', '\ndata: 1\r\n\r\n'], [['a', '1']]],
  ['comments between', [': alive\n\nevent: a\n: x\ndata: 1\n\n: alive\n\n'], [['a', '1']]],
  ['without a name', ['data: 1\n\n'], [['message', '1']]],
  ['data on several lines', ['data: 1\ndata:2\ndata\n\n'], [['message', '1\n2\n']]],
  ['no data, no event', ['event: a\n\ndata: 1\n\n'], [['message', '1']]],
  ['fields that nobody knows', ['id: 7\nretry: 1\nfoo: bar\ndata: 1\n\n'], [['message', '1']]],
  [
    'several at once',
    ['event: a\ndata: 1\n\nevent: b\ndata: 2\n\n'],
    [
      ['a', '1'],
      ['b', '2'],
    ],
  ],
  ['as our server writes it', [renderEvent('reconnect', { after_seconds: 3 })], [['reconnect', '{"after_seconds":3}']]],
]
for (const [what, parts, expected] of table)
  t.test(what, async (t) => {
    const read = makeEventReader()
    t.same(
      parts.flatMap((part) => read(part)).map(({ event, data }) => [event, data]),
      expected,
    )
  })

t.test('an event without an end does not fill the memory', async (t) => {
  const read = makeEventReader()
  t.throws(() => {
    for (let count = 0; count < 100; count++) read(`data: ${'x'.repeat(64 * 1024)}\n`)
  }, /no end/)
})

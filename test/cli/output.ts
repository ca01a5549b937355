import t from 'tap'
import { makeReadMoment, readSerialNumber } from '../../src/cli/options.ts'
import { jsonText, makePrinter } from '../../src/cli/output.ts'
import { nextName } from '../../src/cli/pending.ts'
import { briefDuration, oneLine, relativeTime } from '../../src/cli/text.ts'
import { runCli } from '../support/cli.ts'

t.test('times from now, in one unit or two', async (t) => {
  const now = Date.parse('2026-11-01T00:00:00Z')
  const cases: [number, string][] = [
    [0, 'now'],
    [45, 'in 45s'],
    [-200, '3m 20s ago'],
    [-3600, '1h ago'],
    [89.5 * 86400, 'in 89d'],
    [-(2 * 86400 + 5 * 3600), '2d 5h ago'],
  ]
  for (const [seconds, text] of cases) t.equal(relativeTime(now + seconds * 1000, now), text)
  t.equal(briefDuration(0), '0s')
})

t.test('text from outside stays on its line and leaves the terminal alone', async (t) => {
  t.equal(oneLine('a\nb\u001b[2J\u009b1m\u202egnp'), 'a\\u{a}b\\u{1b}[2J\\u{9b}1m\\u{202e}gnp')
  t.equal(jsonText({ a: '\u009b1m' }), '{"a":"\\u009b1m"}')
  t.same(JSON.parse(jsonText({ a: '\u009b1m' })), { a: '\u009b1m' })
})

t.test('moments: lengths of time, dates, RFC 3339; nothing else', async (t) => {
  const read = makeReadMoment(() => Date.parse('2026-11-02T00:00:00Z'), -1)
  t.equal(read('24h'), '2026-11-01T00:00:00.000Z')
  t.equal(read('2026-10-01'), '2026-10-01T00:00:00.000Z')
  t.equal(read('2026-10-01T12:00:00+02:00'), '2026-10-01T10:00:00.000Z')
  for (const bad of ['', 'yesterday', '2026-13-01', '2026-10-01 12:00', '10', '1y']) t.throws(() => read(bad), bad)
})

t.test('serial numbers in any spelling', async (t) => {
  const serial = '01a1fd14f8a57932a3cd1de3b4fa76f4'
  t.equal(readSerialNumber(serial.toUpperCase()), serial)
  t.equal(readSerialNumber('1A1FD14F8A57932A3CD1DE3B4FA76F4'), serial, 'OpenSSL drops the leading zero')
  t.equal(readSerialNumber(serial.replace(/..(?=.)/g, '$&:')), serial)
  for (const bad of ['', 'g0', '../x', 'a'.repeat(41)]) t.throws(() => readSerialNumber(bad), bad)
})

t.test('next names stay in their directory', async (t) => {
  t.equal(nextName('key.pem'), 'key.next.pem')
  t.equal(nextName('/a/b.c/key'), '/a/b.c/key.next')
  t.equal(nextName('/a/client.key'), '/a/client.next.key')
})

t.test('colour on a terminal, and not with NO_COLOR or a dumb one', async (t) => {
  const painted = async (env: Record<string, string>, terminal: boolean) =>
    (await runCli(['doctor'], { env: { HOME: '/nonexistent', ...env }, terminal })).stdout.includes('\u001b[')
  t.equal(await painted({}, true), true)
  t.equal(await painted({}, false), false)
  t.equal(await painted({ NO_COLOR: '1' }, true), false)
  t.equal(await painted({ NO_COLOR: '' }, true), true, 'an empty one is as none')
  t.equal(await painted({ TERM: 'dumb' }, true), false)
})

t.test('a table keeps its columns whatever the records hold', async (t) => {
  let text = ''
  const { PassThrough } = await import('node:stream')
  const stdout = new PassThrough()
  stdout.on('data', (chunk) => {
    text += chunk
  })
  const io = { stdin: stdout, stdout, stderr: stdout, env: {}, now: () => 0, signal: new AbortController().signal }
  const view = {
    name: (row: { a: string }) => row.a,
    columns: [
      { title: 'A', cell: (row: { a: string }) => row.a },
      { title: 'B', cell: () => undefined },
    ],
  }
  await makePrinter(io, 'table').list(view, [{ a: 'x\ty' }, { a: 'long name' }])
  t.equal(text, 'A          B\nx\\u{9}y    -\nlong name  -\n')
})

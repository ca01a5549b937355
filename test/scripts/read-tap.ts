import t from 'tap'
import { readTap } from '../../scripts/test/tap.ts'

const ended = { code: 0, signal: null }
const cases: [string, string, Parameters<typeof readTap>[1], object][] = [
  ['passes', 'ok 1 - a\n1..1\n# { total: 1, pass: 1 }\n', ended, { passed: 1, failed: 0, skipped: 0, faults: [] }],
  [
    'fails, skips, is yet to do',
    '    ok 1 - a # SKIP no tool\nok 1 - b\n1..1\n# { total: 6, pass: 2, fail: 2, todo: 1, skip: 1 }\n',
    { code: 1, signal: null },
    { passed: 2, failed: 2, skipped: 2, skips: ['a: no tool'], faults: [] },
  ],
  [
    'is skipped as a whole',
    '1..0 # no tool\n# { total: 0, pass: 0 }\n',
    ended,
    { skipped: 1, skips: ['no tool'], faults: [] },
  ],
  ['says nothing', '', ended, { passed: 0, faults: ['ended before its sums: not all of it ran'] }],
  ['asserts nothing', '1..0\n# { total: 0, pass: 0 }\n', ended, { faults: ['no assertion ran'] }],
  [
    'prints what looks like a result',
    'ok 7 - stray\n1..1\n# { total: 1, pass: 1 }\n',
    ended,
    { passed: 1, faults: [] },
  ],
  ['exits early', 'ok 1 - a\n', ended, { faults: ['ended before its sums: not all of it ran'] }],
  [
    'exits with a code and no failure',
    '# { total: 1, pass: 1 }\n',
    { code: 7, signal: null },
    { faults: ['exit code 7'] },
  ],
  ['is killed', '# { total: 1, pass: 1 }\n', { code: null, signal: 'SIGKILL' }, { faults: ['ended by SIGKILL'] }],
]
for (const [name, tap, how, result] of cases)
  t.test(`a test that ${name}`, async (t) => {
    t.match(readTap(tap, how), result)
  })

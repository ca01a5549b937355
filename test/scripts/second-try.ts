import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Run, runFile } from '../../scripts/test/run-file.ts'
import { runAll } from '../../scripts/test/second-try.ts'
import { firstFailure } from '../../scripts/test/tap.ts'

const passes = `console.log('ok 1 - a\\n1..1\\n# { total: 1, pass: 1 }')`
const fails = `console.log('not ok 1 - a\\n1..1\\n# { total: 1, fail: 1 }'); process.exitCode = 1`
/** Fails while there is no file `once`. */
const failsOnce = (name: string) => `
  const { existsSync, writeFileSync } = require('node:fs')
  if (existsSync('${name}')) ${passes}
  else { writeFileSync('${name}', ''); ${fails} }`

/** Runs files of these contents, and tells in which order. */
const runThese = async (t: Test, contents: Record<string, string>, secondTry = true) => {
  const cwd = t.testdir()
  for (const [name, text] of Object.entries(contents)) writeFileSync(join(cwd, name), text)
  const order: [string, boolean, boolean][] = []
  const outcomes = await runAll({
    files: Object.keys(contents),
    jobs: 1,
    run: (file) => runFile(file, { cwd, env: { PATH: process.env['PATH'] }, secondsOfFile: 30, live: false }),
    ended: (file, run, again) => order.push([file, run.failed > 0, again]),
    secondTry,
  })
  return { order, outcomes }
}
const failed = (run: Run | undefined) => run?.failed

t.test('a file that fails beside others and passes alone is unstable', async (t) => {
  const { order, outcomes } = await runThese(t, { 'a.cjs': failsOnce('seen'), 'b.cjs': passes })
  t.same(order, [
    ['a.cjs', true, true],
    ['b.cjs', false, false],
    ['a.cjs', false, false],
  ])
  t.same(
    outcomes.map(({ run, unstable }) => [failed(run), failed(unstable)]),
    [
      [0, 1],
      [0, undefined],
    ],
  )
})

t.test('one that fails twice has failed', async (t) => {
  const { order, outcomes } = await runThese(t, { 'a.cjs': fails, 'b.cjs': passes })
  t.equal(order.length, 3)
  t.match(outcomes, [{ run: { failed: 1 }, unstable: undefined }, { run: { failed: 0 } }])
})

t.test('more than three are no bad luck: none of them is run again', async (t) => {
  const names = ['a', 'b', 'c', 'd']
  const four = Object.fromEntries(names.map((name) => [`${name}.cjs`, failsOnce(name)]))
  const { order, outcomes } = await runThese(t, four)
  t.equal(order.length, 4)
  t.ok(outcomes.every(({ run, unstable }) => failed(run) === 1 && unstable === undefined))
})

t.test('three may be, and one that ends in the middle is one of them', async (t) => {
  const ends = `const fs = require('node:fs')
    if (fs.existsSync('c')) ${passes}
    else { fs.writeFileSync('c', ''); process.exit(3) }`
  const { outcomes } = await runThese(t, { 'a.cjs': failsOnce('a'), 'b.cjs': failsOnce('b'), 'c.cjs': ends })
  t.ok(outcomes.every(({ run, unstable }) => failed(run) === 0 && unstable !== undefined))
  t.match(outcomes[2]?.unstable?.faults, ['exit code 3'])
})

t.test('no second try where none is wanted', async (t) => {
  const { order, outcomes } = await runThese(t, { 'a.cjs': failsOnce('a') }, false)
  t.same(order, [['a.cjs', true, false]])
  t.match(outcomes, [{ run: { failed: 1 }, unstable: undefined }])
})

t.test(
  'what a file took of the CPU counts those that it started',
  { skip: process.platform !== 'linux' },
  async (t) => {
    const burn = 'const end = Date.now() + 60000; while (process.cpuUsage().user < 400000 && Date.now() < end);'
    const child = `require('node:child_process').execFileSync(process.execPath, ['-e', ${JSON.stringify(burn)}])`
    const { outcomes } = await runThese(t, { 'a.cjs': `${child}\n${passes}`, 'b.cjs': passes })
    t.ok((outcomes[0]?.run.cpuSeconds ?? 0) >= 0.4)
    t.ok((outcomes[1]?.run.cpuSeconds ?? 1) < (outcomes[0]?.run.cpuSeconds ?? 0))
  },
)

t.test('the first failure is told with what is known of it', async (t) => {
  const tap = [
    '# Subtest: outer',
    '    ok 1 - fine',
    '    not ok 2 - inner',
    '      ---',
    '      diff: |',
    '        -1',
    '        +2',
    '      ...',
    '    not ok 3 - later',
    'not ok 1 - outer # time=4ms',
  ]
  t.equal(firstFailure(tap.join('\n'), []), tap.slice(2, 8).join('\n'))
  t.equal(firstFailure('not ok 1 - bare\nok 2 - b\n', ['exit code 1']), 'not ok 1 - bare')
  t.equal(
    firstFailure('ok 1 - a\n', ['ended by SIGKILL', 'left processes running']),
    'ended by SIGKILL\nleft processes running',
  )
})

import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { type Hook, makeHooks, parseExec, parseSignal } from '../../src/agent/hooks.ts'

const parses: [text: string, expected: Hook | RegExp][] = [
  ['systemctl reload nginx', { name: 'systemctl', kind: 'exec', command: 'systemctl reload nginx' }],
  ['/opt/x/reload.sh', { name: 'reload.sh', kind: 'exec', command: '/opt/x/reload.sh' }],
  ['reload=kill -HUP 1', { name: 'reload', kind: 'exec', command: 'kill -HUP 1' }],
  ['FOO=1 run', /name/],
  ['$(x)', /name/],
]
for (const [text, expected] of parses)
  t.test(`--exec ${text}`, async (t) => {
    const parsed = parseExec(text)
    if (expected instanceof RegExp) t.match(parsed, expected)
    else t.same(parsed, expected)
  })

const signals: [text: string, expected: Hook | RegExp][] = [
  ['/run/nginx.pid:HUP', { name: 'nginx.pid', kind: 'signal', pidFile: '/run/nginx.pid', signal: 'SIGHUP' }],
  ['/run/a:b.pid:sigusr1', { name: 'a-b.pid', kind: 'signal', pidFile: '/run/a:b.pid', signal: 'SIGUSR1' }],
  ['/run/nginx.pid', /Expected/],
  ['/run/nginx.pid:KILL', /Expected/],
]
for (const [text, expected] of signals)
  t.test(`--signal ${text}`, async (t) => {
    const parsed = parseSignal(text)
    if (expected instanceof RegExp) t.match(parsed, expected)
    else t.same(parsed, expected)
  })

const memory = () => {
  let text: string | undefined
  const write = async (next: string) => {
    text = next
  }
  return { read: async () => text, write }
}
const exec = (name: string, command: string): Hook => ({ name, kind: 'exec', command })

const make = (
  hooks: Hook[],
  more: { store?: ReturnType<typeof memory>; timeout?: number; signal?: AbortSignal } = {},
) =>
  makeHooks({
    hooks,
    timeout: more.timeout ?? 5000,
    signal: more.signal ?? new AbortController().signal,
    now: () => 0,
    store: more.store ?? memory(),
  })

t.test('once per change, also over a restart', async (t) => {
  const log = join(t.testdir(), 'log')
  const store = memory()
  const hook = exec('a', `echo "$CHANGED" >> ${log}`)
  const hooks = make([hook], { store })
  await hooks.begin('one')
  t.notOk(hooks.isDue('one'), 'what was there at the first start is no change')
  t.ok(hooks.isDue('two'))
  await hooks.runAll('two', { CHANGED: 'two' })
  t.notOk(hooks.isDue('two'))
  const again = make([hook], { store })
  await again.begin('two')
  t.notOk(again.isDue('two'))
  t.equal(readFileSync(log, 'utf8'), 'two\n')
  t.match(again.reports(), [{ name: 'a', state: 'succeeded' }])
})

t.test('a change before the first hook ran is not forgotten over a restart', async (t) => {
  const store = memory()
  await make([], { store }).begin('one')
  const hooks = make([], { store })
  await hooks.begin('two')
  t.ok(hooks.isDue('two'))
})

t.test('a run that was cut off is made again', async (t) => {
  const stopping = new AbortController()
  const store = memory()
  const hooks = make([exec('slow', 'sleep 60')], { store, signal: stopping.signal })
  await hooks.begin('one')
  const started = performance.now()
  const running = hooks.runAll('two', {})
  await sleep(100)
  stopping.abort()
  await running
  t.ok(performance.now() - started < 40_000, 'and does not hold the end up')
  const again = make([], { store })
  await again.begin('two')
  t.ok(again.isDue('two'))
})

t.test('one that fails is reported and does not keep the others from running', async (t) => {
  const hooks = make([exec('bad', 'echo out; echo err >&2; exit 3'), exec('good', 'true')])
  const [bad, good] = await hooks.runAll('x', {})
  t.match(bad, { name: 'bad', state: 'failed', detail: /^exit code 3\n(out\nerr|err\nout)$/ })
  t.match(good, { name: 'good', state: 'succeeded' })
})

t.test('one that takes too long is ended, its children with it', async (t) => {
  const file = join(t.testdir(), 'pid')
  const child = `echo \\$\\$ > ${file}; while :; do sleep 0.05; done`
  const hooks = make([exec('slow', `sh -c "${child}" & wait`)], { timeout: 4000 })
  const [report] = await hooks.runAll('x', {})
  t.match(report, { state: 'failed', detail: /^ended after 4 s/ })
  const pid = readFileSync(file, 'utf8').trim()
  t.match(pid, /^\d+$/)
  // Nothing, or a zombie that nobody has asked about yet.
  const isGone = () => /^(Z.*)?$/.test(spawnSync('ps', ['-o', 'stat=', '-p', pid], { encoding: 'utf8' }).stdout.trim())
  for (let tries = 0; tries < 1200 && !isGone(); tries++) await sleep(50)
  t.ok(isGone())
})

t.test('one that ignores SIGTERM is killed', async (t) => {
  const hooks = make([exec('stubborn', 'trap "" TERM; while :; do sleep 0.1; done')], { timeout: 100 })
  const started = performance.now()
  t.match(await hooks.runAll('x', {}), [{ state: 'failed' }])
  t.ok(performance.now() - started < 40_000)
})

t.test('what one leaves in the background holds nothing up', async (t) => {
  const hooks = make([exec('starts', 'sleep 40 & echo started')])
  const started = performance.now()
  t.match(await hooks.runAll('x', {}), [{ state: 'succeeded', detail: 'started' }])
  t.ok(performance.now() - started < 30_000)
})

t.test('a signal is sent to the process that the file names', async (t) => {
  const directory = t.testdir()
  const file = join(directory, 'pid')
  let got = 0
  process.on('SIGUSR2', () => got++)
  writeFileSync(file, `${process.pid}\n`)
  const hook: Hook = { name: 'me', kind: 'signal', pidFile: file, signal: 'SIGUSR2' }
  t.match(await make([hook]).runAll('x', {}), [{ state: 'succeeded' }])
  for (let tries = 0; tries < 1200 && got === 0; tries++) await sleep(50)
  t.equal(got, 1)
  for (const text of ['', '0', '-1', '1', 'x']) {
    writeFileSync(file, text)
    t.match(await make([hook]).runAll('x', {}), [{ state: 'failed' }], `never to ${JSON.stringify(text)}`)
  }
  t.match(await make([{ ...hook, pidFile: join(directory, 'none') }]).runAll('x', {}), [
    { state: 'failed', detail: /ENOENT/ },
  ])
})

t.test('only hooks of the configuration can be named', async (t) => {
  const hooks = make([exec('a', 'echo hello')])
  await hooks.begin('one')
  t.match(await hooks.runNamed('a', {}), { ok: true, output: 'hello\n' })
  t.equal(await hooks.runNamed('b', {}), undefined)
  t.equal(await hooks.runNamed('echo', {}), undefined)
  t.notOk(hooks.isDue('one'))
})

t.test('a disk that is full does not keep hooks from running, nor make them run twice', async (t) => {
  const hooks = makeHooks({
    hooks: [exec('a', 'true')],
    timeout: 1000,
    signal: new AbortController().signal,
    now: () => 0,
    store: { read: async () => undefined, write: () => Promise.reject(new Error('the disk is full')) },
  })
  await hooks.begin(undefined)
  t.match(await hooks.runAll('x', {}), [{ state: 'succeeded' }])
  t.notOk(hooks.isDue('x'))
})

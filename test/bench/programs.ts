import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import { familyOf } from '../../bench/support/accounting.ts'

t.setTimeout(120_000)
const skip = process.platform === 'linux' ? false : 'the bench needs Linux'
const bench = resolve(import.meta.dirname, '../../bench')

const makeFolder = (t: Pick<Test, 'teardown'>): string => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-programs-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A program of the bench; what is temporary for it lies in `temporary`. */
const start = (t: Pick<Test, 'teardown'>, temporary: string, program: string, ...args: string[]) => {
  const child = spawn(process.execPath, [join(bench, program), ...args], {
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const said = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      said[stream] += text
    })
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, ...said }))
  return { pid: child.pid as number, child, ended }
}

const refused: [what: string, program: string, args: string[], says: RegExp][] = [
  ['an unknown flag', 'main.ts', ['--foo'], /--foo/],
  ['an unknown flag', 'peers.ts', ['--foo'], /--foo/],
  ['an unknown flag', 'compare.ts', ['--foo'], /--foo/],
  ['an unknown case', 'main.ts', ['issue', 'nosuch'], /no case is named nosuch/],
  ['runs that are none', 'main.ts', ['--runs', '0'], /--runs is a whole number/],
  ['one case for the page', 'main.ts', ['issue', '--write'], /the page holds all cases/],
  ['one result alone', 'compare.ts', ['a.json'], /two results/],
]

t.test('what it cannot do, it refuses in one line, with exit code 2', { skip }, async (t) => {
  const running = refused.map((row) => ({ row, ended: start(t, makeFolder(t), row[1], ...row[2]).ended }))
  for (const { row, ended } of running) {
    const [what, program, , says] = row
    const { code, stdout, stderr } = await ended
    t.equal(code, 2, `${program}: ${what}`)
    t.match(stderr, says)
    t.match(stderr, /^.+\n$/, 'one line')
    t.equal(stdout, '')
  }
})

t.test('--help says how it is called', { skip }, async (t) => {
  for (const [program, line] of [
    ['main.ts', '    npm run bench -- --quick '],
    ['peers.ts', '    npm run bench:peers -- --quick '],
    ['compare.ts', '    node_modules/.bin/node bench/compare.ts BEFORE.json AFTER.json'],
  ] as const) {
    const { code, stdout } = await start(t, makeFolder(t), program, '--help').ended
    t.equal(code, 0)
    t.ok(stdout.includes(line), stdout)
    t.notMatch(stdout, /\*|import/, 'only the comment')
  }
})

/** Those of the processes that still run; one that ended and was not asked about yet is gone. */
const alive = (pids: number[]): number[] =>
  pids.filter((pid) => {
    try {
      return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
    } catch {
      return false
    }
  })

const isServer = (pid: number): boolean => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('src/server/main.ts')
  } catch {
    return false
  }
}

const until = async (holds: () => boolean): Promise<boolean> => {
  for (let tries = 0; tries < 600; tries++) {
    if (holds()) return true
    await new Promise((done) => setTimeout(done, 100))
  }
  return false
}

t.test('an interrupted run leaves no process and no folder', { skip }, async (t) => {
  const temporary = makeFolder(t)
  const { pid, child, ended } = start(t, temporary, 'main.ts', 'crl', '--quick', '--json', join(temporary, 'none'))
  t.ok(await until(() => familyOf(pid).some(isServer)), 'a server runs')
  t.not(readdirSync(temporary).length, 0, 'and its store lies in a folder')
  const all = familyOf(pid)
  t.ok(all.length > 3)
  child.kill('SIGINT')
  t.equal((await ended).code, 130)
  t.ok(await until(() => alive(all).length === 0), 'all of them are gone')
  t.strictSame(readdirSync(temporary), [])
})

t.test('a case that fails is named at the end, and leaves nothing either', { skip }, async (t) => {
  const [temporary, data] = [makeFolder(t), makeFolder(t)]
  const json = join(data, 'results.json')
  // The large registry cannot be made, while the small one runs already.
  writeFileSync(join(data, '500'), 'in the way')
  const args = ['rows', '--quick', '--rows', '500', '--data', data, '--json', json]
  const { pid, ended } = start(t, temporary, 'main.ts', ...args)
  const seen = new Set<number>()
  const watching = setInterval(() => {
    for (const member of familyOf(pid)) seen.add(member)
  }, 50)
  const { code, stderr } = await ended
  clearInterval(watching)
  t.equal(code, 1)
  t.match(stderr, /^FAILED rows: /m)
  t.ok(seen.size > 3, 'there was a store')
  t.ok(await until(() => alive([...seen]).length === 0), 'all of them are gone')
  t.strictSame(readdirSync(temporary), [])
  t.strictSame(JSON.parse(readFileSync(json, 'utf8')).cases, {}, 'what was measured is kept: nothing')
})
